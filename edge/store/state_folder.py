"""The folder that a station keeps its state in."""

from pathlib import Path

from edge.errors import ConfigError


def writable(folder: Path) -> Path:
    """The state folder, made if need be. Raises `ConfigError` where nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as err:
        raise ConfigError(
            f"station.state_dir: {folder}: {err.strerror or err}; name a folder that this user may write to"
        ) from err
    return folder
