"""What a strange model takes and gives: seen from outside, in a child process, since it may crash."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError
from edge.model.arrays import unpack
from edge.model.delegate_link import read_specs
from edge.model.interpreter import TensorSpec
from edge.model.pixels import Pixels
from edge.model.verify import in_a_child
from edge.teach.adopt.trying import Try, sent

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Output:
    """One output, and what it was for each picture of noise, as real values."""

    spec: TensorSpec
    seen: tuple[Floats, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Without the batch, which is 1."""
        return self.spec.shape[1:] if self.spec.shape[:1] == (1,) else self.spec.shape

    @property
    def constant(self) -> bool:
        """Whether it is the same whatever the picture: numbers that came with the model."""
        return all(np.array_equal(self.seen[0], seen) for seen in self.seen)

    @property
    def whole(self) -> bool:
        """Whether all that was seen are whole numbers."""
        return all(np.array_equal(np.rint(seen), seen) for seen in self.seen)

    @property
    def least(self) -> float:
        """The least number that was seen."""
        return min(float(seen.min()) for seen in self.seen)

    @property
    def most(self) -> float:
        """The largest number that was seen."""
        return max(float(seen.max()) for seen in self.seen)


@dataclass(frozen=True, eq=False)
class Survey:
    """What a model takes and gives."""

    taken: TensorSpec
    outputs: tuple[Output, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its input in pixels."""
        return self.taken.shape[2], self.taken.shape[1]

    @property
    def shapes(self) -> str:
        """The outputs as complaints say them."""
        return " and ".join("×".join(map(str, output.spec.shape)) or "1" for output in self.outputs)


def survey(content: bytes, path: Path, pixels: Pixels) -> Survey:
    """Run a model of these bytes, which lie at `path`, on noise, in a child process. `pixels` are what it wants.

    Raises `BundleError` where it is no model for us, crashes, or takes too long.
    """
    return understood(
        in_a_child("edge.teach.adopt.trying", sent(Try(str(path), pixels), content), path), path
    )


def understood(answer: bytes, path: Path) -> Survey:
    """What the child has answered. Raises `BundleError`."""
    head, _, values = answer.partition(b"\n")
    said = json.loads(head)
    if "trouble" in said:
        raise BundleError(said["trouble"])
    (taken, *_), specs = read_specs(said)
    if any(0 in spec.shape for spec in specs):
        raise BundleError(f"{path}: one of its outputs holds nothing; convert the model again")
    arrays = unpack(values, str(path))
    outputs = tuple(
        Output(spec, tuple(arrays[f"{picture}-{number}"] for picture in range(said["pictures"])))
        for number, spec in enumerate(specs)
    )
    return Survey(taken, outputs)
