"""A detector learns what the daemon reads; an interrupted training ends like one that was not."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.geometry import Box
from edge.model.nms import BOX, CLASS
from edge.types import Defect

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("litert_torch", reason="needs the extra train")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from training import boxes, detector, loop, uncapped  # noqa: E402

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
THINGS = (Defect("Bottle", Box(4, 20, 30, 60)), Defect("Cap", Box(33, 7, 60, 21)))


def test_the_targets_of_boxes_are_read_as_these_boxes() -> None:
    wanted = torch.tensor([thing.box for thing in THINGS]) / detector.STRIDE
    heat, reach, _ = detector.targets(wanted, torch.tensor([0, 1]), 8, 8, 2)
    logits = torch.logit(heat.clamp(0.001, 0.999)).permute(1, 2, 0).numpy()[None]
    found = boxes.boxes_of(logits, reach.permute(1, 2, 0).numpy()[None], 64)
    assert sorted(found[:, CLASS].tolist()) == [0, 1]
    by_class = found[np.argsort(found[:, CLASS])]
    assert by_class[:, BOX] == pytest.approx(np.array([thing.box for thing in THINGS]), abs=1e-3)


def test_a_head_that_says_the_targets_has_hardly_any_loss() -> None:
    wanted = torch.tensor([thing.box for thing in THINGS]) / detector.STRIDE
    heat, reach, counts = (x[None] for x in detector.targets(wanted, torch.tensor([0, 1]), 8, 8, 2))
    right = detector.detection_loss((torch.logit(heat.clamp(1e-4, 1 - 1e-4)), reach), heat, reach, counts)
    empty = detector.detection_loss((torch.full_like(heat, -9), torch.zeros_like(reach)), heat, reach, counts)
    assert float(right) < 0.1
    assert float(empty) > 4


@pytest.mark.parametrize("change", [boxes.mirrored, boxes.transposed])
def test_a_picture_that_is_turned_twice_is_the_picture(change: Any) -> None:
    image, things = change(change((PICTURE, THINGS)))
    assert (image == PICTURE).all()
    assert things == THINGS


def test_things_move_with_their_pixels() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:60, 4:30] = 255
    for seed in range(12):
        turned, (thing,) = boxes.turned((image, THINGS[:1]), np.random.default_rng(seed))
        left, upper, right, lower = (int(edge) for edge in thing.box)
        assert turned[upper:lower, left:right].min() == 255
        assert turned.sum() == image.sum()


def test_a_cut_keeps_what_has_its_middle_in_it() -> None:
    for seed in range(12):
        image, things = boxes.cut_out((PICTURE, THINGS), np.random.default_rng(seed), 32)
        assert image.shape == (32, 32, 3)
        for thing in things:
            assert 0 < thing.box.middle[0] < 32
            assert 0 < thing.box.middle[1] < 32


def test_a_cap_is_painted_out_and_its_bottle_ends_lower() -> None:
    image = np.full((100, 100, 3), (40, 160, 120), np.uint8)
    image[50:90, 30:70] = (200, 140, 20)
    image[35:50, 40:60] = 255
    capped = (Defect("Bottle", Box(30, 35, 70, 90)), Defect("Cap", Box(40, 35, 60, 50)))
    painted, (bottle,) = uncapped.without_caps(image, capped, np.random.default_rng(0), 1.0)
    assert bottle.label == "Bottle"
    assert bottle.box.y_min > 35
    assert painted[36:40, 42:58].max() < 200
    assert (painted[50:] == image[50:]).mean() > 0.98


def learned(folder: Path, epochs_before_it_breaks: int) -> list[Any]:
    def batches(random: np.random.Generator) -> Iterator[Any]:
        for _ in range(4):
            yield torch.from_numpy(random.normal(size=(8, 4)).astype(np.float32))

    def judge(_network: Any) -> Mapping[str, float]:
        nonlocal epochs_before_it_breaks
        epochs_before_it_breaks -= 1
        if epochs_before_it_breaks < 0:
            raise KeyboardInterrupt
        return {"worth": 1.0}

    loop.settle(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    plan = loop.Plan(epochs=6, steps=4)
    loop.fit(
        network, batches, lambda net, x: ((net(x) - x.sum(1, keepdim=True)) ** 2).mean(), judge, plan, folder
    )
    return [weight.detach().numpy().copy() for weight in network.parameters()]


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        learned(tmp_path / "broken", 2)
    resumed, whole = learned(tmp_path / "broken", 99), learned(tmp_path / "whole", 99)
    assert all((one == other).all() for one, other in zip(resumed, whole, strict=True))
    assert (tmp_path / "broken" / loop.CURVES).stat().st_size > 1000


@pytest.mark.parametrize(
    ("values", "stale"),
    [
        ([0.5, 0.6, 0.7], False),
        ([0.7, 0.6, 0.5], True),
        ([0.7, 0.6], False),
        ([0.7, 0.7, 0.7], True),
        ([], False),
    ],
)
def test_a_figure_is_stale_when_it_has_not_risen_for_two_epochs(values: list[float], *, stale: bool) -> None:
    assert loop.Stale("worth", 2).reached([{"worth": value} for value in values]) is stale


def test_a_folder_goes_on_only_with_its_own_plan(tmp_path: Path) -> None:
    learned(tmp_path, 99)
    network = torch.nn.Linear(4, 1)
    with pytest.raises(loop.TrainingError, match="holds a training with another plan"):
        loop.fit(network, lambda _: [], lambda *_: None, lambda _: {}, loop.Plan(epochs=9, steps=4), tmp_path)
