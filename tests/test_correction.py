"""Corrections of the camera: bent lines become straight, uneven light even; files that will not do are named."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import parts
import PIL.Image
import pytest
import washers
from stations import render, settings
from test_cli import edge

from edge import config
from edge.config import Correction as Settings
from edge.errors import CaptureError, ConfigError
from edge.gauge.calibration import Lens
from edge.geometry import Image
from edge.mailbox import Mailbox
from edge.pipeline import Inspector, Ready, judge_frame, make_ready, prepare_frame
from edge.preprocess.correction import Correction, open_correction, read_lens
from edge.preprocess.flat_field import in_bytes, read_flat_field
from edge.preprocess.quality import QualityGate, QualityLimits
from edge.service import Crew
from edge.teach.camera import capture
from edge.types import Frame, Miss, Verdict

WIDTH, HEIGHT = 320, 240
MATRIX = ((300.0, 0.0, 162.0), (0.0, 302.0, 118.0), (0.0, 0.0, 1.0))
BARREL = Lens(matrix=MATRIX, distortion=[-0.25, 0.05, 0.001, -0.001, 0.0], size=(WIDTH, HEIGHT), rms_px=0.1)
PINCUSHION = BARREL.model_copy(update={"distortion": [0.2, -0.02, 0.0, 0.0, 0.0]})
NEUTRAL = (1.0, 1.0, 1.0)
LENS_TEXT = (
    "[lens]\nmatrix = [[300.0, 0.0, 162.0], [0.0, 302.0, 118.0], [0.0, 0.0, 1.0]]\n"
    "distortion = [-0.25, 0.05, 0.001, -0.001, 0.0]\nsize = [320, 240]\nrms_px = 0.1\n"
)


def squares(width: int = WIDTH, height: int = HEIGHT, side: int = 40) -> Image:
    """A chessboard with soft edges."""
    y, x = np.mgrid[:height, :width]
    board = np.where((x // side + y // side) % 2, 200, 60).astype(np.uint8)
    return np.repeat(cv2.GaussianBlur(board, (0, 0), 1.2)[:, :, None], 3, axis=2)


def bent(scene: Image, lens: Lens) -> Image:
    """The scene as a camera with this lens takes it."""
    matrix, distortion = np.array(lens.matrix), np.array(lens.distortion)
    best, _ = cv2.getOptimalNewCameraMatrix(matrix, distortion, lens.size, 0)
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    seen = np.stack([x.ravel(), y.ravel()], axis=1)[:, None]
    places = cv2.undistortPoints(seen, matrix, distortion, P=best).reshape(HEIGHT, WIDTH, 2)
    return cv2.remap(scene, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def shade(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Light that falls off to one corner, and is a little red."""
    y, x = np.mgrid[:height, :width]
    return (1 - 0.5 * (x / width) * (y / height))[..., None] * np.array([1.0, 0.95, 0.9])


def save(path: Path, picture: np.ndarray) -> Path:
    PIL.Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("lens", [BARREL, PINCUSHION], ids=["barrel", "pincushion"])
def test_what_the_lens_has_bent_is_straight_again(lens: Lens) -> None:
    scene = squares()
    taken = bent(scene, lens)
    corrected = Correction(lens, None, NEUTRAL).correct(parts.frame(taken)).image
    inside = np.s_[8:-8, 8:-8]
    before, after = (np.abs(one[inside].astype(int) - scene[inside]).mean() for one in (taken, corrected))
    assert after < 1.5 < 0.2 * before


def test_a_corrected_picture_shows_nothing_that_the_camera_did_not_see() -> None:
    framed = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for lens in (BARREL, PINCUSHION):
        corrected = Correction(lens, None, NEUTRAL).correct(parts.frame(framed)).image
        assert (corrected == 90).all()


def test_shade_on_a_scene_is_lifted_to_a_grey_level(tmp_path: Path) -> None:
    white = save(tmp_path / "white.png", 200 * shade())
    correction = open_correction(Settings(flat_field=white))
    assert correction is not None
    scene = squares().astype(float)
    corrected = correction.correct(parts.frame((scene * shade()).astype(np.uint8))).image.astype(float)
    ratio = corrected[20:-20, 20:-20] / scene[20:-20, 20:-20]
    assert np.ptp(ratio.mean(axis=2)) < 0.04
    assert np.ptp((scene * shade())[20:-20, 20:-20].mean(axis=2) / scene[20:-20, 20:-20, 0]) > 0.3


