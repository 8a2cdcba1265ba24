"""`edge teach`: from pictures to a bundle on the product's shelf; and what is on that shelf."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.bundles import classes_in, knows_classes, pictures_in
from edge.cli.camera import take_pictures
from edge.cli.shelf import Answer, active, list_versions
from edge.cli.shelf import activate as make_active
from edge.cli.shelf import undo as go_back
from edge.cli.steps import steps_named
from edge.errors import ConfigError
from edge.model.methods import Method

if TYPE_CHECKING:
    from edge.config import Rectangle
    from edge.teach.classes.lesson import TaughtClasses
    from edge.teach.gather import Progress
    from edge.teach.lesson import Taught, Wishes

SHELVES = Path("bundles")
"""Where products are, unless `--out` says otherwise."""
PICTURES = Path("pictures")
"""Where the camera's pictures of each product go, unless `--good` or `--add` says otherwise."""
COUNT = 20
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

MODES = ("--good", "--add", "--classes", "--undo", "--activate", "--versions")
DROP = "--drop"
"""Goes with a lesson; by itself, it is one: the active version's pictures but for these."""
FOLDERS = ("--good", "--add")
LESSONS = (*FOLDERS, DROP)
GOES_WITH: Mapping[str, tuple[str, ...]] = {
    "--bad": LESSONS,
    DROP: LESSONS,
    "--method": ("--good",),
    "--false-reject": LESSONS,
    "--confidence": LESSONS,
    "--budget-mb": ("--good",),
    "--budget-ms": ("--good",),
    "--roi": ("--good", "--classes"),
    "--tiles": ("--good",),
    "--enhance": ("--good",),
    "--restore": ("--good",),
    "--force": LESSONS,
    "--camera": FOLDERS,
    "--count": FOLDERS,
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
    camera: Annotated[
        Path | None,
        typer.Option(
            metavar="STATION", help="Fill the folder with pictures from this station's camera first."
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", help="So many pictures from the camera. Default: 20.")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Leave this picture out, a taught one, too; can be given several times."
        ),
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
    enhance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STEP",
            help="What pictures go through first: clahe, or clahe:clip=3; several times, in order.",
        ),
    ] = None,
    restore: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Restoration that they go through before that: 'denoiser', or a folder."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The product's shelf. Default: bundles/NAME.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Activate it although int8 and float do not agree.")
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
        DROP: drop or None,
        "--method": method,
        "--false-reject": false_reject,
        "--confidence": confidence,
        "--budget-mb": budget_mb,
        "--budget-ms": budget_ms,
        "--roi": roi,
        "--tiles": tiles,
        "--enhance": enhance or None,
        "--restore": restore,
        "--force": force or None,
        "--undo": undo or None,
        "--activate": activate,
        "--versions": versions or None,
        "--camera": camera,
        "--count": count,
    }
    if camera is not None and all(given[mode] is None for mode in MODES):
        given["--good"] = PICTURES / name
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
    modes = [mode for mode in MODES if mode in given] or [mode for mode in (DROP,) if mode in given]
    if not modes:
        raise ConfigError(
            "say what to do: teach from --good DIR or --classes DIR, go on with --add DIR or --drop FILE, or look"
            " after the versions with --versions, --undo and --activate NUMBER"
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

    taught: Taught | TaughtClasses
    with bar() as progress:
        if mode == "--classes" or (mode == "--add" and knows_classes(shelf)):
            taught = class_lesson(name, shelf, given, progress)
        else:
            taught = good_lesson(name, shelf, given, progress)
    return Answer(taught.summary(), taught.to_json())


def good_lesson(name: str, shelf: Path, given: Mapping[str, Any], progress: "Progress") -> "Taught":
    """From pictures of good parts. Raises `EdgeError`."""
    from edge.teach.lesson import extend, teach

    wanted = wishes(given)
    folder: Path | None = given["--good"] or given["--add"]
    if folder is None:
        pictures = []
    elif given["--camera"] is not None:
        pictures = take_pictures(given["--camera"], folder, given["--count"] or COUNT, progress)
    else:
        pictures = pictures_in(folder)
    bad = pictures_in(given["--bad"]) if given["--bad"] is not None else ()
    drop = given[DROP] or ()
    if given["--good"] is None:
        return extend(shelf, pictures, bad=bad, wishes=wanted, drop=drop, progress=progress)
    return teach(name, pictures, shelf, bad=bad, wishes=wanted, drop=drop, progress=progress)


def class_lesson(name: str, shelf: Path, given: Mapping[str, Any], progress: "Progress") -> "TaughtClasses":
    """From a folder of pictures for each class. Raises `EdgeError`."""
    from edge.teach.classes.lesson import add_class, teach_classes

    if given["--add"] is not None:
        ignored = [option for option in GOES_WITH if given[option] is not None]
        if ignored:
            raise ConfigError(f"{ignored[0]} goes with pictures of good parts; this product has classes")
        return add_class(shelf, classes_in(given["--add"]), progress=progress)
    area = rectangle(given["--roi"]) if given["--roi"] is not None else None
    return teach_classes(name, classes_in(given["--classes"]), shelf, roi=area, progress=progress)


def wishes(given: Mapping[str, Any]) -> "Wishes":
    """What the options ask of a lesson. Raises `ConfigError`."""
    from edge.teach.lesson import Wishes

    names = ("tiles", "method", "false_reject", "confidence", "budget_mb", "budget_ms", "force")
    asked = {name: given[f"--{name.replace('_', '-')}"] for name in names}
    area = rectangle(given["--roi"]) if given["--roi"] is not None else None
    steps = steps_named(given["--enhance"] or (), "--enhance")
    return Wishes(
        roi=area,
        enhance=steps,
        restore=given["--restore"],
        **{name: value for name, value in asked.items() if value is not None},
    )


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
