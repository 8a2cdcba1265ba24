"""What the numbers of a model's input stand for, where it was trained by others."""

from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from edge.table import Table

Finite = Annotated[float, Field(allow_inf_nan=False)]
Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]

LEVELS = 256
"""Of a pixel's channel."""
CHANNELS = 3


class Pixels(Table):
    """The model takes (pixel - mean) / std, channel by channel; quantized as its input says."""

    mean: list[Finite] = Field(
        [127.5], min_length=1, max_length=3, description="Grey level 0 to 255; one, or one for each channel."
    )
    std: list[Factor] = Field(
        [127.5], min_length=1, max_length=3, description="Grey levels; one, or one for each channel."
    )
    order: Literal["rgb", "bgr"] = Field("rgb", description="Order of the channels, mean and std included.")

    @model_validator(mode="after")
    def _fits_the_channels(self) -> Self:
        for key, numbers in (("mean", self.mean), ("std", self.std)):
            if len(numbers) not in {1, CHANNELS}:
                raise ValueError(f"{key}: has {len(numbers)} numbers; give 1, or 3: one for each channel")
        return self

    def real(self) -> npt.NDArray[np.float64]:
        """What each level of a pixel stands for: 256×3, in the model's order of channels."""
        levels = np.arange(LEVELS, dtype=np.float64)[:, None]
        return np.broadcast_to((levels - np.array(self.mean)) / np.array(self.std), (LEVELS, CHANNELS))


def as_numbers(
    real: npt.NDArray[np.float64], dtype: np.dtype[Any], scale: float, zero_point: int
) -> npt.NDArray[Any]:
    """Real values as a tensor of that type has them; what it cannot hold is its lowest or highest number."""
    if dtype == np.float32:
        return real.astype(np.float32)
    whole = np.rint(real / scale) + zero_point
    limits = np.iinfo(dtype)
    numbers: npt.NDArray[Any] = np.clip(whole, limits.min, limits.max).astype(dtype)
    return numbers
