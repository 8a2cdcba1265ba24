"""The child process of `verify`: runs a bundle that nobody has run before, and may crash in doing so.

It reads the bundle from standard input and writes one JSON object: `{"scores": […]}` or `{"trouble": "…"}`.
"""

import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from edge.errors import EdgeError
from edge.model import golden, restoration
from edge.model.bundle import Bundle, assemble
from edge.model.runner import open_any
from edge.model.runtime import runtime
from edge.model.tables import MANIFEST

MEMORY_BYTES = 2 * 1024**3
CPU_S = 60
OPEN_FILES = 64


def pack(bundle: Bundle) -> bytes:
    """The bundle's bytes as one stream: a line of JSON with names and sizes, then file after file."""
    files = {MANIFEST: bundle.source, **bundle.files}
    sizes = {name: len(content) for name, content in files.items()}
    head = json.dumps({"folder": str(bundle.folder), "sizes": sizes}).encode()
    return b"\n".join([head, b"".join(files.values())])


def unpack(stream: BinaryIO) -> Bundle:
    """The bundle of such a stream, checked byte by byte. Raises `BundleError`."""
    head = json.loads(stream.readline())
    files = {name: stream.read(size) for name, size in head["sizes"].items()}
    return assemble(Path(head["folder"]), files.pop(MANIFEST), files)


def limit(memory_bytes: int = MEMORY_BYTES) -> None:
    """No more memory, processor time or files than a model can need, and no core dump of a crash."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def try_out(stream: BinaryIO) -> Mapping[str, object]:
    """Open the model and run the golden pictures."""
    try:
        runtime()
        bundle = unpack(stream)
        if bundle.manifest.task == restoration.TASK:
            return {"scores": restoration.replay(bundle, restoration.open_restorer(bundle))}
        return {"scores": golden.replay(bundle, open_any(bundle))}
    except (EdgeError, MemoryError) as err:
        return {"trouble": str(err) or "needs too much memory"}


if __name__ == "__main__":
    limit()
    json.dump(try_out(sys.stdin.buffer), sys.stdout)