def test_the_flat_field_leaves_colours_to_the_colour_gains(tmp_path: Path) -> None:
    white = save(tmp_path / "white.png", 200 * shade())
    gains = read_flat_field(white)
    assert np.allclose(gains.mean(axis=(0, 1)), gains.mean(), atol=0.01)
    correction = open_correction(Settings(flat_field=white, colour_gains=(1.0, 1.053, 1.111)))
    assert correction is not None
    corrected = correction.correct(parts.frame((180 * shade()).astype(np.uint8))).image
    assert np.ptp(corrected.reshape(-1, 3).mean(axis=0)) < 1.5


def test_gains_in_bytes_are_right_to_a_grey_level() -> None:
    rng = np.random.default_rng(1)
    gains = rng.uniform(0.7, 1.5, (HEIGHT, WIDTH, 3)).astype(np.float32)
    picture = rng.integers(0, 160, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    found = in_bytes(gains, NEUTRAL, WIDTH, HEIGHT).apply(picture)
    assert np.abs(found - np.clip(picture * gains, 0, 255)).max() <= 1.0


def test_the_evidence_is_corrected_in_its_own_size() -> None:
    large = squares(2 * WIDTH, 2 * HEIGHT, 80)
    lens = BARREL
    frame = replace(parts.frame(squares()), evidence=large)
    corrected = Correction(lens, None, NEUTRAL).correct(frame)
    assert corrected.evidence is not None
    halved = cv2.resize(corrected.evidence, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    assert np.abs(halved[10:-10, 10:-10].astype(int) - corrected.image[10:-10, 10:-10]).mean() < 3


def test_the_frame_that_was_taken_stays_as_it_was() -> None:
    picture = squares()
    before = picture.copy()
    Correction(BARREL, None, (1.0, 1.2, 1.0)).correct(parts.frame(picture))
    assert np.array_equal(picture, before)


def test_a_picture_of_another_size_is_inconclusive_and_says_why() -> None:
    correction = Correction(BARREL, None, NEUTRAL)
    gate = QualityGate(QualityLimits(), config.Quality(enabled=False))
    part = judge_frame(prepare_frame(parts.frame(squares(640, 480)), gate, (), correction.correct))
    assert part.decision.verdict is Verdict.INCONCLUSIVE
    assert "cannot be corrected: the picture is 640×480, but [correction] is for 320×240" in str(
        part.decision.reasons
    )


def test_the_pipeline_hands_on_the_corrected_frame() -> None:
    frames: Mailbox[Frame | Miss] = Mailbox(2)
    ready: Mailbox[Ready] = Mailbox(2)
    frames.put(parts.frame(np.full((HEIGHT, WIDTH, 3), 100, np.uint8)))
    frames.close()
    gate = QualityGate(QualityLimits(), config.Quality(enabled=False))
    correction = Correction(None, None, (0.5, 1.0, 1.5))
    make_ready(frames, ready, lambda: Inspector(gate, ()), Crew(), correction.correct)
    frame = ready.get().frame
    assert isinstance(frame, Frame)
    assert frame.image[0, 0].tolist() == [50, 100, 150]


def test_nothing_set_is_nothing_done() -> None:
    assert open_correction(Settings()) is None


def test_pictures_taken_for_a_lesson_are_corrected(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", np.roll(washers.on_a_belt(number), 9 * number, axis=1))
    station = config.Config.model_validate(
        {
            "source": {"type": "folder", "path": tmp_path},
            "recipe": {"checks": [{"name": "a", "bundle": "b"}]},
            "quality": {"min_sharpness": 0.0, "min_contrast": 0.0},
            "correction": {"colour_gains": [1.0, 0.5, 1.0]},
        }
    )
    taken = capture(station, tmp_path / "good", 1)
    picture = np.asarray(PIL.Image.open(taken.paths[0]))
    assert abs(picture[..., 1].mean() / picture[..., 0].mean() - 0.5) < 0.02


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (np.zeros((HEIGHT, WIDTH, 3)), "is too dark (mean grey level 0, least 40)"),
        (np.full((HEIGHT, WIDTH, 3), 255), "is overexposed (100% of its pixels are white)"),
        (np.where(np.arange(WIDTH)[None, :, None] < 60, 20.0, 220.0) * np.ones((HEIGHT, 1, 3)),
         "it has less than a quarter of its mean light; take it of an even white surface"),
    ],
)  # fmt: skip
def test_a_flat_field_that_shows_no_white_surface_is_refused(
    tmp_path: Path, picture: np.ndarray, complaint: str
) -> None:
    path = save(tmp_path / "white.png", picture)
    with pytest.raises(ConfigError) as refusal:
        open_correction(Settings(flat_field=path))
    assert str(refusal.value).startswith(f"correction.flat_field: {path}: ")
    assert complaint in str(refusal.value)


def test_a_flat_field_that_is_no_picture_or_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "white.png").write_text("no picture")
    for name in ("white.png", "nowhere.png"):
        with pytest.raises(ConfigError, match=rf"correction\.flat_field: .*{name}: "):
            open_correction(Settings(flat_field=tmp_path / name))


