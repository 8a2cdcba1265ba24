"""A lesson, given in a child process: its crash or its hunger for memory never hurts the running inspection."""

import json
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import IO, Any

from edge.errors import EdgeError
from edge.service import bare_environment

PROGRAM = "edge.teach.child"
_PIECE_BYTES = 65536


class LessonError(EdgeError):
    """Nothing was taught, and why."""


class Lesson:
    """A lesson that is being given. `follow` is for one thread; `stop` for any.

    The child reads one JSON object, then whether its input ends: it dies with us. It writes a JSON object a line:
    `progress` (stage, done, total), and last `taught` or `trouble`.
    """

    def __init__(self, order: Mapping[str, Any]) -> None:
        """Start the child. Raises `LessonError`."""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd="/",
                env=bare_environment(),
            )
            self._stdin.write(json.dumps(order).encode() + b"\n")
            self._stdin.flush()
        except OSError as err:
            raise LessonError(f"the lesson cannot be started: {err.strerror or err}") from err

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def follow(self, progress: Callable[[str, int, int], None], limit_s: float) -> dict[str, Any]:
        """Wait for the end of the lesson, and give what was taught. Raises `LessonError`."""
        last: dict[str, Any] = {}
        try:
            for line in self._lines(monotonic() + limit_s):
                last = _decode(line)
                if "progress" in last:
                    progress(*last["progress"])
        finally:
            self.stop()
            code = self._process.wait()
            self._stdin.close()
            self._stdout.close()
        if "taught" in last:
            taught: dict[str, Any] = last["taught"]
            return taught
        raise LessonError(str(last.get("trouble") or _death(code)))

    def stop(self) -> None:
        """End the child at once; the versions on the shelf stay whole."""
        self._process.kill()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - asked for
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101 - asked for
        return self._process.stdout

    def _lines(self, until_s: float) -> Iterator[bytes]:
        rest = b""
        number = self._stdout.fileno()
        while True:
            readable, _, _ = select.select([number], [], [], max(0.0, until_s - monotonic()))
            if not readable:
                raise LessonError("the lesson took too long (teaching.lesson_s); teach with fewer pictures")
            piece = self._stdout.read1(_PIECE_BYTES)  # type: ignore[attr-defined]
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines


def _decode(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _death(code: int) -> str:
    if code == -signal.SIGKILL:
        return "the lesson was killed; is there enough memory? Teach with fewer pictures, or try again"
    if code < 0:
        return f"the lesson crashed ({signal.Signals(-code).name}); the journal may say more"
    return f"the lesson ended with {code} and without a word; the journal may say more"
