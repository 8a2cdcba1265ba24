"""Where in the picture good parts differ most: distances mean less there.

Edges, holes and print lie a little differently on every part, an even surface does not. On magnetic tile this
brought 0.877 to 0.908 (AUROC, 400 pictures), on solar cells and screws nothing, and it cost 0.2 points on cookies,
with 20 pictures.
"""

import cv2
import numpy as np

from edge.model.arrays import Floats

HALF_TRUSTED = 50
"""So many pictures are trusted half, fewer less: the rest counts as the same everywhere."""
LEAST = 0.05
"""No place is trusted 20 times as much as another."""


def gain(maps: Floats) -> Floats:
    """What to multiply distances by, rows×columns, 1 on average; from held-out maps, pictures×rows×columns."""
    return _gain(maps.mean(axis=0), len(maps))


def calibrated(maps: Floats) -> Floats:
    """The maps, each times the gain that the others give: so that none is judged by itself."""
    if len(maps) == 1:
        return maps
    total, others = maps.sum(axis=0), len(maps) - 1
    return np.stack([own * _gain((total - own) / others, others) for own in maps])


def _gain(mean: Floats, pictures: int) -> Floats:
    trust = pictures / (pictures + HALF_TRUSTED)
    smooth = cv2.blur(mean.astype(np.float32), (3, 3), borderType=cv2.BORDER_REPLICATE)
    level = max(float(mean.mean()), 1e-9)
    usual = trust * smooth / level + (1 - trust)
    found: Floats = (1 / np.maximum(usual, LEAST)).astype(np.float32)
    return found
