"""How well two ways of grouping the same things agree, beyond chance."""

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt


def adjusted_rand(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """The adjusted Rand index (Hubert and Arabie 1985): 1 for the same groups, about 0 by chance, -0.5 at least.

    Of pairs of things, it counts those that both put together. 1 where both say that all are alike, or all
    different. Raises `ValueError` unless both are of the same things.
    """
    if len(one) != len(other):
        raise ValueError(f"{len(one)} things cannot be compared with {len(other)}")
    rows, columns = _numbered(one), _numbered(other)
    table = np.zeros((len(set(one)), len(set(other))))
    np.add.at(table, (rows, columns), 1)
    together, in_rows, in_columns = (
        _pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0))
    )
    pairs = len(one) * (len(one) - 1) / 2
    expected = in_rows * in_columns / pairs if pairs else 0.0
    highest = (in_rows + in_columns) / 2
    return 1.0 if highest == expected else float((together - expected) / (highest - expected))


def _numbered(labels: Sequence[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def _pairs(counts: npt.NDArray[np.float64]) -> float:
    return float((counts * (counts - 1) / 2).sum())
