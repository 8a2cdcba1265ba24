"""What a pixel is worth: targets rendered through a known camera."""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from rendered_parts import Look, Shape, bar, chessboard, mapped, render

from edge.cli.main import app
from edge.errors import ConfigError
from edge.gauge.calibration import Calibration, Charuco, Lens, rows_of
from edge.gauge.light import light
from edge.gauge.measure import measure
from edge.gauge.plane import on_plane, plane_of, straight
from edge.gauge.scan import Points, View
from edge.gauge.target import charuco_board, find_target
from edge.gauge.tools import Caliper
from edge.geometry import Image
from edge.table import read_table

SIZE = (320, 240)
MATRIX = np.array([[420.0, 0, 160.0], [0, 420.0, 119.0], [0, 0, 1]])
BENT = Lens(matrix=rows_of(MATRIX.tolist()), distortion=[-0.22, 0.06, 0, 0, 0], size=SIZE, rms_px=0)
BOARD = ["--chessboard", "9x6", "--square-mm", "5"]
Pose = tuple[tuple[float, float, float], tuple[float, float, float]]
FLAT: Pose = ((0.0, 0.0, 0.05), (-20.0, -12.0, 100.0))
TILTED: tuple[Pose, ...] = tuple(
    ((a, b, 0.1), (-20.0 + x, -12.0 + y, 105.0))
    for a, b, x, y in (
        (0.4, 0, 3, 2),
        (-0.4, 0, -3, -2),
        (0, 0.4, 5, -3),
        (0, -0.4, -5, 3),
        (0.3, 0.3, 0, 4),
        (-0.3, 0.3, 2, -4),
    )
)


def on_board(pose: Pose, lens: Lens | None) -> Callable[[Points], Points]:
    """From pixels to millimetres on the target."""
    turn, _ = cv2.Rodrigues(np.array(pose[0]))
    to_picture = MATRIX @ np.column_stack([turn[:, :2], np.array(pose[1])])
    # OpenCV's pixels count from their middles.
    back = np.linalg.inv(to_picture) @ np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    return lambda points: on_plane(straight(points, lens), back)


def taken(shape: Shape, pose: Pose = FLAT, lens: Lens | None = None, seed: int = 0) -> Image:
    look = Look(part=15, ground=200, noise=1.5, seed=seed)
    return render(mapped(shape, on_board(pose, lens), 4.2), *SIZE, look)


def saved(path: Path, image: Image) -> str:
    PIL.Image.fromarray(image).save(path)
    return str(path)


