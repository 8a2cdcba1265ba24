"""Who is who: the pairs of tracks and boxes that fit best together, exactly."""

import numpy as np
import numpy.typing as npt

Gains = npt.NDArray[np.float64]
"""How well a row and a column fit, rows × columns; 0 where they cannot be a pair."""
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int_]
NOBODY = -1


def assign(gains: Gains) -> list[tuple[int, int]]:
    """The pairs (row, column) whose gains have the largest sum, each in one pair at most; ordered by row.

    The Hungarian method in its form with shortest augmenting paths (Jonker and Volgenant, 1987). Who has only one
    choice, and is the only one who has it, needs no method: that is every frame where parts do not touch.
    """
    possible = gains > 0
    if (possible.sum(axis=0) <= 1).all() and (possible.sum(axis=1) <= 1).all():
        return [(int(row), int(column)) for row, column in zip(*np.nonzero(possible), strict=True)]
    if gains.shape[0] > gains.shape[1]:
        return sorted((row, column) for column, row in assign(gains.T))
    taken_by = np.full(gains.shape[1], NOBODY)
    row_price, column_price = np.zeros(gains.shape[0]), np.zeros(gains.shape[1])
    for row in range(gains.shape[0]):
        _place(row, -gains, taken_by, row_price, column_price)
    pairs = sorted((int(row), column) for column, row in enumerate(taken_by) if row != NOBODY)
    return [(row, column) for row, column in pairs if possible[row, column]]


def _place(row: int, costs: Floats, taken_by: Places, row_price: Floats, column_price: Floats) -> None:
    """Give one more row a column; those that are in the way move on, by the cheapest chain of moves."""
    columns = costs.shape[1]
    reach, came_from = np.full(columns, np.inf), np.full(columns, NOBODY)
    done = np.zeros(columns, bool)
    here, at = row, NOBODY
    while here != NOBODY:
        price = costs[here] - row_price[here] - column_price
        nearer = ~done & (price < reach)
        reach[nearer], came_from[nearer] = price[nearer], at
        at = int(np.where(done, np.inf, reach).argmin())
        step = reach[at]
        row_price[row] += step
        row_price[taken_by[done]] += step
        column_price[done] -= step
        reach[~done] -= step
        done[at] = True
        here = int(taken_by[at])
    while at != NOBODY:
        before = int(came_from[at])
        taken_by[at] = row if before == NOBODY else taken_by[before]
        at = before
