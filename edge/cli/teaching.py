"""`edge teach`: from pictures to a bundle on the product's shelf; and what is on that shelf."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.bundles import pictures_in
from edge.cli.shelf import Answer, active, list_versions
from edge.cli.shelf import activate as make_active
from edge.cli.shelf import undo as go_back
from edge.errors import ConfigError
from edge.model.methods import Method

if TYPE_CHECKING:
    from edge.config import Rectangle

SHELVES = Path("bundles")
"""Where products are, unless `--out` says otherwise."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

MODES = ("--good", "--add", "--classes", "--undo", "--activate", "--versions")
LESSONS = ("--good", "--add")
GOES_WITH: Mapping[str, tuple[str, ...]] = {
    "--bad": LESSONS,
    "--drop": LESSONS,
    "--method": ("--good",),
    "--false-reject": LESSONS,
    "--confidence": LESSONS,
    "--budget-mb": ("--good",),
    "--budget-ms": ("--good",),
    "--roi": ("--good",),
    "--tiles": ("--good",),
    "--force": LESSONS,
}
"""What an option is of use with. The others keep to what the active version was taught with."""


def teach(
    name: Annotated[str, typer.Argument(help="Name of the product.")],
    *,
    good: Annotated[Path | None, typer.Option(metavar="DIR", help="Pictures of good parts.")] = None,
    bad: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures of bad parts, where there are some.")
    ] = None,
    add: Annotated[
        Path | None, typer.Option(metavar="DIR", help="More pictures of good parts, or classes of parts.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of pictures for each class of parts.")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Leave this picture out; can be given several times."),
    ] = None,
    method: Annotated[
        Method | None,
        typer.Option(metavar="METHOD", help="How to tell parts apart; otherwise the best is kept."),
    ] = None,
    false_reject: Annotated[
        float | None,
        typer.Option(min=1e-6, max=0.5, metavar="SHARE", help="So many good parts may fail. Default: 0.01."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.9999, metavar="SHARE", help="… with this confidence. Default: 0.9."),
    ] = None,
    budget_mb: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="MB", help="Most that what is learned may take. Default: 8."),
    ] = None,
    budget_ms: Annotated[
        float | None, typer.Option(min=0.1, metavar="MS", help="Most that the model may take for a picture.")
    ] = None,
    roi: Annotated[
        str | None,
        typer.Option(metavar="X_MIN,Y_MIN,X_MAX,Y_MAX", help="Look at this rectangle alone, in pixels."),
    ] = None,
    tiles: Annotated[
        int | None, typer.Option(metavar="N", help="Look closer, in N×N tiles: for small defects. 1 to 4.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The product's shelf. Default: bundles/NAME.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Activate the new version although the lesson has doubts.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Go back to the version that was active before.")
    ] = False,
    activate: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Make this version the active one.")
    ] = None,
    versions: Annotated[bool, typer.Option("--versions", help="List the versions.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Teach a product from pictures of good parts: makes a version of its bundle that `edge run` takes."""
    given: dict[str, Any] = {
        "--good": good,
        "--bad": bad,
        "--add": add,
        "--classes": classes,
        "--drop": drop or None,
        "--method": method,
        "--false-reject": false_reject,
        "--confidence": confidence,
        "--budget-mb": budget_mb,
        "--budget-ms": budget_ms,
        "--roi": roi,
        "--tiles": tiles,
        "--force": force or None,
        "--undo": undo or None,
        "--activate": activate,
        "--versions": versions or None,
    }
    mode = chosen({option: value for option, value in given.items() if value is not None})
    if not NAME.fullmatch(name):
        raise ConfigError(f"NAME: '{name}' cannot stand in a topic; use letters, digits, - and _, 64 at most")
    shelf = out if out is not None else SHELVES / name
    if mode == "--versions":
        answer = list_versions(shelf)
    elif mode == "--undo":
        answer = go_back(shelf)
    elif activate is not None:
        answer = make_active(shelf, activate)
    else:
        with stoppable(shelf):
            answer = lesson(name, shelf, mode, given)
    typer.echo(json.dumps(answer.facts) if as_json else "\n".join(answer.lines))


def chosen(given: Collection[str]) -> str:
    """What is to be done, of the options that were given. Raises `ConfigError` where they do not go together."""
    modes = [mode for mode in MODES if mode in given]
    if not modes:
        raise ConfigError(
            "say what to do: teach from --good DIR or --classes DIR, go on with --add DIR, or look after the"
            " versions with --versions, --undo and --activate NUMBER"
        )
    if len(modes) > 1:
        raise ConfigError(f"{' and '.join(modes)} do not go together; give one of them")
    for option, partners in GOES_WITH.items():
        if option in given and modes[0] not in partners:
            raise ConfigError(f"{option} goes with {' or '.join(partners)}, not with {modes[0]}")
    return modes[0]


@contextmanager
def stoppable(shelf: Path) -> Iterator[None]:
    """Ctrl-C is one line, and exit code 130: what was active still is."""
    before = active(shelf)
    try:
        yield
    except KeyboardInterrupt:
        after = active(shelf)
        typer.echo(f"edge: stopped: {'nothing changed, ' * (after == before)}{after}", err=True)
        raise typer.Exit(130) from None


def lesson(name: str, shelf: Path, mode: str, given: Mapping[str, Any]) -> Answer:
    """Teach, with a progress bar. Raises `EdgeError`."""
    from edge.cli.progress import bar
    from edge.teach.album import without
    from edge.teach.lesson import teach as give_lesson

    if mode != "--good" or any(given[option] is not None for option in ("--bad", "--method", "--budget-ms")):
        raise ConfigError("this is not there yet")
    area = rectangle(given["--roi"]) if given["--roi"] is not None else None
    with bar() as progress:
        pictures = without(pictures_in(given["--good"]), given["--drop"] or ())
        taught = give_lesson(name, pictures, shelf, roi=area, tiles=given["--tiles"] or 1, progress=progress)
    return Answer(taught.summary(), {"folder": str(taught.bundle.folder)})


def rectangle(corners: str) -> "Rectangle":
    """The rectangle of `--roi`. Raises `ConfigError`."""
    from edge.config import Rectangle

    try:
        x_min, y_min, x_max, y_max = map(int, corners.split(","))
        return Rectangle(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)
    except ValueError:
        raise ConfigError(
            f"--roi: '{corners}' is no rectangle; give X_MIN,Y_MIN,X_MAX,Y_MAX in pixels, 100,50,1180,910 say"
        ) from None
