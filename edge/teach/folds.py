"""Which pictures to hold out together: those of one class evenly, and like ones never apart."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Image

Numbers = npt.NDArray[np.intp]
Hashes = npt.NDArray[np.uint8]

SIDE = 16
MOST_BITS = 16
"""Two pictures that differ in so many of 256 bits, or fewer, are taken for two of the same part."""
MOST_FOLDS = 10


def difference_hash(picture: Image) -> Hashes:
    """32 bytes that stay nearly the same while a picture gets brighter or moves a little (Krawetz 2013)."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    bits: Hashes = np.packbits(small[:, 1:] > small[:, :-1])
    return bits


def folds(hashes: Hashes, classes: Numbers) -> Sequence[Numbers]:
    """The pictures to hold out, fold by fold; `hashes` are pictures×32. Each is in one fold.

    No class is ever held out as a whole. Where all its pictures are alike, they are told apart all the same.
    """
    count = min(MOST_FOLDS, int(np.bincount(classes).min()))
    place = np.empty(len(classes), np.intp)
    for label in np.unique(classes):
        pictures = np.flatnonzero(classes == label)
        groups = alike(hashes[pictures])
        if groups.max() == 0:
            groups = np.arange(len(pictures))
        sizes = np.zeros(count, np.intp)
        for group in np.argsort(-np.bincount(groups), kind="stable"):
            fold = int(sizes.argmin())
            members = pictures[groups == group]
            place[members], sizes[fold] = fold, sizes[fold] + len(members)
    return [found for fold in range(count) if len(found := np.flatnonzero(place == fold))]


def alike(hashes: Hashes) -> Numbers:
    """A number for each picture, the same for those that a chain of like pictures connects."""
    bits = np.unpackbits(hashes, axis=1).astype(np.int16)
    near = (bits[:, None] != bits).sum(axis=2) <= MOST_BITS
    groups = np.arange(len(hashes))
    while True:
        joined = np.where(near, groups, len(groups)).min(axis=1)
        if (joined == groups).all():
            return np.unique(groups, return_inverse=True)[1].astype(np.intp)
        groups = joined
