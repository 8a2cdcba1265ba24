"""What passes between a delegate's process and ours: the wish, the answer, and the memory with the tensors."""

import json
import mmap
import os
import socket
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.model.delegates import DelegateConfig
from edge.model.interpreter import TensorSpec
from edge.model.pixels import Pixels
from edge.model.runtime import Size

LONGEST_BYTES = 65_536
"""A message at most: a wish with its options, or the answer."""
RUN = b"run"
DONE = b"done"
ALIGNED_BYTES = 64
"""Each tensor begins at a multiple of it: a line of the cache."""


class Wish(NamedTuple):
    """What the child is to open: see `Interpreter`. The model's bytes come in a file of their own."""

    threads: int
    delegate: DelegateConfig
    name: str
    size: Size
    floats: bool
    pixels: Pixels | None


class Tensors:
    """The input and the outputs of a model in memory that two processes share."""

    def __init__(self, file: int, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        """`file` is a descriptor; whoever has it grows it to the size that is needed. It may be closed then."""
        # What goes in is the picture as the camera gave it, whatever type the model wants: see `Interpreter`.
        shapes = [(inputs[0].shape, np.dtype(np.int8)), *((each.shape, each.dtype) for each in outputs)]
        sizes = [prod(shape) * kind.itemsize for shape, kind in shapes]
        rooms = [-(-size // ALIGNED_BYTES) * ALIGNED_BYTES for size in sizes]
        os.ftruncate(file, sum(rooms))
        memory = mmap.mmap(file, sum(rooms))
        starts = [sum(rooms[:number]) for number in range(len(rooms))]
        arrays: list[npt.NDArray[Any]] = [
            np.ndarray(shape, kind, memory, start)
            for (shape, kind), start in zip(shapes, starts, strict=True)
        ]
        self.pixels, self.outputs = arrays[0], arrays[1:]


def sealed(content: bytes) -> int:
    """A descriptor of a file in memory with these bytes; to be closed."""
    file = os.memfd_create("model")
    with os.fdopen(os.dup(file), "wb") as writer:
        writer.write(content)
    return file


def send_wish(link: socket.socket, wish: Wish, model: int) -> None:
    """Ask the child to open the model of that file. Raises `OSError`."""
    delegate = wish.delegate
    library = None if delegate.library is None else str(delegate.library)
    said = {"name": delegate.name, "library": library, "options": dict(delegate.options)}
    pixels = None if wish.pixels is None else wish.pixels.model_dump()
    wanted = {**wish._asdict(), "delegate": said, "pixels": pixels}
    socket.send_fds(link, [json.dumps(wanted).encode()], [model])


def receive_wish(link: socket.socket) -> tuple[Wish, bytes]:
    """What is to be opened, and the model's bytes."""
    said, (model,), _, _ = socket.recv_fds(link, LONGEST_BYTES, 1)
    wanted = json.loads(said)
    delegate = wanted.pop("delegate")
    library = None if delegate["library"] is None else Path(delegate["library"])
    size = None if wanted["size"] is None else tuple(wanted["size"])
    pixels = None if wanted["pixels"] is None else Pixels(**wanted["pixels"])
    with os.fdopen(model, "rb") as file:
        file.seek(0)
        content = file.read()
    config = DelegateConfig(delegate["name"], library, delegate["options"])
    return Wish(**{**wanted, "size": size, "pixels": pixels, "delegate": config}), content


def send_specs(
    link: socket.socket, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], memory: int
) -> None:
    """Tell that the model is loaded, what it takes and gives, and where."""
    said = {"inputs": [plain(spec) for spec in inputs], "outputs": [plain(spec) for spec in outputs]}
    socket.send_fds(link, [json.dumps(said).encode()], [memory])


def read_specs(said: Mapping[str, Any]) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs, from such a message."""
    inputs, outputs = (tuple(_spec(spec) for spec in said[key]) for key in ("inputs", "outputs"))
    return inputs, outputs


def trouble(sentence: str) -> bytes:
    """The answer of a child that cannot do what it should."""
    return json.dumps({"trouble": sentence[: LONGEST_BYTES // 8]}).encode()


def plain(spec: TensorSpec) -> dict[str, Any]:
    """A tensor's description as JSON; `read_specs` reads it."""
    return {**spec._asdict(), "dtype": spec.dtype.name}


def _spec(said: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(**{**said, "dtype": np.dtype(said["dtype"]), "shape": tuple(said["shape"])})
