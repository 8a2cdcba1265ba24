"""The child process of `edge.remote.lesson`: gives one lesson beside a running inspection, out of its way.

It reads a JSON object from standard input, the order, and writes JSON objects, one a line: `{"progress": […]}`,
and last `{"taught": {…}}` or `{"trouble": "…"}`. When its input ends, its parent is gone, and so is it.
"""

import json
import os
import resource
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2

from edge.config import Rectangle
from edge.errors import EdgeError
from edge.teach.lesson import Taught, Wishes, extend, teach

MB = 1_000_000
NICE = 15
"""Those that store and send have 10, those that decide 0."""
OOM_SCORE = "800"
"""When memory runs out the kernel takes this process, and not the inspection (-500 under systemd)."""


def step_aside(memory_bytes: int) -> None:
    """Wait for all others, use half the processors and so much memory, be the first to go, and leave no core."""
    cv2.setNumThreads(1)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    with suppress(OSError):
        # Half of the processors: priorities do not divide the memory's bandwidth.
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, mine[len(mine) // 2 :])
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    for kind, most in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def give(order: Mapping[str, Any]) -> dict[str, Any]:
    """Give the lesson; what to say of it last."""
    try:
        taught = _lesson(order)
    except (EdgeError, MemoryError) as err:
        return {"trouble": str(err) or "the lesson needs too much memory; teach with fewer pictures"}
    return {
        "taught": {
            "shelf": order["shelf"],
            "version": taught.record.version,
            "activated": taught.activated,
            "summary": taught.summary(),
        }
    }


def _lesson(order: Mapping[str, Any]) -> Taught:
    pictures, shelf = [Path(path) for path in order["pictures"]], Path(order["shelf"])
    if order["add"]:
        return extend(shelf, pictures, wishes=Wishes(force=order["force"]), progress=_progress)
    roi = None
    if order["roi"] is not None:
        x_min, y_min, x_max, y_max = order["roi"]
        roi = Rectangle(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)
    wishes = Wishes(roi=roi, force=order["force"])
    return teach(order["product"], pictures, shelf, wishes=wishes, progress=_progress)


def _progress(stage: str, done: int, total: int) -> None:
    _say({"progress": [stage, done, total]})


def _say(message: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _end_with_the_parent() -> None:
    # Not sys.stdin: its lock, held for ever, would be in the way of a good end.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    given = json.loads(sys.stdin.buffer.readline())
    step_aside(int(given["memory_mb"] * MB))
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    _say(give(given))