def test_lens_and_flat_field_of_different_sizes_are_refused(tmp_path: Path) -> None:
    white = save(tmp_path / "white.png", np.full((480, 640, 3), 200))
    (tmp_path / "lens.toml").write_text(LENS_TEXT)
    with pytest.raises(ConfigError, match=r"lens is for pictures of 320×240, but flat_field is 640×480"):
        open_correction(Settings(lens=tmp_path / "lens.toml", flat_field=white))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[lens", "is not TOML"),
        ("[plane]\nmm_per_px = 0.1\n", "has no table [lens]; 'edge calibrate' writes one"),
        (LENS_TEXT.replace("0.05, 0.001", "0.05"), "distortion: "),
        (LENS_TEXT.replace("matrix", "matirx"), "matirx: unknown key; did you mean 'matrix'?"),
        (LENS_TEXT.replace("-0.25", "nan"), "distortion[0]: "),
        (
            LENS_TEXT.replace("-0.25, 0.05", "-9.0, 80.0"),
            "matrix and distortion do not fit pictures of 320×240",
        ),
        (LENS_TEXT.replace("300.0", "0.0"), "matrix and distortion do not fit"),
    ],
)
def test_a_file_that_holds_no_lens_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "calibration.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_lens(path)
    assert str(path) in str(refusal.value)
    assert complaint in str(refusal.value)


def test_a_lens_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "calibration.toml").write_text('schema = "edge.calibration/1"\n' + LENS_TEXT)
    assert read_lens(tmp_path / "calibration.toml") == BARREL


def test_a_picture_that_cannot_be_corrected_is_not_taught() -> None:
    with pytest.raises(CaptureError, match="calibrate it at this one"):
        Correction(BARREL, None, NEUTRAL).correct(parts.frame(squares(640, 480)))


def test_check_says_what_is_corrected(tmp_path: Path) -> None:
    path = settings(tmp_path)
    path.write_text(path.read_text() + "\n[correction]\ncolour_gains = [1.0, 1.2, 1.0]\n")
    done = edge("check", path)
    assert done.returncode == 0, done.stderr
    assert "correction: colour gains 1, 1.2, 1" in done.stdout


def test_replay_corrects_pictures_unless_they_are_corrected_already(tmp_path: Path) -> None:
    path = settings(tmp_path)
    path.write_text(path.read_text() + "\n[correction]\ncolour_gains = [0.25, 0.25, 0.25]\n")
    render(tmp_path / "good", count=2, defect_rate=0.0, seed=200)
    said = []
    for number, option in enumerate(((), ("--corrected",))):
        reports = tmp_path / f"{number}.jsonl"
        done = edge("replay", path, tmp_path / "good", "--jsonl", reports, *option)
        assert done.returncode == 0, done.stderr
        said.append("too dark" in reports.read_text())
    assert said == [True, False]
