"""`edge calibrate`: what a pixel is worth, from pictures of a target; and whether that still holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.gauge.calibration import Calibration, Target
    from edge.gauge.light import Encoding
    from edge.gauge.target import Corners


def calibrate(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PICTURES…",
            help="The target where parts lie; then, for the lens, tilted views in every part of the picture.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the calibration here.")] = None,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare with this calibration; write nothing.")
    ] = None,
    chessboard: Annotated[
        str | None, typer.Option(metavar="9x6", help="Inner corners of a printed chessboard.")
    ] = None,
    charuco: Annotated[
        str | None, typer.Option(metavar="8x6", help="Squares of a printed ChArUco board.")
    ] = None,
    square_mm: Annotated[float | None, typer.Option(help="The side of a square.")] = None,
    marker_mm: Annotated[float | None, typer.Option(help="The side of a ChArUco marker.")] = None,
    dictionary: Annotated[str, typer.Option(help="OpenCV's name of the markers.")] = "DICT_4X4_50",
    length_mm: Annotated[
        float | None, typer.Option(help="Instead of a target: a part's length, from edge to edge.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="X,Y", help="Where the search for its edges begins, and …")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="X,Y", help="… ends, in pixels.")] = None,
    scale_error: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.1,
            help="How far the target's own sizes may be off, as a share. A laser printer: 0.005.",
        ),
    ] = 0.005,
    limit_px: Annotated[float, typer.Option(min=0, help="With --check: more is a move.")] = 0.5,
    limit_scale: Annotated[
        float, typer.Option(min=0, help="With --check: a larger change of scale, as a share.")
    ] = 0.001,
    *,
    linear: Annotated[bool, typer.Option("--linear", help="The pictures are a camera's raw values.")] = False,
) -> None:
    """Find out what a pixel is worth, from pictures of a target with known sizes; or check that it still holds.

    With --check, exit code 1 where the camera, the lens or the target has moved.
    """
    encoding: Encoding = "linear" if linear else "srgb"
    if check is not None:
        if out is not None or len(paths) != 1:
            raise ConfigError("--check: takes one picture, and no --out")
        if not _still_holds(check, paths[0], encoding, limit_px, limit_scale):
            raise typer.Exit(1)
        return
    if out is None:
        raise ConfigError("--out: is missing; name the file to write, such as calibration.toml")
    target = _target(
        {
            "--chessboard": chessboard,
            "--charuco": charuco,
            "--length-mm": None if length_mm is None else "length",
        },
        {"square_mm": square_mm, "marker_mm": marker_mm, "length_mm": length_mm},
        (start, end),
        dictionary,
    )
    made = _made(paths, target, encoding, scale_error)
    _write(out, made)
    _tell(made, out)


def _made(paths: list[Path], target: "Target", encoding: "Encoding", scale_error: float) -> "Calibration":
    from edge.errors import NothingToMeasureError
    from edge.gauge.calibrate import calibrate as fit

    views, sizes = [], []
    for path in paths:
        corners, size = _corners(path, target, encoding)
        views.append(corners)
        sizes.append(size)
    if len(set(sizes)) > 1:
        different = ", ".join(sorted({f"{width}×{height}" for width, height in sizes}))
        raise ConfigError(f"the pictures have several sizes: {different}; take all with the same settings")
    try:
        return fit(views, sizes[0], target, scale_error)
    except NothingToMeasureError as err:
        raise ConfigError(f"{paths[0]}: {err}") from err


def _corners(path: Path, target: "Target", encoding: "Encoding") -> "tuple[Corners, tuple[int, int]]":
    from edge.errors import CaptureError, NothingToMeasureError
    from edge.gauge.target import find_target
    from edge.preprocess.picture import read

    try:
        image = read(path)
        return find_target(image, target, encoding), (image.shape[1], image.shape[0])
    except CaptureError as err:
        raise ConfigError(str(err)) from err
    except NothingToMeasureError as err:
        raise ConfigError(f"{path}: the target was not found: {err}") from err


def _grid(option: str, text: str) -> dict[str, int]:
    columns, _, rows = text.lower().replace("×", "x").partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        raise ConfigError(f"{option}: '{text}' is not columns and rows, such as 9x6")
    return {"columns": int(columns), "rows": int(rows)}


def _place(option: str, text: str | None) -> tuple[float, float]:
    try:
        x, y = (float(number) for number in (text or "").split(","))
    except ValueError as err:
        raise ConfigError(f"{option}: give the place in pixels, such as 120,240") from err
    return x, y


def _target(
    grids: dict[str, str | None],
    sizes: dict[str, float | None],
    ends: tuple[str | None, str | None],
    dictionary: str,
) -> "Target":
    """What is in the pictures, from the options of the command line. Raises `ConfigError`."""
    from edge.gauge.calibration import Charuco, Chessboard, Length
    from edge.table import Table, validate

    given = [option for option, value in grids.items() if value is not None]
    if len(given) != 1:
        raise ConfigError("name the target: --chessboard 9x6, --charuco 8x6 or --length-mm 50")
    (option,), text = given, str(grids[given[0]])
    known = {name: value for name, value in sizes.items() if value is not None}
    kinds: dict[str, type[Table]] = {"--chessboard": Chessboard, "--charuco": Charuco, "--length-mm": Length}
    if option == "--length-mm":
        fields: dict[str, object] = {
            "length_mm": known.get("length_mm"),
            "start": _place("--from", ends[0]),
            "end": _place("--to", ends[1]),
        }
    else:
        wanted = ("square_mm",) if option == "--chessboard" else ("square_mm", "marker_mm")
        for name in wanted:
            if name not in known:
                raise ConfigError(f"--{name.replace('_', '-')}: is missing; {option} needs it")
        fields = {**_grid(option, text), **{name: known[name] for name in wanted}}
        fields |= {"dictionary": dictionary} if option == "--charuco" else {}
    target = validate(
        kinds[option], {"type": option.removeprefix("--").removesuffix("-mm"), **fields}, Path(option)
    )
    assert isinstance(target, Chessboard | Charuco | Length)  # noqa: S101 - the kinds above
    return target


def _write(path: Path, made: "Calibration") -> None:
    from edge.durable import replace_file
    from edge.table import write_table

    try:
        replace_file(path, write_table(made).encode())
    except OSError as err:
        raise ConfigError(f"{path}: cannot be written: {err.strerror or err}") from err


def _tell(made: "Calibration", path: Path) -> None:
    plane = made.plane
    typer.echo(f"{path}: {plane.mm_per_px:.5f} mm a pixel in the middle of {made.size[0]}×{made.size[1]}")
    typer.echo(
        f"  {len(made.found)} corners, {plane.rms_mm * 1000:.1f} µm ({plane.rms_mm / plane.mm_per_px:.2f} px) from"
        " their places"
    )
    if made.lens is None:
        typer.echo(
            "  the lens is taken as ideal; with five pictures or more, the target tilted, it would be found, too"
        )
    else:
        typer.echo(
            f"  the lens: k1 {made.lens.distortion[0]:+.4f}, corners explained to {made.lens.rms_px:.2f} px"
        )
    typer.echo(
        f"  the target itself may be off by {plane.scale_error:.2%} (--scale-error): measure it, and say so"
    )


def _still_holds(
    file: Path, picture: Path, encoding: "Encoding", limit_px: float, limit_scale: float
) -> bool:
    from edge.errors import NothingToMeasureError
    from edge.gauge.calibrate import drift
    from edge.gauge.calibration import Calibration
    from edge.table import read_table, read_text

    before = read_table(Calibration, read_text(file), file)
    corners, size = _corners(picture, before.target, encoding)
    if size != before.size:
        raise ConfigError(
            f"{picture}: is {size[0]}×{size[1]}, and the calibration is for {before.size[0]}×{before.size[1]};"
            " calibrate again"
        )
    try:
        found = drift(before, corners)
    except NothingToMeasureError as err:
        raise ConfigError(f"{picture}: {err}; calibrate again") from err
    lengths = (
        abs(found.scale) <= limit_scale
        and found.rms_mm <= 3 * before.plane.rms_mm + limit_px * before.plane.mm_per_px
    )
    moved = found.shift_px > limit_px
    typer.echo(
        f"{picture}: the target is {found.shift_px:.2f} px from where it was; it measures {found.scale:+.3%} of"
        f" its size, corners {found.rms_mm * 1000:.1f} µm off"
    )
    if not lengths:
        typer.echo(
            "the calibration no longer holds: the camera, the lens or the plane has moved; calibrate again"
        )
    elif moved:
        typer.echo(
            "the target or the camera has moved in its plane: lengths still hold, but the tools look at other"
            " places; put the target where it was, or calibrate again"
        )
    else:
        typer.echo("the calibration holds")
    return lengths and not moved
