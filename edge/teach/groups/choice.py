"""How many groups there are, where nobody says it."""

from math import sqrt

import numpy as np

from edge.errors import ConfigError
from edge.teach.groups.kmeans import Partition, Vectors, choose_kmeans, distances, kmeans, silhouette

LEAST = 0.15
"""A silhouette under it may be chance: all are one group. Of 50 vectors of noise it is 0.10, of 200 it is 0.08."""


def most_groups(parts: int) -> int:
    """As many as are tried: the square root of half the parts (Mardia, Kent and Bibby 1979), two at least."""
    return max(2, round(sqrt(parts / 2)))


def chosen(vectors: Vectors) -> Partition:
    """k-means with the k of the highest silhouette; one group where nothing stands apart.

    Too many groups are better than too few: two that are one kind are given one name.
    """
    tried = choose_kmeans(vectors, range(2, most_groups(len(vectors)) + 1))
    best = max(tried, key=lambda found: found.silhouette, default=None)
    if best is None or best.silhouette < LEAST:
        return Partition(np.zeros(len(vectors), np.intp), float("nan"))
    return best


def asked(vectors: Vectors, count: int) -> Partition:
    """k-means with so many groups. Raises `ConfigError` where there are not as many different parts."""
    different = len(np.unique(vectors, axis=0))
    if count > different:
        raise ConfigError(
            f"--groups: {count} groups cannot be made of {different} parts that differ; give fewer"
        )
    groups = kmeans(vectors, count)
    return Partition(groups, silhouette(distances(vectors, vectors), groups))
