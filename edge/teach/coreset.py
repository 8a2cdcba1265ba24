"""A few patches that stand for many: greedy k-centre, always the patch farthest from those already chosen.

Sener and Savarese, 2018. Distances are taken in a random projection, which keeps them nearly as they are
(Johnson and Lindenstrauss) at a fraction of the work.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

DIMENSIONS = 32


def choose(patches: Floats, count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Which `count` of the patches (patches×channels) to keep; all of them where there are no more."""
    if len(patches) <= count:
        return np.arange(len(patches))
    projection = rng.standard_normal((patches.shape[1], DIMENSIONS), np.float32)
    points = patches @ projection
    squares = np.einsum("ij,ij->i", points, points)
    # Starting in the middle makes the choice depend on the pictures more than on the seed.
    chosen = [int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    nearest = np.full(len(points), np.inf, np.float32)
    while len(chosen) < count:
        last = points[chosen[-1]]
        np.minimum(nearest, squares - 2 * (points @ last) + last @ last, out=nearest)
        nearest[chosen[-1]] = -np.inf
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)
