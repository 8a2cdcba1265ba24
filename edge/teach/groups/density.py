"""Groups as dense places (HDBSCAN): their number need not be known, and what fits nowhere stays out.

Source: Campello, Moulavi and Sander 2013, "Density-based clustering based on hierarchical density estimates". The
one file that needs scikit-learn.
"""

from importlib.util import find_spec

import numpy as np

from edge.errors import ConfigError
from edge.teach.groups.kmeans import Partition, Vectors, by_size, distances, silhouette

SHARE = 1 / 12
"""Of all parts, that a group has at least; `FEWEST` where that is more."""
FEWEST = 3
NEIGHBOURS = 2
"""So many parts close by make a place dense."""


def available() -> bool:
    """Whether scikit-learn is installed."""
    return find_spec("sklearn") is not None


def hdbscan(vectors: Vectors) -> Partition:
    """The groups that there are, or none. Raises `ConfigError` without scikit-learn."""
    try:
        from sklearn.cluster import HDBSCAN
    except ImportError as err:
        raise ConfigError("hdbscan needs scikit-learn; run: pip install 'edge-inspect[cluster]'") from err
    if len(vectors) <= FEWEST:
        return Partition(np.full(len(vectors), -1, np.intp), float("nan"))
    fewest = max(FEWEST, round(SHARE * len(vectors)))
    found = HDBSCAN(min_cluster_size=fewest, min_samples=NEIGHBOURS, copy=True).fit_predict(vectors)
    groups = by_size(np.asarray(found, np.intp))
    return Partition(groups, silhouette(distances(vectors, vectors), groups))
