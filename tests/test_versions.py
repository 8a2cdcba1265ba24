import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_bundle

from edge import durable
from edge.errors import BundleError, DeviceError
from edge.model import bundle, versions
from edge.model.bundle import load, write
from edge.model.tables import MANIFEST
from edge.model.versions import ACTIVE, KEPT, Shelf, resolve


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bundle.Bundle:
    return load(tiny_bundle.anomaly(tmp_path_factory.mktemp("model") / "part"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bundles" / "part"


def teach(folder: Path, model: bundle.Bundle) -> Path:
    """The next version: the same model under another number."""
    with Shelf(folder) as shelf:
        write(shelf.next, model.manifest.model_copy(update={"version": shelf.number}), model.files)
        return shelf.activate(shelf.number)


def numbers(folder: Path) -> list[int]:
    return [version.number for version in versions.versions(folder)]


def active(folder: Path) -> int:
    """The version that a reader gets: its number, from its own manifest."""
    return load(folder).manifest.version


def test_the_last_version_taught_is_the_one_that_is_loaded(folder: Path, model: bundle.Bundle) -> None:
    assert teach(folder, model) == folder / "0001"
    assert teach(folder, model) == folder / "0002"
    assert load(folder).folder == folder / "0002"
    assert active(folder) == 2


def test_a_single_bundle_is_loaded_as_it_is(tmp_path: Path) -> None:
    single = tiny_bundle.anomaly(tmp_path / "part")
    assert resolve(single) == load(single).folder == single


def test_undo_goes_back_to_what_was_active_before(folder: Path, model: bundle.Bundle) -> None:
    for _ in range(3):
        teach(folder, model)
    with Shelf(folder) as shelf:
        assert shelf.undo() == folder / "0002"
    assert active(folder) == 2
    assert numbers(folder) == [1, 2, 3]


def test_a_version_that_was_taken_back_is_never_what_undo_goes_back_to(
    folder: Path, model: bundle.Bundle
) -> None:
    teach(folder, model)
    teach(folder, model)
    with Shelf(folder) as shelf:
        shelf.undo()
    assert teach(folder, model).name == "0003"
    with Shelf(folder) as shelf:
        assert shelf.undo().name == "0001"


def test_the_first_version_cannot_be_undone(folder: Path, model: bundle.Bundle) -> None:
    teach(folder, model)
    with Shelf(folder) as shelf, pytest.raises(BundleError, match="there is no version to go back to"):
        shelf.undo()
    assert active(folder) == 1


def test_any_version_can_be_chosen(folder: Path, model: bundle.Bundle) -> None:
    for _ in range(3):
        teach(folder, model)
    with Shelf(folder) as shelf:
        shelf.activate(1)
    assert active(folder) == 1
    assert [version.number for version in versions.versions(folder) if version.active] == [1]
    with Shelf(folder) as shelf:
        assert shelf.undo().name == "0003"


def test_a_version_that_is_not_there_is_refused_and_the_others_are_named(
    folder: Path, model: bundle.Bundle
) -> None:
    teach(folder, model)
    with Shelf(folder) as shelf, pytest.raises(BundleError, match="no version 0007; there is 0001: choose"):
        shelf.activate(7)
    assert active(folder) == 1


def test_a_version_that_is_not_activated_changes_nothing(folder: Path, model: bundle.Bundle) -> None:
    teach(folder, model)
    with Shelf(folder) as shelf:
        write(shelf.next, model.manifest.model_copy(update={"version": 2}), model.files)
    assert active(folder) == 1
    assert numbers(folder) == [1, 2]


def test_old_versions_go_but_never_the_active_one_and_the_one_before_it(
    folder: Path, model: bundle.Bundle
) -> None:
    for _ in range(3):
        teach(folder, model)
    with Shelf(folder) as shelf:
        shelf.activate(1)
    with Shelf(folder) as shelf:
        shelf.activate(2)
    for _ in range(KEPT + 3):
        with Shelf(folder) as shelf:
            write(shelf.next, model.manifest, model.files)
    assert numbers(folder) == [1, 2, 7, 8, 9, 10, 11]
    assert active(folder) == 2


def test_a_number_is_not_used_twice(folder: Path, model: bundle.Bundle) -> None:
    teach(folder, model)
    teach(folder, model)
    shutil.rmtree(folder / "0002")
    with Shelf(folder) as shelf:
        assert shelf.number == 3


def test_a_shelf_whose_active_version_is_gone_says_which_ones_there_are(
    folder: Path, model: bundle.Bundle
) -> None:
    teach(folder, model)
    teach(folder, model)
    shutil.rmtree(folder / "0002")
    with pytest.raises(BundleError, match=r"part: version 0002 is missing; there is 0001: choose with 'edge"):
        load(folder)
    with Shelf(folder) as shelf:
        shelf.undo()
    assert active(folder) == 1


def test_a_shelf_with_nothing_active_says_so(folder: Path, model: bundle.Bundle) -> None:
    teach(folder, model)
    (folder / ACTIVE).unlink()
    with pytest.raises(BundleError, match="part: no version is active; there is 0001: choose"):
        load(folder)


@pytest.mark.parametrize("content", [b"../../etc\n", b"\xff\n", b"1\n", b"0001 x\n"])
def test_a_damaged_list_says_what_to_write_into_it(
    folder: Path, model: bundle.Bundle, content: bytes
) -> None:
    teach(folder, model)
    (folder / ACTIVE).write_bytes(content)
    with pytest.raises(BundleError, match=r"part/active: is damaged; write the number of the version"):
        load(folder)


def test_a_single_bundle_is_not_taken_for_a_shelf(tmp_path: Path) -> None:
    single = tiny_bundle.anomaly(tmp_path / "part")
    with pytest.raises(BundleError, match="part: is a single bundle, not a shelf of versions; name another"):
        Shelf(single)


def test_a_shelf_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BundleError, match=r"file/part: cannot be written: "):
        Shelf(tmp_path / "file" / "part")


def test_nothing_but_versions_is_left_by_an_error(folder: Path, model: bundle.Bundle) -> None:
    teach(folder, model)
    with pytest.raises(BundleError, match="is missing"), Shelf(folder) as shelf:
        write(shelf.next, model.manifest, {})
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "0001", ACTIVE]


