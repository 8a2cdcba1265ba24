"""What the frozen trunk sees in pictures, computed once: the head learns in minutes then."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.network import Trunk, normalise

AT_ONCE = 8


class Features:
    """A trunk's features of many pictures, kept as float16, stride by stride."""

    def __init__(
        self,
        trunk: Trunk,
        picture: Callable[[int], NDArray[np.uint8]],
        count: int,
        progress: Callable[[str, int, int], None],
    ) -> None:
        """`picture` gives the one with this number, height×width×3."""
        self.kept: list[NDArray[np.float16]] = []
        with torch.no_grad():
            for first in range(0, count, AT_ONCE):
                numbers = range(first, min(count, first + AT_ONCE))
                seen = trunk(normalise(np.stack([picture(number) for number in numbers])))
                for place, feature in enumerate(seen):
                    if not first:
                        self.kept.append(np.empty((count, *feature.shape[1:]), np.float16))
                    self.kept[place][first : numbers.stop] = feature.numpy()
                progress("features", numbers.stop, count)

    def of(self, numbers: Sequence[int]) -> tuple[Tensor, ...]:
        """The features of these pictures, as the head takes them."""
        return tuple(torch.from_numpy(kept[list(numbers)]).float() for kept in self.kept)
