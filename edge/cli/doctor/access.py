"""Who may read and write what: secrets, the settings, and whether the station runs just now."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.cli.doctor.line import Line
from edge.config import Config, MqttSink


def access_lines(config: Config, path: Path) -> Iterator[Line]:
    """Secrets that others can read, and settings that others can change."""
    yield from _settings(path)
    for sink in config.sinks:
        if isinstance(sink, MqttSink):
            for key in ("password_file", "key_file"):
                named = getattr(sink, key)
                if named is not None:
                    yield _secret(key, named)


def is_running(config: Config, root: Path = Path("/")) -> bool:
    """Whether a process has the station's outbox; asked of the kernel, without touching the lock."""
    claim = config.station.state_dir / "outbox.db.epoch"
    try:
        number = claim.stat().st_ino
        locks = (root / "proc/locks").read_text()
    except OSError:
        return False
    fields = [line.split() for line in locks.splitlines()]
    return any(
        "FLOCK" in each and any(word.endswith(f":{number}") and word.count(":") > 1 for word in each)
        for each in fields
    )


def _settings(path: Path) -> Iterator[Line]:
    try:
        status = path.stat()
    except OSError as err:
        yield Line("fail", "settings owner", f"{path}: {err.strerror}", "is it a file?")
        return
    if status.st_mode & stat.S_IWOTH:
        remedy = f"chmod o-w {path}"
        yield Line("fail", "settings owner", f"{path}: everybody may change it", remedy)
    elif os.geteuid() != 0 and status.st_uid == os.geteuid() and str(path).startswith("/etc/"):
        remedy = f"sudo chown root {path}: a station need not be able to change its own settings"
        yield Line("warn", "settings owner", f"{path}: belongs to this user", remedy)
    else:
        yield Line("ok", "settings owner", f"uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}")


def _secret(key: str, path: Path) -> Line:
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / path.name).exists():
        return Line("ok", key, f"{path.name}: a credential of systemd")
    try:
        mode = path.stat().st_mode
        path.open("rb").close()
    except OSError as err:
        remedy = (
            "under systemd it may be a credential (drop-ins/credentials.conf), which this shell cannot see"
        )
        return Line("warn", key, f"{path}: {err.strerror or err}", remedy)
    if mode & 0o007:
        return Line("fail", key, f"{path}: is readable by everyone", f"chmod o-rwx {path}")
    return Line("ok", key, f"{path}: not for others (mode {stat.S_IMODE(mode):o})")
