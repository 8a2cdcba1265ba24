"""k-means with a chosen k: the same vectors give the same groups.

Sources: Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding"; Rousseeuw 1987,
"Silhouettes: a graphical aid to the interpretation and validation of cluster analysis".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]

STARTS = 20
"""Seedings for each k: the one with the least inertia is kept."""
MOST_ROUNDS = 100


@dataclass(frozen=True, eq=False)
class Partition:
    """A group for each vector, numbered 0…k-1, the largest first; -1 for one that is in none.

    `silhouette` (-1…1) is how much nearer vectors are to their own group than to the next: NaN for one group.
    """

    groups: Numbers
    silhouette: float

    @property
    def count(self) -> int:
        """How many groups there are."""
        return int(self.groups.max(initial=-1)) + 1


def choose_kmeans(vectors: Vectors, counts: Sequence[int], seed: int = 0) -> list[Partition]:
    """A partition for each of the `counts` of groups that there are different vectors for, as they come."""
    most = len(np.unique(vectors, axis=0))
    apart = distances(vectors, vectors)
    found = []
    for count in counts:
        if count <= most:
            groups = kmeans(vectors, count, seed)
            found.append(Partition(groups, silhouette(apart, groups)))
    return found


def kmeans(vectors: Vectors, count: int, seed: int = 0) -> Numbers:
    """A group for each vector, the largest first: the best of `STARTS` seedings.

    There must be `count` different vectors at least; no group is empty then.
    """
    rng = np.random.default_rng(seed)
    best, least = np.zeros(len(vectors), np.intp), np.inf
    for _ in range(STARTS):
        groups, inertia = _settle(vectors, _seeds(vectors, count, rng))
        if inertia < least:
            best, least = groups, inertia
    return by_size(best)


def silhouette(apart: Vectors, groups: Numbers) -> float:
    """The mean over all that are in a group, from distances n×n; NaN for one group. One that is alone counts 0."""
    inside = groups >= 0
    groups, apart = groups[inside], apart[np.ix_(inside, inside)]
    count = int(groups.max(initial=-1)) + 1
    if count < 2:  # noqa: PLR2004 - nothing to be nearer to
        return float("nan")
    member = np.eye(count)[groups]
    sizes = member.sum(axis=0)
    sums = apart @ member
    rows = np.arange(len(groups))
    own = sums[rows, groups] / np.maximum(sizes[groups] - 1, 1)
    means = sums / sizes
    means[rows, groups] = np.inf
    other = means.min(axis=1)
    wider = np.maximum(own, other)
    values = np.where(wider > 0, (other - own) / np.where(wider > 0, wider, 1), 0.0)
    return float(np.where(sizes[groups] == 1, 0.0, values).mean())


def distances(left: Vectors, right: Vectors) -> Vectors:
    """Euclidean, left×right."""
    return np.sqrt(_squares(left, right))


def by_size(groups: Numbers) -> Numbers:
    """The same groups, numbered from the largest to the smallest; of equals, the one that comes first."""
    kept = groups[groups >= 0]
    sizes = np.bincount(kept)
    first = np.array([np.argmax(groups == group) for group in range(len(sizes))])
    order = np.lexsort((first, -sizes))
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    numbered = np.full_like(groups, -1)
    numbered[groups >= 0] = ranks[kept]
    return numbered


def _squares(left: Vectors, right: Vectors) -> Vectors:
    squares: Vectors = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    return np.maximum(squares, 0.0)


def _seeds(vectors: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """One at random, then each the likelier the farther it is from those chosen."""
    chosen = [int(rng.integers(len(vectors)))]
    near = _squares(vectors, vectors[chosen]).ravel()
    near[chosen[0]] = 0.0
    for _ in range(count - 1):
        place = int(np.searchsorted(np.cumsum(near), rng.random() * near.sum(), side="right"))
        chosen.append(min(place, len(vectors) - 1))
        near = np.minimum(near, _squares(vectors, vectors[chosen[-1:]]).ravel())
        near[chosen] = 0.0
    return vectors[chosen]


def _settle(vectors: Vectors, middles: Vectors) -> tuple[Numbers, float]:
    """Lloyd's rounds: the groups, and the sum of squares within them."""
    groups = np.full(len(vectors), -1, np.intp)
    for _ in range(MOST_ROUNDS):
        far = _squares(vectors, middles)
        nearest = _filled(far, far.argmin(axis=1))
        if (nearest == groups).all():
            break
        groups = nearest
        member = np.eye(len(middles))[groups]
        middles = (member.T @ vectors) / member.sum(axis=0)[:, None]
    within = _squares(vectors, middles)[np.arange(len(groups)), groups].sum()
    return groups, float(within)


def _filled(far: Vectors, groups: Numbers) -> Numbers:
    """The groups, where an empty one is given the vector that is farthest from its own middle."""
    sizes = np.bincount(groups, minlength=far.shape[1])
    for empty in np.flatnonzero(sizes == 0):
        own = far[np.arange(len(groups)), groups]
        own[sizes[groups] == 1] = -1.0
        moved = int(own.argmax())
        sizes[groups[moved]] -= 1
        groups[moved], sizes[empty] = empty, 1
    return groups
