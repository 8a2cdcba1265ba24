"""Pictures that arrive in a folder while the daemon looks."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from time import sleep

import numpy as np
import PIL.Image
import pytest

from edge.config import WatchSource
from edge.errors import CaptureError, ConfigError, DeviceError
from edge.sources import open_source
from edge.sources.watch import Watch
from edge.types import EndOfFrames

SLOW_WRITER = """
import sys, time
content = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "wb", buffering=0) as file:
    for start in range(0, len(content), len(content) // 6):
        file.write(content[start : start + len(content) // 6])
        time.sleep(0.04)
"""


def content(grey: int = 100, kind: str = "PNG") -> bytes:
    file = BytesIO()
    PIL.Image.fromarray(np.full((12, 16, 3), grey, np.uint8)).save(file, kind)
    return file.getvalue()


@contextmanager
def watching(path: Path, **settings: object) -> Iterator[Watch]:
    values = {"type": "watch", "path": path, "settle_s": 0.1, "poll_s": 0.01, **settings}
    with Watch(WatchSource.model_validate(values)) as watch:
        # A test that waits for what never comes is to fail, not to hang.
        rescue = threading.Timer(10, watch.interrupt)
        rescue.start()
        try:
            yield watch
        finally:
            rescue.cancel()


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.is_file())


def test_a_picture_that_was_there_at_the_start_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content(77))
    with watching(tmp_path) as watch:
        frame = watch.read()
    assert (frame.part_id, frame.sequence) == ("a", 1)
    assert frame.image.max() == 77


def test_pictures_are_taken_in_the_order_of_their_arrival(tmp_path: Path) -> None:
    with watching(tmp_path, settle_s=0.02) as watch:
        seen = []
        for name in ("c", "a", "b"):
            (tmp_path / f"{name}.png").write_bytes(content())
            seen.append(watch.read().part_id)
    assert seen == ["c", "a", "b"]


def test_pictures_that_waited_are_taken_in_the_order_of_their_times(tmp_path: Path) -> None:
    for name, time_s in (("a", 300), ("b", 100), ("c", 200)):
        (tmp_path / f"{name}.png").write_bytes(content())
        os.utime(tmp_path / f"{name}.png", (time_s, time_s))
    with watching(tmp_path) as watch:
        assert [watch.read().part_id for _ in range(3)] == ["b", "c", "a"]


def test_a_picture_stays_until_its_result_is_safe_and_then_moves_to_done(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content())
    with watching(tmp_path) as watch:
        watch.read()
        assert names(tmp_path) == ["a.png"]
        watch.accepted(1)
        assert names(tmp_path) == []
        assert names(tmp_path / "done") == ["a.png"]


def test_a_picture_whose_result_is_safe_is_deleted_where_so_configured(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content())
    with watching(tmp_path, done="delete") as watch:
        watch.read()
        watch.accepted(1)
    assert names(tmp_path) == []
    assert not (tmp_path / "done").exists()


def test_a_picture_whose_result_was_not_safe_is_taken_again_by_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content())
    with watching(tmp_path) as watch:
        watch.read()
    with watching(tmp_path) as watch:
        assert watch.read().part_id == "a"


def test_a_picture_is_taken_once_while_its_result_is_awaited(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content())
    with watching(tmp_path, settle_s=0.02) as watch:
        watch.read()
        threading.Timer(0.2, watch.interrupt).start()
        with pytest.raises(EndOfFrames):
            watch.read()
        assert watch.sequence == 1


def test_results_may_become_safe_in_another_thread_and_order(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.png").write_bytes(content())
    with watching(tmp_path, settle_s=0.02) as watch:
        sequences = [watch.read().sequence for _ in range(20)]
        threads = [
            threading.Thread(
                target=lambda mine=sequences[at::4]: [watch.accepted(one) for one in reversed(mine)]
            )
            for at in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert names(tmp_path) == []
    assert len(names(tmp_path / "done")) == 20


def test_a_picture_does_not_overwrite_another_of_its_name_in_done(tmp_path: Path) -> None:
    with watching(tmp_path, settle_s=0.02) as watch:
        for grey in (10, 20, 30):
            (tmp_path / "latest.bmp").write_bytes(content(grey, "BMP"))
            watch.read()
            watch.accepted(watch.sequence)
    kept = [PIL.Image.open(tmp_path / "done" / name).getpixel((0, 0)) for name in names(tmp_path / "done")]
    assert sorted(kept) == [(grey,) * 3 for grey in (10, 20, 30)]


def test_a_picture_that_replaces_one_whose_result_is_awaited_is_a_part_of_its_own(tmp_path: Path) -> None:
    with watching(tmp_path) as watch:
        (tmp_path / "latest.bmp").write_bytes(content(10, "BMP"))
        assert watch.read().image.max() == 10
        (tmp_path / "latest.bmp").write_bytes(content(20, "BMP"))
        watch.accepted(1)
        assert names(tmp_path) == ["latest.bmp"]
        second = watch.read()
        assert (second.sequence, second.image.max()) == (2, 20)
        watch.accepted(2)
    assert names(tmp_path) == []


def test_a_picture_that_is_written_slowly_is_taken_when_complete(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "a.png")
    with (
        watching(drop) as watch,
        subprocess.Popen([sys.executable, "-c", SLOW_WRITER, tmp_path / "a.png", drop / "a.png"]),
    ):
        assert np.array_equal(watch.read().image, noise)


def test_a_picture_whose_writer_pauses_for_longer_than_it_should_is_taken_when_complete(
    tmp_path: Path,
) -> None:
    whole = content(kind="JPEG")
    path = tmp_path / "a.jpg"

    def write() -> None:
        path.write_bytes(whole[:-100])
        sleep(0.25)  # over two settling times: it looks complete
        path.write_bytes(whole)

    writer = threading.Thread(target=write)
    with watching(tmp_path) as watch:
        writer.start()
        assert watch.read().part_id == "a"
        assert watch.sequence == 1
    writer.join()


def test_a_picture_that_is_renamed_into_place_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.png.part").write_bytes(content())
    with watching(tmp_path, settle_s=0.02) as watch:
        threading.Timer(0.15, (tmp_path / "a.png.part").rename, [tmp_path / "a.png"]).start()
        assert watch.read().part_id == "a"


@pytest.mark.parametrize(
    "name", [".a.png", "~a.png", "a.part", "a.tmp", "a.png.filepart", "a.xml", "README", "d.png"]
)
def test_what_is_no_picture_by_its_name_is_left_alone(tmp_path: Path, name: str) -> None:
    if name == "d.png":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(content())
    (tmp_path / "z.png").write_bytes(content())
    with watching(tmp_path, settle_s=0.02) as watch:
        assert watch.read().part_id == "z"
        watch.accepted(1)
        assert (tmp_path / name).exists()


@pytest.mark.parametrize("rubbish", [b"", b"this is text", content()[:-30]])
def test_a_file_that_never_becomes_a_picture_is_a_fault_of_its_part_and_goes_to_failed(
    tmp_path: Path, rubbish: bytes
) -> None:
    (tmp_path / "a.png").write_bytes(rubbish)
    with watching(tmp_path, settle_s=0.02) as watch:
        with pytest.raises(CaptureError) as caught:
            watch.read()
        assert caught.value.part_id == "a"
        assert names(tmp_path) == ["a.png"]
        watch.accepted(watch.sequence)
    assert names(tmp_path) == []
    assert names(tmp_path / "failed") == ["a.png"]


def test_a_file_that_never_becomes_a_picture_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(content())
    with watching(tmp_path, settle_s=0.05) as watch:
        assert watch.read().part_id == "b"
        with pytest.raises(CaptureError) as caught:
            watch.read()
    assert caught.value.part_id == "a"


def test_a_complete_picture_that_is_removed_before_it_is_read_is_a_fault_of_its_part(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(content())
    with watching(tmp_path) as watch:
        watch.read()
        (tmp_path / "b.png").unlink()
        with pytest.raises(CaptureError, match="was removed before it could be read") as caught:
            watch.read()
    assert caught.value.part_id == "b"


def test_a_picture_that_somebody_removes_while_its_result_is_awaited_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content())
    with watching(tmp_path, settle_s=0.02) as watch:
        watch.read()
        (tmp_path / "a.png").unlink()
        watch.accepted(1)
        (tmp_path / "b.png").write_bytes(content())
        assert watch.read().part_id == "b"


def test_a_folder_that_vanishes_is_a_fault_and_its_return_ends_it(tmp_path: Path) -> None:
    drop, away = tmp_path / "drop", tmp_path / "away"
    drop.mkdir()
    with watching(drop, settle_s=0.02) as watch:
        drop.rename(away)
        with pytest.raises(CaptureError, match="is the folder there") as caught:
            watch.read()
        assert caught.value.part_id is None
        away.rename(drop)
        (drop / "a.png").write_bytes(content())
        assert watch.read().part_id == "a"


def test_a_folder_that_vanishes_with_complete_pictures_in_it_costs_no_part(tmp_path: Path) -> None:
    drop, away = tmp_path / "drop", tmp_path / "away"
    drop.mkdir()
    for name in ("a.png", "b.png"):
        (drop / name).write_bytes(content())
    with watching(drop, settle_s=0.02) as watch:
        watch.read()
        drop.rename(away)
        with pytest.raises(CaptureError, match="is the folder there") as caught:
            watch.read()
        assert caught.value.part_id is None
        away.rename(drop)
        assert watch.read().part_id == "b"


def test_a_picture_that_cannot_be_put_away_now_is_put_away_later(tmp_path: Path) -> None:
    drop, away = tmp_path / "drop", tmp_path / "away"
    drop.mkdir()
    (drop / "a.png").write_bytes(content())
    with watching(drop) as watch:
        watch.read()
        drop.rename(away)
        watch.accepted(1)
        away.rename(drop)
        assert names(drop) == ["a.png"]
    assert names(drop / "done") == ["a.png"]


def test_the_part_id_is_what_the_pattern_finds(tmp_path: Path) -> None:
    (tmp_path / "cam2_SN0815.png").write_bytes(content())
    with watching(tmp_path, part_id_pattern=r"SN(?P<part_id>\d+)") as watch:
        assert watch.read().part_id == "0815"


def test_a_useless_pattern_is_refused_with_its_key(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"^source\.part_id_pattern: "),
        watching(tmp_path, part_id_pattern="("),
    ):
        pass


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"gone: there is no such folder"), watching(tmp_path / "gone"):
        pass


def test_waiting_can_be_interrupted(tmp_path: Path) -> None:
    with watching(tmp_path) as watch:
        threading.Timer(0.05, watch.interrupt).start()
        with pytest.raises(EndOfFrames):
            watch.read()


def test_an_interrupted_watch_takes_nothing_more(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(content())
    with watching(tmp_path) as watch:
        watch.read()
        watch.interrupt()
        with pytest.raises(EndOfFrames):
            watch.read()


def test_the_settings_open_the_watch(tmp_path: Path) -> None:
    assert isinstance(open_source(WatchSource(type="watch", path=tmp_path)), Watch)
