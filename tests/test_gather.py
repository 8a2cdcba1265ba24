from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from washers import ROI, album, on_a_belt, washer

from edge.errors import ConfigError
from edge.model import shipped
from edge.preprocess.tensor import InputSpec
from edge.teach.eye import Eye, Seen
from edge.teach.gather import COMPARED, MOST_TILES, Gathered, Gatherer
from edge.teach.notebook import Notebook
from edge.teach.record import LONGEST_PX


def silent(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def eye() -> Eye:
    """One that looks at little."""
    return Eye.of(shipped.backbone(), InputSpec(64, 64))


@pytest.fixture(scope="module")
def washers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return album(tmp_path_factory.mktemp("washers"), range(7))


def gather(eye: Eye, good: Sequence[Path], *bad: Path, tiles: int = 1, seed: int = 0) -> Gathered:
    return Gatherer([eye], eye.spec.roi, seed).gather(good, bad, tiles, silent)


def same(one: Seen, other: Seen) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.outputs[0], other.outputs[0], strict=True))


def test_every_picture_is_seen_in_order(eye: Eye, washers: list[Path]) -> None:
    found = gather(eye, washers)
    assert found.names == tuple(path.name for path in washers)
    assert all(same(seen, eye.look(washer(seed))) for seed, seen in enumerate(found.good[eye]))


def test_every_eye_looks_at_the_same_pictures_and_defects(eye: Eye, washers: list[Path]) -> None:
    other = Eye.of(shipped.backbone(), InputSpec(64, 64))
    found = Gatherer([eye, other], None, 0).gather(washers, washers[:1], 1, silent)
    for kept in (found.good, found.damaged, found.bad):
        assert len(kept[eye]) == len(kept[other]) > 0
        assert all(same(one, two) for one, two in zip(kept[eye], kept[other], strict=True))


def test_of_many_tiles_fewer_pictures_are_kept_evenly_from_first_to_last(
    eye: Eye, washers: list[Path]
) -> None:
    found = gather(eye, washers, tiles=int((MOST_TILES / 5.5) ** 0.5))
    assert len(found.good[eye]) == 5
    assert (found.names[0], found.names[-1]) == ("000.png", "006.png")


def test_made_up_defects_belong_to_their_pictures(eye: Eye, washers: list[Path]) -> None:
    found = gather(eye, washers)
    cells = found.sample(eye, (16,))
    assert len(found.damaged[eye]) == len(found.parents) == len(found.exhibits) >= COMPARED // 2
    apart = abs(cells.damaged[:, None] - cells.good).mean(axis=(2, 3, 4, 5))
    assert apart.argmin(axis=1).tolist() == list(found.parents)
    assert all(mask.any() for _, mask in found.exhibits)


def test_the_same_seed_makes_up_the_same_defects(eye: Eye, washers: list[Path]) -> None:
    first, second, other = (gather(eye, washers, seed=seed) for seed in (0, 0, 1))
    pairs = list(zip(first.damaged[eye], second.damaged[eye], other.damaged[eye], strict=True))
    assert all(same(one, two) for one, two, _ in pairs)
    assert not any(same(one, three) for one, _, three in pairs)


def test_other_eyes_see_the_same_defects_again(eye: Eye, washers: list[Path]) -> None:
    first = gather(eye, washers)
    places = [1, 4, 6]
    again = Gatherer([eye], None, 0).revisit(first, places)
    assert all(
        same(first.good[eye][place], seen) for place, seen in zip(places, again.good[eye], strict=True)
    )
    of_first = {parent: number for number, parent in reversed(list(enumerate(first.parents)))}
    assert all(
        same(first.damaged[eye][of_first[place]], seen)
        for place, seen in zip(places, again.damaged[eye], strict=True)
    )


