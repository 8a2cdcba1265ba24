"""Some of many, evenly from the first to the last: how a lesson stays bounded, however many pictures there are."""

import numpy as np


def evenly(count: int, most: int) -> list[int]:
    """The places of `most` of `count` things, in order; all of them where there are no more."""
    places: list[int] = np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
    return places
