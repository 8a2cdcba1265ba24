"""Pictures on the disk, under pressure and through crashes."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parts import classified, miss, part, picture, report

from edge.config import Evidence
from edge.errors import DeliveryError, InferenceError
from edge.geometry import Image
from edge.store import layout
from edge.store.evidence import EvidenceStore
from edge.store.restored import Darkroom
from edge.types import ModelIdentity, Verdict

PART_BYTES = 16_384
"""What a part of these tests uses: four blocks, two of them for the heat map."""


def store(folder: Path, parts: float = 1000, **changes: object) -> EvidenceStore:
    """A store with room for so many parts of these tests."""
    given = {"budget_mb": parts * PART_BYTES / 1e6, "min_free_mb": 0, "pass_rate": 1.0, **changes}
    return EvidenceStore(folder, Evidence.model_validate(given))


def keep(shelf: EvidenceStore, seq: int, verdict: Verdict, epoch: str = "e1") -> None:
    inspection = part(verdict)
    shelf.keep(report(seq, inspection, epoch), inspection)


def there(folder: Path) -> list[str]:
    """The parts whose reports are visible, as `seq-verdict`, in the order of their ids."""
    return [f"{int(path.stem[:12])}-{path.stem[13:]}" for path in sorted(folder.glob("*/*.json"))]


def used(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_failed_part_leaves_its_picture_its_heat_map_and_its_report(tmp_path: Path) -> None:
    inspection = part(Verdict.FAIL)
    kept = store(tmp_path).keep(report(42, inspection), inspection)
    stem = "000000000042-fail"
    assert [path.name for path in kept.files] == [f"{stem}.jpg", f"{stem}-map.jpg", f"{stem}.json"]
    assert {path.name for path in (tmp_path / "e1").iterdir()} == {path.name for path in kept.files}


def test_the_picture_is_the_whole_frame(tmp_path: Path) -> None:
    inspection = part(Verdict.FAIL, picture(320, 200))
    kept = store(tmp_path).keep(report(1, inspection), inspection)
    with PIL.Image.open(kept.files[0]) as read:
        assert read.size == (320, 200)
        difference = np.asarray(read).astype(int) - inspection.frame.image.astype(int)  # type: ignore[union-attr]
    assert np.abs(difference).mean() < 2


def test_the_json_is_the_report_that_is_sent(tmp_path: Path) -> None:
    inspection = part(Verdict.FAIL)
    sent = report(7, inspection)
    kept = store(tmp_path).keep(sent, inspection)
    assert json.loads(kept.files[-1].read_bytes()) == json.loads(json.dumps(sent.to_json()))


def test_a_part_that_was_never_seen_leaves_only_its_report(tmp_path: Path) -> None:
    inspection = miss()
    kept = store(tmp_path).keep(report(1, inspection), inspection)
    assert [path.name for path in kept.files] == ["000000000001-error.json"]


def test_a_classified_part_has_no_heat_map(tmp_path: Path) -> None:
    inspection = classified()
    kept = store(tmp_path).keep(report(1, inspection), inspection)
    assert [path.suffix for path in kept.files] == [".jpg", ".json"]
    assert not (tmp_path / "e1" / "000000000001-fail-map.jpg").exists()


def test_the_configured_quality_is_that_of_the_picture(tmp_path: Path) -> None:
    inspection = part(Verdict.FAIL, np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8))
    sizes = [
        store(tmp_path / str(quality), jpeg_quality=quality)
        .keep(report(1, inspection), inspection)
        .files[0]
        .stat()
        .st_size
        for quality in (40, 95)
    ]
    assert sizes[0] < sizes[1] / 2


def test_all_but_passes_are_wanted(tmp_path: Path) -> None:
    shelf = store(tmp_path, pass_rate=0)
    assert [shelf.wants(verdict) for verdict in Verdict] == [False, True, True, True]


def test_passes_are_wanted_at_the_configured_rate(tmp_path: Path) -> None:
    draws = iter([0.0, 0.2499, 0.25, 0.9])
    shelf = EvidenceStore(tmp_path, Evidence(pass_rate=0.25), draw=lambda: next(draws))
    assert [shelf.wants(Verdict.PASS) for _ in range(4)] == [True, True, False, False]


def test_the_draw_is_fair(tmp_path: Path) -> None:
    shelf = store(tmp_path, pass_rate=0.3)
    share = sum(shelf.wants(Verdict.PASS) for _ in range(10_000)) / 10_000
    assert 0.25 < share < 0.35


def test_nothing_is_wanted_where_evidence_is_off(tmp_path: Path) -> None:
    shelf = store(tmp_path, enabled=False)
    assert not any(shelf.wants(verdict) for verdict in Verdict)


def test_the_oldest_pass_goes_first(tmp_path: Path) -> None:
    shelf = store(tmp_path, parts=3)
    for seq, verdict in enumerate((Verdict.FAIL, Verdict.PASS, Verdict.PASS, Verdict.INCONCLUSIVE), start=1):
        keep(shelf, seq, verdict)
    assert there(tmp_path) == ["1-fail", "3-pass", "4-inconclusive"]


def test_the_oldest_has_the_lowest_number_whenever_it_was_kept(tmp_path: Path) -> None:
    shelf = store(tmp_path, parts=3)
    for seq in (3, 1, 2, 4):
        keep(shelf, seq, Verdict.FAIL)
    assert there(tmp_path) == ["2-fail", "3-fail", "4-fail"]


def test_without_passes_the_oldest_of_the_rest_goes(tmp_path: Path) -> None:
    shelf = store(tmp_path, parts=2)
    for seq, verdict in enumerate((Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE), start=1):
        keep(shelf, seq, verdict)
    assert there(tmp_path) == ["2-fail", "3-inconclusive"]


def test_a_pass_never_takes_the_place_of_another_verdict(tmp_path: Path) -> None:
    shelf = store(tmp_path, parts=2)
    keep(shelf, 1, Verdict.FAIL)
    keep(shelf, 2, Verdict.ERROR)
    inspection = part(Verdict.PASS)
    assert shelf.keep(report(3, inspection), inspection).files == ()
    assert there(tmp_path) == ["1-fail", "2-error"]


def test_what_had_to_go_is_counted_by_verdict(tmp_path: Path) -> None:
    shelf = store(tmp_path, parts=2)
    for seq, verdict in enumerate((Verdict.PASS, Verdict.FAIL, Verdict.FAIL, Verdict.FAIL), start=1):
        keep(shelf, seq, verdict)
    assert dict(shelf.removed) == {Verdict.PASS: 1, Verdict.FAIL: 1}


def test_the_keeper_hears_of_lost_failures(tmp_path: Path) -> None:
    shelf = store(tmp_path, parts=1)
    keep(shelf, 1, Verdict.FAIL)
    inspection = part(Verdict.FAIL)
    kept = shelf.keep(report(2, inspection), inspection)
    assert kept.lost == 1


def test_losing_failures_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf = store(tmp_path, parts=1)
    for seq in range(1, 6):
        keep(shelf, seq, Verdict.FAIL)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "evidence.budget_mb" in caplog.text


def test_losing_passes_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf = store(tmp_path, parts=1)
    keep(shelf, 1, Verdict.PASS)
    keep(shelf, 2, Verdict.PASS)
    assert not caplog.records


def test_older_epochs_go_before_newer_ones(tmp_path: Path) -> None:
    first = store(tmp_path)
    keep(first, 90, Verdict.PASS, "zz-old")
    keep(first, 1, Verdict.PASS, "aa-new")
    os.utime(tmp_path / "zz-old" / "000000000090-pass.json", (1, 1))
    for kind in (".jpg", "-map.jpg"):
        os.utime(tmp_path / "zz-old" / f"000000000090-pass{kind}", (1, 1))
    again = store(tmp_path, parts=2)
    keep(again, 2, Verdict.FAIL, "aa-new")
    assert there(tmp_path) == ["1-pass", "2-fail"]


def test_the_epoch_that_grows_counts_as_the_newest(tmp_path: Path) -> None:
    shelf = store(tmp_path, parts=2)
    keep(shelf, 5, Verdict.PASS, "a")
    keep(shelf, 1, Verdict.PASS, "b")
    shelf = store(tmp_path, parts=2)
    keep(shelf, 6, Verdict.PASS, "a")
    assert there(tmp_path) == ["5-pass", "6-pass"]


def test_keeping_a_part_again_replaces_it(tmp_path: Path) -> None:
    shelf = store(tmp_path)
    keep(shelf, 1, Verdict.FAIL)
    once = shelf.size_bytes
    keep(shelf, 1, Verdict.FAIL)
    assert there(tmp_path) == ["1-fail"]
    assert shelf.size_bytes == once


def test_a_number_that_is_given_again_replaces_what_had_it(tmp_path: Path) -> None:
    shelf = store(tmp_path)
    keep(shelf, 1, Verdict.FAIL)
    keep(shelf, 1, Verdict.PASS)
    assert there(tmp_path) == ["1-pass"]
    assert shelf.size_bytes == PART_BYTES


def test_what_is_there_counts_after_a_restart(tmp_path: Path) -> None:
    first = store(tmp_path)
    for seq in range(1, 5):
        keep(first, seq, Verdict.PASS)
    again = store(tmp_path, parts=3)
    keep(again, 5, Verdict.FAIL)
    assert there(tmp_path) == ["3-pass", "4-pass", "5-fail"]
    assert again.size_bytes == 3 * PART_BYTES


def test_remains_of_a_crash_are_removed_at_the_first_keep(tmp_path: Path) -> None:
    keep(store(tmp_path), 1, Verdict.FAIL)
    folder = tmp_path / "e1"
    (folder / "000000000002-fail.jpg.unfinished").write_bytes(b"half")
    (folder / "000000000003-fail.jpg").write_bytes(b"no report was written")
    keep(store(tmp_path), 4, Verdict.FAIL)
    assert sorted({path.name[:12] for path in folder.iterdir()}) == ["000000000001", "000000000004"]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    strangers = [
        tmp_path / "notes.txt",
        tmp_path / "e1" / "000-holiday.jpg",
        tmp_path / "a folder" / "x.json",
    ]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    shelf = store(tmp_path, parts=1)
    keep(shelf, 1, Verdict.FAIL)
    keep(shelf, 2, Verdict.FAIL)
    assert all(path.read_bytes() == b"mine" for path in strangers)


def test_evidence_of_reports_that_were_never_committed_is_forgotten(tmp_path: Path) -> None:
    first = store(tmp_path)
    for seq in (8, 9, 10):
        keep(first, seq, Verdict.FAIL)
    keep(first, 10, Verdict.FAIL, "other")
    assert store(tmp_path).forget_after("e1", 8) == 6
    assert there(tmp_path) == ["8-fail", "10-fail"]


def test_forgetting_works_on_an_open_store_too(tmp_path: Path) -> None:
    shelf = store(tmp_path)
    keep(shelf, 1, Verdict.FAIL)
    keep(shelf, 2, Verdict.PASS)
    shelf.forget_after("e1", 1)
    assert shelf.size_bytes == PART_BYTES


def test_there_is_nothing_to_forget_in_a_new_folder(tmp_path: Path) -> None:
    assert store(tmp_path / "evidence").forget_after("e1", 0) == 0


@pytest.mark.parametrize(
    ("kind", "ending"),
    [(layout.PICTURE, "-fail.jpg"), (layout.MAP, "-fail-map.jpg"), (layout.REPORT, "-fail.json")],
)
def test_files_are_found_by_the_id_of_the_report(tmp_path: Path, kind: str, ending: str) -> None:
    shelf = store(tmp_path)
    keep(shelf, 42, Verdict.FAIL)
    assert shelf.find("press-4/e1/42", kind) == tmp_path / "e1" / f"000000000042{ending}"


@pytest.mark.parametrize(
    "record_id",
    [
        "press-4/e1/43",
        "press-4/e2/42",
        "press-4/../42",
        "press-4/e1/../e1/42",
        "/e1/42",
        "e1/42",
        "press-4/e1/42.5",
        "press-4/e1/-42",
        "press-4/e1/٤٢",
        "press-4/e1/42\n",
        "",
    ],
)
def test_what_is_not_there_or_no_id_is_not_found(tmp_path: Path, record_id: str) -> None:
    shelf = store(tmp_path)
    keep(shelf, 42, Verdict.FAIL)
    assert shelf.find(record_id) is None


def test_a_part_that_is_larger_than_the_budget_says_so(tmp_path: Path) -> None:
    shelf = store(tmp_path, parts=0.5)
    with pytest.raises(DeliveryError, match=r"raise evidence\.budget_mb"):
        keep(shelf, 1, Verdict.FAIL)


def test_under_the_floor_passes_go_and_the_rest_is_only_replaced(tmp_path: Path) -> None:
    first = store(tmp_path)
    for seq, verdict in enumerate((Verdict.FAIL, Verdict.PASS, Verdict.FAIL, Verdict.PASS), start=1):
        keep(first, seq, verdict)
    no_room = store(tmp_path, min_free_mb=1e9)
    keep(no_room, 5, Verdict.FAIL)
    assert there(tmp_path) == ["1-fail", "3-fail", "5-fail"]
    keep(no_room, 6, Verdict.FAIL)
    assert there(tmp_path) == ["3-fail", "5-fail", "6-fail"]


def test_under_the_floor_no_pass_is_kept(tmp_path: Path) -> None:
    keep(store(tmp_path), 1, Verdict.FAIL)
    no_room = store(tmp_path, min_free_mb=1e9)
    inspection = part(Verdict.PASS)
    assert no_room.keep(report(2, inspection), inspection).files == ()
    assert there(tmp_path) == ["1-fail"]


def test_under_the_floor_with_nothing_to_replace_the_error_says_what_to_do(tmp_path: Path) -> None:
    no_room = store(tmp_path, min_free_mb=1e9)
    with pytest.raises(DeliveryError, match=r"evidence\.min_free_mb is 1000000000: make room"):
        keep(no_room, 1, Verdict.FAIL)
    assert there(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_bytes(b"a file is in the way")
    with pytest.raises(DeliveryError, match=r"evidence .*evidence.*: "):
        keep(store(tmp_path / "evidence"), 1, Verdict.FAIL)


Mount = Callable[[str], Path]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a file system of its own, with such limits."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(limits: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", limits, "tmpfs", str(disk)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting a small disk needs root and the right to mount")
        return disk

    yield mount
    subprocess.run(["umount", "--lazy", str(disk)], capture_output=True, check=False)


def test_a_full_disk_is_an_error_until_there_is_room_again(small_disk: Mount) -> None:
    disk = small_disk("size=256k")
    shelf = store(disk / "evidence")
    filler = disk / "filler"
    filler.write_bytes(b"x" * 253_952)
    with pytest.raises(DeliveryError, match="make room"):
        keep(shelf, 1, Verdict.FAIL)
    assert list((disk / "evidence").rglob("*.*")) == []
    filler.unlink()
    keep(shelf, 2, Verdict.FAIL)
    assert there(disk / "evidence") == ["2-fail"]


def test_a_disk_that_fills_up_in_the_middle_of_a_part_keeps_nothing_of_it(small_disk: Mount) -> None:
    disk = small_disk("size=256k,nr_inodes=8")  # its root, two folders, a part, and one picture more
    shelf = store(disk / "evidence")
    keep(shelf, 1, Verdict.FAIL)
    (disk / "filler").write_bytes(b"")
    with pytest.raises(DeliveryError, match="No space left on device; make room"):
        keep(shelf, 2, Verdict.FAIL)
    assert len(list((disk / "evidence").rglob("*.*"))) == 3
    assert there(disk / "evidence") == ["1-fail"]


def test_a_disk_that_fills_up_holds_the_newest_failures(small_disk: Mount) -> None:
    folder = small_disk("size=256k") / "evidence"
    shelf = store(folder)
    for seq in range(1, 41):
        keep(shelf, seq, Verdict.PASS if seq % 2 else Verdict.FAIL)
    left = there(folder)
    assert left[-1] == "40-fail"
    assert all(name.endswith("fail") for name in left)


def test_a_read_only_disk_is_an_error_until_it_can_be_written_again(small_disk: Mount) -> None:
    disk = small_disk("size=256k")
    shelf = store(disk / "evidence", parts=1)
    keep(shelf, 1, Verdict.FAIL)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(DeliveryError, match="must be writable"):
        keep(shelf, 2, Verdict.FAIL)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    keep(shelf, 3, Verdict.FAIL)
    assert there(disk / "evidence") == ["3-fail"]


def test_a_file_that_may_not_grow_leaves_nothing_half_written(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            keep(store(tmp_path), 1, Verdict.FAIL)
        except DeliveryError:
            os._exit(3)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


KEEPER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from parts import part, report
from edge.config import Evidence
from edge.store.evidence import EvidenceStore
from edge.types import Verdict
shelf = EvidenceStore(Path(sys.argv[2]), Evidence(budget_mb=0.5, min_free_mb=0))
first = int(sys.argv[3])
print("ready", flush=True)
for seq in range(first, first + 100_000):
    inspection = part(Verdict.FAIL if seq % 3 else Verdict.PASS)
    shelf.keep(report(seq, inspection), inspection)
"""