def test_what_the_report_shows_is_small_and_of_the_region_alone(tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.png" for seed in range(5)]
    for seed, path in enumerate(paths):
        PIL.Image.fromarray(np.kron(on_a_belt(seed), np.ones((6, 6, 1), np.uint8))).save(path)
    roi = ROI.model_copy(update={side: 6 * getattr(ROI, side) for side in ROI.model_dump()})
    eye = Eye.of(shipped.backbone(), InputSpec(64, 64, roi=roi))
    picture, mask = gather(eye, paths).exhibits[0]
    assert picture.shape == (LONGEST_PX, LONGEST_PX, 3)
    assert mask.shape == (LONGEST_PX, LONGEST_PX)


def test_a_known_bad_part_that_is_too_small_for_the_region_is_named(tmp_path: Path) -> None:
    good = [tmp_path / f"{seed}.png" for seed in range(5)]
    for seed, path in enumerate(good):
        PIL.Image.fromarray(on_a_belt(seed)).save(path)
    (bad,) = album(tmp_path / "bad", [50])
    eye = Eye.of(shipped.backbone(), InputSpec(64, 64, roi=ROI))
    with pytest.raises(ConfigError, match=r"050\.png: is 96×96, but the region of interest"):
        gather(eye, good, bad)


def added(eye: Eye, washers: list[Path], new: Sequence[Path], drop: Sequence[str] = ()) -> Gathered:
    first = gather(eye, washers)
    old = Notebook(first.names, first.measures, tuple(first.good[eye]))
    return Gatherer([eye], None, 0).add(old, drop, new, (), silent)


def test_new_pictures_come_after_the_old_ones(eye: Eye, washers: list[Path], tmp_path: Path) -> None:
    new = album(tmp_path / "new", [20, 21])
    found = added(eye, washers, new, drop=["001.png"])
    expected = [0, *range(2, 7), 20, 21]
    assert found.names == tuple(f"{seed:03}.png" for seed in expected)
    assert found.at_hand == [6, 7]
    assert len(found.measures) == 8
    assert all(
        same(seen, eye.look(washer(seed))) for seed, seen in zip(expected, found.good[eye], strict=True)
    )


def test_defects_are_made_up_on_pictures_at_hand(eye: Eye, washers: list[Path], tmp_path: Path) -> None:
    found = added(eye, washers, album(tmp_path / "new", [20, 21]))
    assert set(found.parents) == {7, 8}


def test_a_picture_that_was_dropped_can_be_added_again(eye: Eye, washers: list[Path]) -> None:
    found = added(eye, washers, [washers[1]], drop=["001.png"])
    assert found.names[-1] == "001.png"
    assert found.skipped == ()


def of_size(path: Path, width: int, height: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    PIL.Image.fromarray(washer(30)).resize((width, height)).save(path)
    return path


def test_new_pictures_of_another_size_than_the_taught_ones_are_left_out(
    eye: Eye, washers: list[Path], tmp_path: Path
) -> None:
    odd = [of_size(tmp_path / "new" / f"{width}.png", width, 96) for width in (48, 144)]
    found = added(eye, washers, [*odd, *album(tmp_path / "new", [20])])
    assert found.names[len(washers) :] == ("020.png",)
    assert found.skipped == tuple(f"{path}: is {path.stem}×96, but the taught ones are 96×96" for path in odd)


def test_where_all_new_pictures_are_of_another_size_they_are_refused(
    eye: Eye, washers: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"(?s)too few to teach.*is 48×96, but the taught ones are 96×96"):
        added(eye, washers, [of_size(tmp_path / "new" / "48.png", 48, 96)])


def test_a_product_that_was_taught_in_several_sizes_takes_more(
    eye: Eye, washers: list[Path], tmp_path: Path
) -> None:
    several = [
        *washers[:3],
        *(of_size(tmp_path / "old" / f"{width}.png", width, 96) for width in (60, 72, 84)),
    ]
    found = added(eye, several, [of_size(tmp_path / "new" / "48.png", 48, 96)])
    assert found.names[-1] == "48.png"
    assert found.skipped == ()