def edge(*words: str) -> tuple[int, str]:
    told = CliRunner().invoke(app, ["calibrate", *words])
    if told.exception is not None and not isinstance(told.exception, SystemExit):
        return 78 if isinstance(told.exception, ConfigError) else 70, str(told.exception)
    return told.exit_code, told.output


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration from one picture of a chessboard, which lies beside it."""
    folder = tmp_path_factory.mktemp("flat")
    picture = saved(folder / "board.png", taken(chessboard(9, 6, 5.0)))
    code, told = edge(picture, *BOARD, "--out", str(folder / "calibration.toml"))
    assert code == 0, told
    return folder / "calibration.toml"


def read(path: Path) -> Calibration:
    return read_table(Calibration, path.read_text(), path)


def a_width(calibration: Calibration, image: Image, y: float = 120) -> float:
    tool = Caliper(type="caliper", name="it", start=(20, y), end=(300, y), across_px=40)
    found = measure(View(light(image, "srgb")), [tool], plane_of(calibration))[0]
    assert found.value is not None, found.reason
    return found.value


def test_a_chessboard_says_what_a_pixel_is_worth(flat: Path) -> None:
    made = read(flat)
    assert made.plane.mm_per_px == pytest.approx(100 / 420, rel=1e-3)
    assert a_width(made, taken(bar((20, 12), 30.0, 80.0))) == pytest.approx(30.0, abs=0.024)


def test_a_lens_that_bends_is_found_from_tilted_views(tmp_path: Path) -> None:
    board = chessboard(9, 6, 5.0)
    pictures = [
        saved(tmp_path / f"{number}.png", taken(board, pose, BENT, number))
        for number, pose in enumerate((FLAT, *TILTED))
    ]
    code, told = edge(*pictures, *BOARD, "--out", str(tmp_path / "c.toml"))
    assert code == 0, told
    made = read(tmp_path / "c.toml")
    assert made.lens is not None
    assert made.lens.distortion[0] == pytest.approx(-0.22, abs=0.03)
    assert made.lens.rms_px < 0.2
    assert a_width(made, taken(bar((20, 12), 50.0, 80.0), FLAT, BENT)) == pytest.approx(50.0, abs=0.05)


def test_a_part_of_known_length_is_a_target_too(tmp_path: Path) -> None:
    part = saved(tmp_path / "part.png", taken(bar((20, 12), 30.0, 80.0)))
    words = ["--length-mm", "30", "--from", "20,120", "--to", "300,120", "--out", str(tmp_path / "c.toml")]
    code, told = edge(part, *words)
    assert code == 0, told
    assert a_width(read(tmp_path / "c.toml"), taken(bar((20, 12), 40.0, 80.0))) == pytest.approx(
        40.0, abs=0.03
    )


def test_a_charuco_board_need_not_be_all_in_the_picture() -> None:
    target = Charuco(type="charuco", columns=8, rows=6, square_mm=5, marker_mm=3.5)
    drawn = charuco_board(target).generateImage((480, 360), marginSize=20)
    picture = np.repeat(np.asarray(drawn)[:280, :, np.newaxis], 3, axis=2)
    found = find_target(picture, target, "srgb")
    assert 12 <= len(found.numbers) < 35
    steps = np.hypot(*(found.places[1] - found.places[0])) / np.hypot(
        *(found.on_target[1] - found.on_target[0])
    )
    assert steps == pytest.approx(11, abs=0.3)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--chessboard", "9x6"], "--square-mm: is missing"),
        (["--chessboard", "nine", "--square-mm", "5"], "'nine' is not columns and rows"),
        (["--chessboard", "2x2", "--square-mm", "5"], "columns"),
        (["--chessboard", "9x6", "--square-mm", "-1"], "square_mm"),
        (["--chessboard", "9x6", "--charuco", "9x6"], "name the target"),
        ([], "name the target"),
        (["--length-mm", "10", "--from", "here"], "--from: give the place in pixels"),
        (["--charuco", "8x6", "--square-mm", "5", "--marker-mm", "6"], "marker_mm must be under square_mm"),
        (
            ["--charuco", "8x6", "--square-mm", "5", "--marker-mm", "3", "--dictionary", "DICT_X"],
            "no such markers",
        ),
        (["--chessboard", "8x6", "--square-mm", "5"], "the target was not found: no chessboard with 8×6"),
        (["--charuco", "8x6", "--square-mm", "5", "--marker-mm", "3"], "the target was not found: 0 corners"),
        (["--length-mm", "10", "--from", "2,2", "--to", "20,2"], "the target was not found"),
    ],
)
def test_a_target_that_is_not_there_or_not_named_is_refused(
    words: list[str], why: str, flat: Path, tmp_path: Path
) -> None:
    code, told = edge(str(flat.with_name("board.png")), *words, "--out", str(tmp_path / "c.toml"))
    assert code == 78
    assert why in told
    assert not (tmp_path / "c.toml").exists()


def test_the_wrong_board_is_refused(tmp_path: Path) -> None:
    # Its corners are found, but they are not where a flat board of squares has them.
    wavy = taken(lambda x, y: chessboard(9, 6, 5.0)(x + 1.5 * np.sin(y / 6), y))
    code, told = edge(saved(tmp_path / "p.png", wavy), *BOARD, "--out", str(tmp_path / "c.toml"))
    assert code == 78
    assert "from their places; press it flat" in told or "not found" in told


def test_a_calibration_that_still_holds_is_said_to(flat: Path, tmp_path: Path) -> None:
    code, told = edge("--check", str(flat), saved(tmp_path / "now.png", taken(chessboard(9, 6, 5.0), seed=5)))
    assert (code, "the calibration holds" in told) == (0, True), told


@pytest.mark.parametrize(
    ("pose", "why"),
    [
        ((FLAT[0], (-19.0, -12.0, 100.0)), "lengths still hold, but the tools look at other places"),
        ((FLAT[0], (-20.0, -12.0, 101.0)), "no longer holds"),
        (((0.05, 0.0, 0.05), FLAT[1]), "no longer holds"),
    ],
)
def test_a_camera_or_target_that_has_moved_is_noticed(
    pose: Pose, why: str, flat: Path, tmp_path: Path
) -> None:
    code, told = edge("--check", str(flat), saved(tmp_path / "now.png", taken(chessboard(9, 6, 5.0), pose)))
    assert code == 1
    assert why in " ".join(told.split())


def test_a_check_without_the_target_is_refused(flat: Path, tmp_path: Path) -> None:
    nothing = saved(tmp_path / "now.png", np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    code, told = edge("--check", str(flat), nothing)
    assert code == 78
    assert "the target was not found" in told
