from dataclasses import replace
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from washers import QUICK, album

from edge.model import shipped
from edge.model.arrays import Floats
from edge.model.versions import Shelf, resolve
from edge.preprocess.layout import lay_out
from edge.preprocess.tensor import InputSpec
from edge.teach.agreement import compare
from edge.teach.choice import Choice
from edge.teach.conclusion import Taught, conclude
from edge.teach.contest import Sample
from edge.teach.eye import Eye, Seen
from edge.teach.gather import Gatherer


def seen(rng: np.random.Generator) -> Sample:
    """Eight good parts and two copies of each with a strange cell."""
    good = rng.normal(0, 1, (8, 1, 6, 6, 5)).astype(np.float32)
    parents = [parent for parent in range(8) for _ in range(2)]
    damaged = good[parents]
    damaged[:, 0, 2:4, 2:4] += 3
    return Sample(good, damaged, parents, good[:0], lay_out(96, 96, InputSpec(96, 96)))


def blurred(sample: Sample, spread: float) -> Sample:
    """The same, but for noise."""
    rng = np.random.default_rng(1)

    def noisy(cells: Floats) -> Floats:
        return (cells + rng.normal(0, spread, cells.shape)).astype(np.float32)

    return replace(sample, good=noisy(sample.good), damaged=noisy(sample.damaged))


@pytest.fixture
def sample() -> Sample:
    return seen(np.random.default_rng(0))


def test_a_backbone_agrees_with_itself(sample: Sample) -> None:
    found = compare(sample, sample, seed=0)
    assert found.auroc_int8 == found.auroc_float
    assert found.correlation == pytest.approx(1.0)
    assert found.accepted


def test_rounding_does_no_harm(sample: Sample) -> None:
    found = compare(blurred(sample, 0.01), sample, seed=0)
    assert 0.99 <= found.correlation < 1
    assert found.accepted


def test_one_that_sees_something_else_is_not_accepted(sample: Sample) -> None:
    found = compare(blurred(sample, 2.0), sample, seed=0)
    assert found.correlation < 0.9
    assert not found.accepted


def test_one_that_is_blind_to_defects_is_not_accepted(sample: Sample) -> None:
    blind = replace(sample, damaged=sample.good[list(sample.parents)])
    found = compare(blind, sample, seed=0)
    assert found.auroc_int8 < 0.7 < found.auroc_float
    assert not found.accepted


@pytest.fixture(scope="module")
def washers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return album(tmp_path_factory.mktemp("washers"), range(6))


def silent(*_: object) -> None:
    pass


def upside_down(seen: Seen) -> Seen:
    return Seen(tuple(tuple(output[:, ::-1] for output in tile) for tile in seen.outputs), seen.layout)


def concluded(shelf: Path, washers: list[Path], *, wrong: bool, force: bool) -> Taught:
    """A lesson in which int8 sees what float sees or, if `wrong`, all of it upside down."""
    eye = Eye.of(shipped.backbone(), InputSpec(224, 224), threads=2)
    gathered = Gatherer([eye], None, 0).gather(washers, [], 1, silent)
    if wrong:
        gathered.good = {eye: [upside_down(seen) for seen in gathered.good[eye]]}
        gathered.damaged = {eye: [upside_down(seen) for seen in gathered.damaged[eye]]}
    with Shelf(shelf) as held:
        choice, wishes = Choice(eye, (16,), "gaussian"), replace(QUICK, force=force)
        return conclude("washer", held, gathered, choice, wishes, monotonic(), silent)


def test_a_version_on_which_int8_and_float_disagree_waits_for_a_person(
    washers: list[Path], tmp_path: Path
) -> None:
    concluded(tmp_path / "shelf", washers, wrong=False, force=True)
    found = concluded(tmp_path / "shelf", washers, wrong=True, force=False)
    assert found.record.agreement is not None
    assert not found.record.agreement.accepted
    assert not found.activated
    assert (tmp_path / "shelf" / "0002").is_dir()
    assert resolve(tmp_path / "shelf") == tmp_path / "shelf" / "0001"
    assert any("edge teach washer --activate 2" in line for line in found.summary())


def test_it_is_activated_all_the_same_where_that_was_wished_for(washers: list[Path], tmp_path: Path) -> None:
    found = concluded(tmp_path / "shelf", washers, wrong=True, force=True)
    assert found.activated
    assert resolve(tmp_path / "shelf") == tmp_path / "shelf" / "0001"


def test_int8_and_float_see_nearly_the_same_in_washers(washers: list[Path], tmp_path: Path) -> None:
    agreement = concluded(tmp_path / "shelf", washers, wrong=False, force=True).record.agreement
    assert agreement is not None
    assert agreement.correlation > 0.95
    assert abs(agreement.auroc_int8 - agreement.auroc_float) <= 0.05
