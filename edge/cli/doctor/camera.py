"""The camera: devices and their permissions, and one frame of the configured source."""

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic_ns

from edge.cli.doctor.line import Line
from edge.config import Config, OpenCVSource, SourceConfig, WatchSource
from edge.errors import CaptureError, ConfigError, DeviceError
from edge.kernel_file import read_text
from edge.types import EndOfFrames

LONGEST_S = {"timeout_s": 5.0, "lock_s": 1.0, "reconnect_s": 1.0}
"""The doctor waits less long than the station."""
OLD_MS = 500.0
FRAME = "a frame"
"""How the line of a source begins that has given one."""
DEVICES = ("video", "media", "gpiochip", "apex_", "hailo", "dri/renderD")


def device_lines(root: Path = Path("/")) -> Iterator[Line]:
    """Which devices there are, and whether this user may use them."""
    groups = _own_groups()
    for prefix in DEVICES:
        found = sorted((root / "dev").glob(f"{prefix}[0-9]*"))
        closed = [path for path in found if not os.access(path, os.R_OK | os.W_OK)]
        if closed:
            names = ", ".join(str(path) for path in closed)
            wanted = ", ".join(sorted({_group(path) for path in closed}))
            remedy = f"this user is in {groups}; sudo usermod -aG {wanted} {_own_name()}, then log in again"
            yield Line("warn", "device", f"{names}: not for this user (group {wanted})", remedy)
        elif found:
            yield Line("ok", "device", ", ".join(str(path) for path in found))


def seen(root: Path = Path("/")) -> list[str]:
    """The cameras that the kernel knows, as `video0: name`."""
    folders = sorted((root / "sys/class/video4linux").glob("video*"))
    return [f"{folder.name}: {read_text(folder / 'name') or '?'}" for folder in folders]


def source_lines(config: Config, *, running: bool) -> Iterator[Line]:
    """One frame from the configured source, if nobody else has it."""
    source = config.source
    if isinstance(source, WatchSource):
        yield from _watched(source)
    elif running and _has_one_user(source):
        found = "not opened: the station runs and has it; its status says how it does"
        yield Line("ok", f"source {source.type}", found)
    else:
        yield from _frame(source)


def _frame(source: SourceConfig) -> Iterator[Line]:
    from edge.sources import open_source

    what = f"source {source.type}"
    remedy = "correct [source], the cable, or the permissions; is another program using it?"
    try:
        with ExitStack() as leaving:
            camera = leaving.enter_context(open_source(_impatient(source)))
            frame = camera.read()
            age_ms = (monotonic_ns() - frame.captured_ns) / 1e6
    except EndOfFrames:
        yield Line("fail", what, "ended without a frame", remedy)
        return
    except (CaptureError, ConfigError, DeviceError) as err:
        yield Line("fail", what, str(err), remedy)
        return
    except ImportError as err:
        yield Line("fail", what, f"its library is missing: {err}", "install the extra that this source needs")
        return
    height, width = frame.image.shape[:2]
    found = f"{FRAME} of {width}×{height}, {age_ms:.0f} ms old, grey level {frame.image.mean():.0f} of 255"
    if age_ms > OLD_MS:
        yield Line("warn", what, found, "frames arrive late: fewer pixels, or a camera that buffers less")
    else:
        yield Line("ok", what, found)


def _watched(source: WatchSource) -> Iterator[Line]:
    """Looked at from outside: opening it would make folders and take pictures."""
    try:
        names = [path for path in source.path.iterdir() if path.is_file() and not path.name.startswith(".")]
        writable = os.access(source.path, os.W_OK | os.X_OK)
    except OSError as err:
        remedy = "create it, or mount it"
        yield Line("fail", "source watch", f"{source.path}: {err.strerror or err}", remedy)
        return
    if writable:
        yield Line("ok", "source watch", f"{source.path}: {len(names)} files wait")
    else:
        remedy = "pictures cannot be moved away: allow the station's user to write there"
        yield Line("fail", "source watch", f"{source.path}: this user may not write there", remedy)


def _impatient(source: SourceConfig) -> SourceConfig:
    shorter = {
        key: min(getattr(source, key), longest)
        for key, longest in LONGEST_S.items()
        if key in type(source).model_fields
    }
    return source.model_copy(update=shorter)


def _has_one_user(source: SourceConfig) -> bool:
    """Whether a second reader would be refused, or would disturb the first."""
    return source.type not in {"folder", "synthetic"} and not (
        isinstance(source, OpenCVSource) and not source.device.startswith("/dev/")
    )


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _own_groups() -> str:
    return ", ".join(_group_name(number) for number in sorted({os.getegid(), *os.getgroups()}))


def _group(path: Path) -> str:
    try:
        return _group_name(path.stat().st_gid)
    except OSError:
        return "?"


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
