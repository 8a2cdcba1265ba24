"""The child process of `survey`: loads a model that nobody here has run before, and runs it on noise.

It reads a line of JSON and the model from standard input, and writes a line of JSON, and an .npz file with the
outputs as real values.
"""

import json
import sys
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np

from edge.errors import EdgeError
from edge.geometry import Tensor
from edge.model.arrays import pack
from edge.model.classifier import real
from edge.model.delegate_link import plain
from edge.model.interpreter import Interpreter
from edge.model.pixels import Pixels
from edge.model.trial import limit

PICTURES = 2
COARSE_PX = 8


class Try(NamedTuple):
    """What the child is to run: what complaints call the model, and what it wants to see."""

    name: str
    pixels: Pixels


def sent(wish: Try, content: bytes) -> bytes:
    """What goes to the child."""
    return json.dumps({"name": wish.name, "pixels": wish.pixels.model_dump()}).encode() + b"\n" + content


def noise(number: int, height: int, width: int) -> Tensor:
    """A picture of coloured clouds, the same every time: something, but nothing in particular."""
    coarse = np.random.default_rng(number).integers(0, 256, (COARSE_PX, COARSE_PX, 3), np.uint8)
    picture = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return np.bitwise_xor(picture, np.uint8(128)).view(np.int8)[np.newaxis]


def tried(stream: BinaryIO) -> bytes:
    """The answer of the child to what was sent."""
    try:
        return _tried(stream.readline(), stream.read())
    except (EdgeError, MemoryError) as err:
        return json.dumps({"trouble": str(err) or "needs too much memory"}).encode()


def _tried(said: bytes, content: bytes) -> bytes:
    wish = json.loads(said)
    model = Interpreter(content, name=wish["name"], pixels=Pixels(**wish["pixels"]))
    _, height, width, _ = model.inputs[0].shape
    arrays = {
        f"{number}-{place}": real(output, spec)
        for number in range(PICTURES)
        for place, (output, spec) in enumerate(
            zip(model.invoke(noise(number, height, width)), model.outputs, strict=True)
        )
    }
    specs = {
        "inputs": [plain(spec) for spec in model.inputs],
        "outputs": [plain(spec) for spec in model.outputs],
        "pictures": PICTURES,
    }
    return json.dumps(specs).encode() + b"\n" + pack(arrays)


if __name__ == "__main__":
    limit()
    sys.stdout.buffer.write(tried(sys.stdin.buffer))
