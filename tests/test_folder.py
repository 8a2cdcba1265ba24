"""Pictures from files."""

import os
import threading
from pathlib import Path
from time import monotonic_ns

import numpy as np
import PIL.Image
import pytest

from edge.config import FolderSource
from edge.errors import CaptureError, ConfigError, DeviceError
from edge.sources import open_source
from edge.sources.folder import Folder
from edge.types import EndOfFrames


def picture(path: Path, grey: int = 100) -> Path:
    PIL.Image.fromarray(np.full((12, 16, 3), grey, np.uint8)).save(path)
    return path


def folder(path: Path, **settings: object) -> Folder:
    return Folder(FolderSource.model_validate({"type": "folder", "path": path, **settings}))


def part_ids(source: Folder, most: int = 100) -> list[str | None]:
    seen: list[str | None] = []
    with source:
        while len(seen) < most:
            try:
                seen.append(source.read().part_id)
            except EndOfFrames:
                break
    return seen


def test_pictures_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.png", "c.BMP", "a.jpg", "d.webp"):
        picture(tmp_path / name)
    assert part_ids(folder(tmp_path)) == ["a", "b", "c", "d"]


def test_a_frame_says_what_is_known_of_it(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 77)
    before_ns = monotonic_ns()
    with folder(tmp_path) as source:
        frame = source.read()
    assert (frame.sequence, frame.part_id, frame.truth) == (1, "a", None)
    assert frame.image.shape == (12, 16, 3)
    assert frame.image.max() == frame.image.min() == 77
    assert before_ns <= frame.captured_ns <= monotonic_ns()
    assert frame.captured_at.tzinfo is not None


def test_pictures_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    for name, time_s in (("a", 300), ("b", 100), ("c", 200)):
        os.utime(picture(tmp_path / f"{name}.png"), (time_s, time_s))
    assert part_ids(folder(tmp_path, order="modified")) == ["b", "c", "a"]


def test_shuffled_is_another_order_and_always_the_same(tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(12)]
    for name in names:
        picture(tmp_path / f"{name}.png")
    once = part_ids(folder(tmp_path, order="shuffled"))
    assert once == part_ids(folder(tmp_path, order="shuffled"))
    assert once != names
    assert sorted(str(name) for name in once) == names


def test_other_files_subfolders_and_dot_files_are_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / ".b.png")
    (tmp_path / "notes.txt").write_text("ok")
    (tmp_path / "c.png").mkdir()
    assert part_ids(folder(tmp_path)) == ["a"]


def test_a_pattern_chooses_files(tmp_path: Path) -> None:
    for name in ("x1.png", "x2.png", "y1.png"):
        picture(tmp_path / name)
    assert part_ids(folder(tmp_path / "x?.png")) == ["x1", "x2"]


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    odd = tmp_path / "line[1]"
    odd.mkdir()
    picture(odd / "a.png")
    assert part_ids(folder(odd)) == ["a"]


def test_a_single_file_is_a_folder_of_one(tmp_path: Path) -> None:
    assert part_ids(folder(picture(tmp_path / "a.png"))) == ["a"]


def test_the_part_id_is_what_the_pattern_finds(tmp_path: Path) -> None:
    picture(tmp_path / "cam2_SN0815_top.png")
    picture(tmp_path / "unnamed.png")
    pattern = r"_SN(?P<part_id>\d+)_"
    assert part_ids(folder(tmp_path, part_id_pattern=pattern)) == ["0815", "unnamed"]


@pytest.mark.parametrize("pattern", ["(?P<part_id>[", r"(\d+)"])
def test_a_useless_pattern_is_refused_with_its_key(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"^source\.part_id_pattern: "):
        folder(tmp_path, part_id_pattern=pattern)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source\.path: .*gone: No such file"), folder(tmp_path / "gone"):
        pass


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source\.path: .*: no pictures there"), folder(tmp_path):
        pass


def test_a_picture_that_cannot_be_read_is_a_fault_of_that_part_and_the_next_one_follows(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    picture(tmp_path / "b.png")
    with folder(tmp_path) as source:
        with pytest.raises(CaptureError, match=r"a\.png: the file is empty") as caught:
            source.read()
        assert caught.value.part_id == "a"
        assert source.sequence == 1
        assert source.read().sequence == 2


def test_a_picture_that_has_gone_is_a_fault_of_that_part(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    with folder(tmp_path) as source:
        path.unlink()
        with pytest.raises(CaptureError, match="cannot be read") as caught:
            source.read()
    assert caught.value.part_id == "a"


def test_a_loop_starts_again_and_counts_on(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    source = folder(tmp_path, loop=True)
    assert part_ids(source, 5) == ["a", "b", "a", "b", "a"]
    assert source.sequence == 5


def test_a_loop_gives_up_where_all_pictures_have_gone(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    with folder(tmp_path, loop=True) as source:
        source.read()
        path.unlink()
        with pytest.raises(DeviceError, match="all pictures are gone"):
            source.read()


def test_pictures_come_no_faster_than_their_rate(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with folder(tmp_path, loop=True, rate_hz=100) as source:
        start_ns = monotonic_ns()
        times_ns = [source.read().captured_ns for _ in range(21)]
    # Never early: each is due at a multiple of 10 ms, however late the one before was.
    assert all(at_ns >= start_ns + number * 10_000_000 for number, at_ns in enumerate(times_ns))


def test_a_picture_that_is_waited_for_can_be_interrupted(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with folder(tmp_path, loop=True, rate_hz=0.001) as source:
        source.read()
        threading.Timer(0.05, source.interrupt).start()
        with pytest.raises(EndOfFrames):
            source.read()


def test_the_settings_open_the_folder(tmp_path: Path) -> None:
    assert isinstance(open_source(FolderSource(type="folder", path=tmp_path)), Folder)