def test_a_kill_at_any_moment_leaves_only_whole_evidence(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    arguments = [sys.executable, "-c", KEEPER, str(Path(__file__).parent), str(tmp_path)]
    for run in range(6):
        with subprocess.Popen([*arguments, str(1 + run * 100_000)], stdout=subprocess.PIPE) as keeper:
            assert keeper.stdout is not None
            keeper.stdout.readline()
            time.sleep(0.05 + random.random() * 0.2)
            keeper.kill()
        reports = list(tmp_path.glob("e1/*.json"))
        assert reports
        for path in reports:
            assert json.loads(path.read_bytes())["verdict"] in path.name
            for kind in (layout.PICTURE, layout.MAP):
                content = path.with_name(path.stem + kind).read_bytes()
                PIL.Image.open(io.BytesIO(content)).load()
    keep(store(tmp_path), 999_999, Verdict.FAIL)
    stems = {path.name[:12] for path in (tmp_path / "e1").iterdir()}
    assert stems == {path.name[:12] for path in tmp_path.glob("e1/*.json")}
    assert not list(tmp_path.rglob("*.unfinished"))


KEEPS = st.lists(
    st.tuples(st.sampled_from(list(Verdict)), st.integers(1, 6), st.sampled_from(["e1", "e2"])),
    min_size=5,
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(keeps=KEEPS, parts=st.integers(2, 5))
def test_whatever_is_kept_no_other_verdict_goes_while_a_pass_is_left_and_the_budget_holds(
    keeps: list[tuple[Verdict, int, str]], parts: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shelf = store(folder, parts)
        for number, (verdict, seq, epoch) in enumerate(keeps):
            if number == len(keeps) // 2:
                shelf = store(folder, parts)  # a restart
            before = set(folder.glob("*/*.json"))
            inspection = part(verdict)
            kept = shelf.keep(report(seq, inspection, epoch), inspection)
            after = set(folder.glob("*/*.json"))
            replaced = {path for path in before if path.parent.name == epoch and int(path.name[:12]) == seq}
            gone = before - after - replaced
            lost = [path for path in gone if "pass" not in path.name]
            assert not (lost and any("pass" in path.name for path in after))
            assert kept.lost == len(lost)
            assert shelf.size_bytes <= parts * PART_BYTES
            assert used(folder) <= shelf.size_bytes


class Brightener:
    """A restoration that makes each pixel 30 levels brighter, or fails."""

    identity = ModelIdentity("brightener", 3, "f" * 64, "cpu", 1)

    def __init__(self, failure: str | None = None) -> None:
        self.failure = failure

    def restore(self, image: Image) -> Image:
        if self.failure is not None:
            raise InferenceError(self.failure)
        return image + np.uint8(30)


def restoring(folder: Path, darkroom: Darkroom, image: Image | None = None) -> Path:
    """Keep part 7 and say where its files are."""
    inspection = part(Verdict.FAIL, image)
    EvidenceStore(folder, Evidence(min_free_mb=0), darkroom=darkroom).keep(report(7, inspection), inspection)
    return folder / "e1" / "000000000007-fail.jpg"


def test_a_restored_picture_lies_beside_the_original_and_never_takes_its_place(tmp_path: Path) -> None:
    original = restoring(tmp_path / "with", Darkroom(Brightener()))
    alone = tmp_path / "alone"
    store(alone).keep(report(7, part(Verdict.FAIL)), part(Verdict.FAIL))
    assert original.read_bytes() == (alone / "e1" / original.name).read_bytes()
    restored = original.with_name("000000000007-fail-restored.jpg")
    with PIL.Image.open(original) as before, PIL.Image.open(restored) as after:
        assert np.mean(np.asarray(after, int) - np.asarray(before, int)) == pytest.approx(30, abs=1)


def test_a_restored_picture_says_that_it_is_one_and_so_does_the_record(tmp_path: Path) -> None:
    original = restoring(tmp_path, Darkroom(Brightener()))
    with PIL.Image.open(original.with_name("000000000007-fail-restored.jpg")) as picture:
        assert picture.info["comment"].startswith(b"restored by brightener 3 (sha256 ffff")
    record = json.loads(original.with_suffix(".json").read_text())
    assert (record["restored"]["model"]["name"], record["restored"]["reason"]) == ("brightener", None)
    schema = json.loads(resources.files("edge").joinpath("schemas/result.json").read_bytes())
    jsonschema.validate(record, schema)


@pytest.mark.parametrize(
    ("darkroom", "reason"),
    [
        (Darkroom(Brightener("the model did not run")), "the model did not run"),
        (Darkroom(Brightener(), lambda: True), "other parts waited to be kept"),
    ],
    ids=["fails", "hurried"],
)
def test_a_picture_that_is_not_restored_is_kept_and_the_record_says_why(
    tmp_path: Path, darkroom: Darkroom, reason: str
) -> None:
    original = restoring(tmp_path, darkroom)
    assert original.exists()
    assert not original.with_name("000000000007-fail-restored.jpg").exists()
    assert json.loads(original.with_suffix(".json").read_text())["restored"]["reason"] == reason


class Slow:
    """A restoration on a board so slow that a megapixel takes so many seconds, by its own clock."""

    identity = Brightener.identity

    def __init__(self, megapixel_s: float) -> None:
        self.megapixel_s = megapixel_s
        self.now_s = 0.0

    def restore(self, image: Image) -> Image:
        self.now_s += self.megapixel_s * image.shape[0] * image.shape[1] / 1e6
        return image

    def clock(self) -> float:
        return self.now_s


def test_a_picture_that_would_hold_up_the_thread_is_not_restored(tmp_path: Path) -> None:
    slow = Slow(megapixel_s=5.0)
    original = restoring(tmp_path, Darkroom(slow, clock=slow.clock), np.zeros((1000, 1000, 3), np.uint8))
    assert (
        json.loads(original.with_suffix(".json").read_text())["restored"]["reason"]
        == "it would have taken 5 s"
    )
    assert slow.now_s < 0.5


def test_a_board_that_has_become_quicker_restores_again() -> None:
    slow = Slow(megapixel_s=5.0)
    darkroom, image = Darkroom(slow, clock=slow.clock), np.zeros((1000, 1000, 3), np.uint8)
    assert darkroom.restore(image).picture is None
    slow.megapixel_s = 1.0
    assert darkroom.restore(image).picture is not None


def test_the_budget_counts_restored_pictures_and_they_go_with_their_part(tmp_path: Path) -> None:
    shelf = EvidenceStore(
        tmp_path, Evidence(budget_mb=3 * PART_BYTES / 1e6, min_free_mb=0), darkroom=Darkroom(Brightener())
    )
    for seq in range(1, 6):
        keep(shelf, seq, Verdict.FAIL)
    stems = {path.name[:12] for path in (tmp_path / "e1").iterdir()}
    assert len(stems) == len(there(tmp_path)) < 5
    assert shelf.size_bytes <= 3 * PART_BYTES
    again = EvidenceStore(tmp_path, Evidence(min_free_mb=0))
    keep(again, 6, Verdict.FAIL)
    counted = sum(layout.size_on_disk(path.stat().st_size) for path in (tmp_path / "e1").iterdir())
    assert again.size_bytes == counted