def test_two_teaches_do_not_meet(folder: Path) -> None:
    with Shelf(folder), pytest.raises(DeviceError, match="part: is being taught right now; wait until"):
        Shelf(folder)
    Shelf(folder).__exit__(None, None, None)


def test_a_first_lesson_that_came_to_nothing_leaves_nothing(folder: Path, model: bundle.Bundle) -> None:
    with pytest.raises(BundleError), Shelf(folder) as shelf:
        write(shelf.next, model.manifest, {})
    assert not folder.exists()


def test_a_shelf_where_the_first_lesson_goes_on_says_that_there_is_nothing_yet(folder: Path) -> None:
    with Shelf(folder), pytest.raises(BundleError, match="part: no version is active; there is none; teach"):
        load(folder)


CHANGES = {"open", "os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "fcntl.flock"}
"""What Python tells its audit hooks of before it asks the kernel for it; nothing else changes a disk."""


def killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Do it in a child that kills itself before its change of that number. Whether it came so far."""
    child = os.fork()
    if child == 0:
        left = moment

        def kill(event: str, _arguments: tuple[Any, ...]) -> None:
            nonlocal left
            left -= event in CHANGES
            if left < 0 and event in CHANGES:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def test_a_teach_killed_at_any_moment_leaves_the_old_or_the_new_version_whole_and_active(
    folder: Path, model: bundle.Bundle
) -> None:
    teach(folder, model)
    moment = outcomes = 0
    while killed_at(moment, lambda: teach(folder, model)):
        before = max(numbers(folder))
        assert active(folder) in {1, before}
        outcomes |= 1 if active(folder) == 1 else 2
        with Shelf(folder) as shelf:
            shelf.activate(1)
        moment += 1
    assert moment > 15
    assert outcomes == 3
    assert not list(folder.glob(f"*{durable.UNFINISHED}"))
    assert all((folder / f"{number:04}" / MANIFEST).exists() for number in numbers(folder))


def test_removing_old_versions_can_be_killed_at_any_moment(folder: Path, model: bundle.Bundle) -> None:
    teach(folder, model)
    moment = 0
    while True:
        for _ in range(KEPT + 2 - len(numbers(folder))):
            write(
                folder / f"{max(numbers(folder)) + 1:04}",
                model.manifest.model_copy(update={"version": 1}),
                model.files,
            )
        if not killed_at(moment, lambda: Shelf(folder).__exit__(None, None, None)):
            break
        for version in versions.versions(folder):
            load(version.folder)
        assert active(folder) == 1
        moment += 1
    assert moment > 5
    assert len(numbers(folder)) == KEPT + 1
