"""What a bundle keeps of the pictures it was taught: enough to add a class later, without the pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError
from edge.model.arrays import Floats, pack, take, unpack
from edge.teach.classes.specimens import Specimen

Bytes = npt.NDArray[np.uint8]
DIGEST_BYTES = 32


@dataclass(frozen=True, eq=False)
class Keepsakes:
    """For each picture a vector, its class (its place in `labels`), the digest of its pixels, and how it looks.

    `vectors` pictures×n float32; `classes` pictures; `digests` and `looks` pictures×32.
    """

    labels: tuple[str, ...]
    vectors: Floats
    classes: npt.NDArray[np.intp]
    digests: Bytes
    looks: Bytes

    @classmethod
    def of(cls, specimens: Sequence[Specimen], vectors: Floats, labels: Sequence[str]) -> Self:
        """Of the pictures of a first lesson."""
        classes = np.array([labels.index(specimen.label) for specimen in specimens])
        digests = np.stack([np.frombuffer(specimen.digest, np.uint8) for specimen in specimens])
        looks = np.stack([specimen.looks for specimen in specimens])
        return cls(tuple(labels), vectors, classes, digests, looks)

    def extended(self, specimens: Sequence[Specimen], vectors: Floats, labels: Sequence[str]) -> "Keepsakes":
        """With more pictures, of these labels."""
        both = (*self.labels, *(label for label in labels if label not in self.labels))
        new = Keepsakes.of(specimens, vectors, both)
        return Keepsakes(
            both,
            np.concatenate([self.vectors, new.vectors]),
            np.concatenate([self.classes, new.classes]),
            np.concatenate([self.digests, new.digests]),
            np.concatenate([self.looks, new.looks]),
        )

    def labels_by_digest(self) -> dict[bytes, str]:
        """Which class each known picture is of."""
        pairs = zip(self.digests, self.classes, strict=True)
        return {digest.tobytes(): self.labels[place] for digest, place in pairs}

    def counts(self) -> Mapping[str, int]:
        """How many pictures there are of each class."""
        found = np.bincount(self.classes, minlength=len(self.labels))
        return dict(zip(self.labels, found.tolist(), strict=True))

    def write(self) -> bytes:
        """As an .npz file; the labels are in the manifest."""
        return pack(
            {
                "vectors": self.vectors,
                "classes": self.classes.astype(np.int32),
                "digests": self.digests,
                "looks": self.looks,
            }
        )

    @classmethod
    def read(cls, content: bytes, name: str, labels: Sequence[str]) -> Self:
        """From the file `name`. Raises `BundleError`."""
        arrays = unpack(content, name)
        vectors = take(arrays, "vectors", (None, None), name)
        classes, digests, looks = (arrays.get(key) for key in ("classes", "digests", "looks"))
        if (
            classes is None
            or digests is None
            or looks is None
            or classes.shape != (len(vectors),)
            or not digests.shape == looks.shape == (len(vectors), DIGEST_BYTES)
            or not digests.dtype == looks.dtype == np.uint8
            or not np.isin(np.arange(len(labels)), classes).all()
            or not ((classes >= 0) & (classes < len(labels))).all()
        ):
            raise BundleError(f"{name}: does not fit the bundle's classes; teach with --classes again")
        return cls(tuple(labels), vectors, classes.astype(np.intp), digests, looks)
