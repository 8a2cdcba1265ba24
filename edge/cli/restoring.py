"""`edge restore`: better pictures for people, beside the ones that were taken."""

from pathlib import Path
from typing import Annotated

import typer

from edge.errors import ConfigError


def restore(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Folder of a restoration, or 'denoiser' or 'super-resolution-x2' for a shipped one.",
        ),
    ],
    paths: Annotated[list[Path], typer.Argument(metavar="PATHS…", help="Pictures, or folders of them.")],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where the restored pictures go, as PNG files of the same names."),
    ],
) -> None:
    """Restore pictures, for people to look at: without noise, or twice as large.

    A line each: `path width height ms`. What is shown in more detail was not seen by the camera: a network
    added it.
    """
    from time import perf_counter

    from edge.cli.bundles import pictures_in
    from edge.durable import make_folder, replace_file
    from edge.model.restorations import load_restorer
    from edge.preprocess.picture import read
    from edge.teach.packing import as_png

    restorer = load_restorer(model)
    targets = named([picture for each in paths for picture in pictures_in(each)], out)
    make_folder(out)
    for target, path in targets.items():
        picture = read(path)
        started = perf_counter()
        restored = restorer.restore(picture)
        ms = (perf_counter() - started) * 1e3
        replace_file(target, as_png(restored))
        typer.echo(f"{target} {restored.shape[1]} {restored.shape[0]} {ms:.1f}")


def named(pictures: list[Path], out: Path) -> dict[Path, Path]:
    """Where each picture's restoration goes. Raises `ConfigError` rather than write over anything."""
    targets: dict[Path, Path] = {}
    for path in pictures:
        target = out / f"{path.stem}.png"
        if target in targets:
            raise ConfigError(
                f"{path} and {targets[target]} have the same name; restore each folder into a folder of its own"
            )
        if target.exists():
            raise ConfigError(f"{target}: exists already; give another folder with --out")
        targets[target] = path
    return targets
