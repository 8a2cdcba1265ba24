"""`edge teach --camera`: pictures for a lesson from a station's own camera, while the station does not run."""

from collections.abc import Callable
from pathlib import Path

import typer

from edge.errors import ConfigError


def take_pictures(
    station: Path, folder: Path, count: int, progress: Callable[[str, int, int], None]
) -> list[Path]:
    """Fill the folder up to `count` pictures of good parts; says on stderr what is in the way.

    Raises `ConfigError` where pictures are missing at the end; those that were taken stay, and count next time.
    """
    from edge import config as settings
    from edge.teach.camera import capture

    captured = capture(
        settings.load(station), folder, count, progress=progress, say=lambda text: typer.echo(text, err=True)
    )
    missing = captured.missing()
    if missing:
        advice = f"run it again to go on, or teach from what is there with --good {folder}"
        raise ConfigError("\n".join([*missing, advice]))
    return list(captured.paths)
