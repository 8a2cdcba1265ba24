"""A delegate library of our own, built when a test needs it: it does as it is told, also while it runs."""

import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from brokers import program

from edge.model.delegates import DelegateConfig

SOURCE = Path(__file__).parent / "delegates" / "double.c"
HANG_MS = 300.0
"""Deadline of a double that is to hang: no run of the tiny models comes near it."""


@cache
def library() -> Path:
    """The library, compiled once for all tests."""
    built = Path(mkdtemp(prefix="edge-tests-")) / "libdouble.so"
    subprocess.run([program("gcc"), "-O2", "-shared", "-fPIC", SOURCE, "-o", built, "-lm"], check=True)
    return built


def double(mode: str, **settings: Any) -> DelegateConfig:
    """A delegate that stays in one mode; see `double.c` for what there is."""
    return DelegateConfig("npu", library(), {"mode": mode}, **settings)


class Switch:
    """Tells a double what to do from now on, whichever process it is in."""

    def __init__(self, folder: Path, mode: str = "works") -> None:
        self.path = folder / "switch"
        self.turn(mode)

    def turn(self, mode: str) -> None:
        beside = self.path.with_suffix(".new")
        beside.write_text(mode)
        beside.replace(self.path)

    def double(self, name: str = "npu", **settings: Any) -> DelegateConfig:
        """A delegate that listens to this switch, and is tried again at once when it was lost."""
        options = {"switch": str(self.path)}
        wanted = {"deadline_ms": HANG_MS, "load_s": 20.0, "retry_s": 0.0, **settings}
        return DelegateConfig(name, library(), options, **wanted)
