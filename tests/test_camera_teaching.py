"""Pictures for a lesson from the station's own camera: which are taken, and what is said of the others."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import pytest
from stations import settings
from typer.testing import CliRunner, Result

from edge.cli.main import app
from edge.config import Check as CheckConfig
from edge.config import Config, Quality, Recipe, SyntheticSource
from edge.errors import CaptureError, ConfigError
from edge.geometry import Image
from edge.model.versions import versions
from edge.preprocess.picture import read
from edge.preprocess.selection import Selection, alike, look
from edge.store.examples import Examples, waiting
from edge.teach.camera import MOVING, Captured, Photographer, capture
from edge.types import EndOfFrames, Frame

HEIGHT, WIDTH = 240, 320


def a_part(number: int, shift_px: int = 0) -> Image:
    """A plate with holes, another for each number, on a table."""
    rng = np.random.default_rng(number)
    picture = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    cv2.rectangle(picture, (60 + shift_px, 40), (260 + shift_px, 200), (170, 165, 160), -1)
    for _ in range(6):
        x, y = int(rng.integers(80, 240)) + shift_px, int(rng.integers(60, 180))
        cv2.circle(picture, (x, y), 12, (40, 40, 45), -1)
    return picture


def noisy(picture: Image, seed: int, sigma: float = 2.0) -> Image:
    """The same, as a camera would see it at another moment."""
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


class Film:
    """A source that shows what it is given; an exception is raised."""

    name = "film"

    def __init__(self, *scenes: Image | Exception, triggered: bool = True, frame_s: float = 0.25) -> None:
        self.triggered = triggered
        self._scenes, self._frame_s, self._sequence = iter(scenes), frame_s, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def read(self) -> Frame:
        self._sequence += 1
        scene = next(self._scenes, None)
        if scene is None:
            raise EndOfFrames
        if isinstance(scene, Exception):
            raise scene
        at_ns = int(self._sequence * self._frame_s * 1e9)
        return Frame(noisy(scene, self._sequence), self._sequence, at_ns, datetime.now(UTC), self.name)

    def interrupt(self) -> None: ...


@pytest.fixture
def said() -> list[str]:
    return []


def take(folder: Path, film: Film, count: int, said: list[str], patience_s: float = 60.0) -> Captured:
    photographer = Photographer(film, Examples(folder), Quality(), say=said.append, patience_s=patience_s)
    return photographer.work(count, lambda *_: None)


def test_each_triggered_part_gives_a_picture_without_loss(tmp_path: Path, said: list[str]) -> None:
    captured = take(tmp_path, Film(*map(a_part, range(4))), 3, said)
    assert captured.missing() == []
    assert [path.name for path in captured.paths] == ["0001.png", "0002.png", "0003.png"]
    assert np.array_equal(read(captured.paths[1]), noisy(a_part(1), 2))


def test_the_same_part_again_is_not_taken_and_that_is_said_once(tmp_path: Path, said: list[str]) -> None:
    captured = take(tmp_path, Film(a_part(0), a_part(0), a_part(0), a_part(1), a_part(0)), 3, said)
    assert len(captured.paths) == 2
    assert captured.missing() == [
        "2 of 3 pictures: the source has no more",
        "3 pictures were the same as one that is there already",
    ]
    assert len(said) == 2


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda picture: cv2.GaussianBlur(picture, (0, 0), 6), "blurred"),
        (lambda picture: (picture * 0.08).astype(np.uint8), "too dark"),
        (lambda picture: (picture * 0.05 + 242).astype(np.uint8), "too bright"),
        (lambda picture: np.full_like(picture, 120), "lens blocked or light off"),
    ],
)
def test_a_picture_that_is_no_good_is_not_taken(
    tmp_path: Path, said: list[str], spoil: Callable[[Image], Image], reason: str
) -> None:
    captured = take(tmp_path, Film(a_part(0), a_part(1), a_part(2), spoil(a_part(3)), a_part(4)), 4, said)
    assert len(captured.paths) == 4
    assert captured.refused == {reason: 1}


def test_a_live_view_is_taken_when_it_rests_and_shows_another_part(tmp_path: Path, said: list[str]) -> None:
    hand = [a_part(0, shift_px=shift) for shift in (-40, -20, -5)]
    film = Film(*[a_part(0)] * 4, *hand, *[a_part(1)] * 4, triggered=False)
    captured = take(tmp_path, film, 2, said)
    assert len(captured.paths) == 2
    assert np.abs(read(captured.paths[1]).astype(int) - a_part(1)).mean() < 3
    assert said[0] == MOVING


def test_a_camera_that_stumbles_is_asked_again(tmp_path: Path, said: list[str]) -> None:
    film = Film(a_part(0), CaptureError("film: cut"), CaptureError("film: cut"), a_part(1))
    captured = take(tmp_path, film, 2, said)
    assert captured.missing() == []
    assert captured.faults == 2
    assert said == ["film: cut"]


def test_where_nobody_puts_parts_there_it_ends_and_says_what_was_wrong(
    tmp_path: Path, said: list[str]
) -> None:
    captured = take(tmp_path, Film(*[a_part(0)] * 500, triggered=False), 2, said, patience_s=0.5)
    assert captured.missing()[0].startswith("1 of 2 pictures: no good one for 0.5 s (the same as one")


def test_pictures_that_are_there_count_and_are_not_taken_again(tmp_path: Path, said: list[str]) -> None:
    take(tmp_path, Film(a_part(0), a_part(1)), 2, said)
    captured = take(tmp_path, Film(a_part(1), a_part(2)), 3, said)
    assert len(captured.paths) == 3
    assert captured.refused == {"the same as one that is there already": 1}


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "0001.png").write_bytes(b"half a pict")
    with pytest.raises(ConfigError, match=r"0001\.png: is not a JPEG"):
        take(tmp_path, Film(a_part(0)), 1, said)


def test_the_stations_own_source_is_opened(tmp_path: Path) -> None:
    source = SyntheticSource(type="synthetic", width=WIDTH, height=HEIGHT, defect_rate=0.0)
    recipe = Recipe(checks=[CheckConfig(name="surface", bundle=tmp_path / "none")])
    done: list[tuple[str, int, int]] = []
    captured = capture(
        Config(source=source, recipe=recipe), tmp_path / "good", 5, progress=lambda *at: done.append(at)
    )
    assert len(captured.paths) == 5
    assert done[-1] == ("taking pictures", 5, 5)


def teach(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["teach", "cap", *map(str, arguments)])


def test_one_command_takes_the_pictures_and_teaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = teach("--camera", settings(tmp_path), "--count", 6, "--method", "gaussian", "--force")
    assert told.exit_code == 0, told.output
    assert "on 6 pictures" in told.stdout
    assert len(list((tmp_path / "pictures" / "cap").iterdir())) == 6
    assert [version.number for version in versions(tmp_path / "bundles" / "cap")] == [1]


def test_where_pictures_are_missing_the_command_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = teach("--camera", settings(tmp_path), "--count", 12)
    assert isinstance(told.exception, ConfigError)
    said = str(told.exception).splitlines()
    assert said[0] == "8 of 12 pictures: the source has no more"
    assert said[-1] == "run it again to go on, or teach from what is there with --good pictures/cap"
    assert len(list((tmp_path / "pictures" / "cap").iterdir())) == 8


def test_the_camera_does_not_go_with_undo(tmp_path: Path) -> None:
    told = teach("--camera", settings(tmp_path), "--undo")
    assert str(told.exception) == "--camera goes with --good or --add, not with --undo"


@pytest.mark.parametrize("size", [(240, 320), (960, 1280), (1080, 1920)])
def test_noise_and_flicker_make_no_other_picture_but_a_shift_does(size: tuple[int, int]) -> None:
    height, width = size
    part = cv2.resize(a_part(0), (width, height), interpolation=cv2.INTER_NEAREST)
    shifted = np.roll(part, max(1, width // 300), axis=1)
    flickering = np.clip(noisy(part, 2, sigma=4) * 1.04, 0, 255).astype(np.uint8)
    assert alike(look(noisy(part, 1, sigma=4)), look(flickering))
    assert not alike(look(noisy(part, 1)), look(noisy(shifted, 2)))


def test_the_stations_own_limits_take_the_place_of_ours() -> None:
    dark = look((a_part(0) * 0.08).astype(np.uint8))
    assert Selection(Quality()).objections(dark)
    assert not Selection(Quality(min_brightness=1, min_contrast=1)).objections(dark)


def test_what_a_power_cut_leaves_is_swept_and_the_rest_waits(tmp_path: Path) -> None:
    examples = Examples(tmp_path / "cap")
    examples.add(a_part(0))
    (examples.folder / "0002.png.unfinished").write_bytes(b"half")
    (tmp_path / "empty").mkdir()
    assert [left.folder.name for left in waiting(tmp_path)] == ["cap"]
    examples.sweep()
    assert [path.name for path in examples.folder.iterdir()] == ["0001.png"]
    examples.clear()
    assert list(waiting(tmp_path)) == []
