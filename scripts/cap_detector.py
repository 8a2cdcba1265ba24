"""The detector of bottles and caps as a bundle: golden pictures, its card, and how it decides on missing caps."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from detection_sets import CAPS_LABELS, Boxed
from training.card import Card, text
from training.uncapped import BOTTLE, CAP, without_caps

from edge.config import Check as CheckConfig
from edge.config import Quality
from edge.durable import replace_file
from edge.geometry import Image
from edge.model.bundle import Bundle, described, load, write
from edge.model.golden import score
from edge.model.interpreter import Interpreter
from edge.model.manifest import Golden, Input, Manifest
from edge.model.runner import Model, open_model
from edge.model.tables.detection import DetectionHead
from edge.pipeline import Check, judge_frame, prepare_frame
from edge.preprocess.picture import decode, read
from edge.preprocess.quality import QualityGate
from edge.store.overlay import encode_jpeg
from edge.types import Decision, Defect, Frame, Verdict

MODEL = "cap-detector-int8.tflite"
RULES = {"pairs": [{"each": BOTTLE, "has": CAP, "place": "top"}], "margin_px": 3}
"""What a recipe would say: each bottle has its cap, and what the picture's edge cuts off is not judged."""
EMPTY = "IMG_4820_MOV-0361.jpg"
MIN_SCORE = 0.2
"""Of the bundle: what scores less is not worth drawing, and no rule asks for it."""
GOLDEN_PX, GOLDEN_QUALITY = 320, 92
FOUND_IOU = 0.5
Paint = Callable[[Image, Sequence[Defect], np.random.Generator], tuple[Image, Sequence[Defect]]]

WORDS = """Finds bottles and their caps on a conveyor, 320×320 pixels, letterbox: on EfficientNet-Lite0 up to
stride 16, frozen with its ImageNet weights, a head of separable convolutions gives each cell of
stride 8 a score for each label (logits) and the logarithms of the distances to the edges of its
box. A bottle's box includes its cap. `edge models` names its folder; `docs/detection.md` has a
recipe that fails bottles without a cap."""
DATA = """Trained on "Bottle cap v5" by lobachevsky-university, Roboflow Universe, resized to 480×480: frames
of twelve videos of two kinds of bottles. Its own split: 1,200 pictures to learn from, 200 to watch,
312 to test. The splits share their videos: the figures say how well it does on this conveyor, not
on another.

**The set has no bottle without a cap.** Those that the network learned from, and those that the decision is
tested on, are made from bottles with caps: the cap is painted out with what is beside it, and half of them
get an open neck (`scripts/training/uncapped.py`). Test it on real bottles without caps before you trust it
with them."""
LICENCE = """The weights, and the golden pictures here (cut down to 320×320, one with its cap painted out), are
under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). Attribution: "Bottle cap v5" by
lobachevsky-university on Roboflow Universe, CC BY 4.0; changed: resized, mirrored, relit, caps
painted out. The backbone is under the Apache License 2.0 (`../backbone/README.md`)."""
LIMITS = """Two kinds of bottles before one green wall. Bottles of which less than half is in the picture are
not marked in the set, and are found or not as it comes: set `margin_px`. Another line needs its own
pictures, and this training (`scripts/train_detector.py`) is how to go about it."""


@dataclass(frozen=True)
class Missing:
    """What became of pictures with exactly one bottle without a cap."""

    pictures: int
    found: int
    inconclusive: int
    escaped: int
    in_place: int
    """… found, and the bottle that is marked is the right one."""


def publish(
    models: Mapping[str, bytes],
    pictures: Sequence[Boxed],
    worths: Mapping[str, Mapping[str, float]],
    out: Path,
) -> None:
    """Write the bundle into the folder, in the place of one that is there, and say how it decides.

    `pictures` are those of the test split. The float model is only compared with.
    """
    bundle = _bundle(models["int8"], pictures, out)
    decisions = {name: decided(bundle, model, pictures) for name, model in models.items()}
    figures = dict(_rows(worths, decisions))
    card = Card(
        "Cap detector: bottles, and whether they have their caps",
        WORDS,
        DATA,
        LICENCE,
        "scripts/train_detector --set caps",
        figures,
        LIMITS,
    )
    replace_file(out / "README.md", text(card, {MODEL: models["int8"]}).encode())
    print(json.dumps(figures, indent=1, ensure_ascii=False))


def decided(bundle: Bundle, model: bytes, pictures: Sequence[Boxed]) -> dict[str, str]:
    """How often a picture of the test split gets which verdict: as it is, and with one cap painted out."""
    opened = Model(bundle, Interpreter(model, floats=True))
    check = Check(
        CheckConfig.model_validate({"name": "caps", "bundle": bundle.folder, "rules": {"detection": RULES}}),
        opened,
    )
    capped = [boxed for boxed in pictures if boxed.things]
    plain = Counter(_judged(read(boxed.path), check).verdict for boxed in capped)
    empty = Counter(_judged(read(boxed.path), check).verdict for boxed in pictures if not boxed.things)
    told = {
        f"{len(capped)} pictures with caps on all bottles: pass, inconclusive, fail (overkill)": _counts(
            plain
        ),
        f"{len(pictures) - len(capped)} pictures without bottles: pass, inconclusive, fail": _counts(empty),
    }
    for name, paint in (("as in training", _one_uncapped), ("with OpenCV's Telea", _inpainted)):
        missing = _missing(capped, check, paint)
        row = f"{missing.pictures} with one cap painted out {name}"
        told[f"{row}: fail (on the right bottle), inconclusive, pass (escape)"] = (
            f"{missing.found} ({missing.in_place}), {missing.inconclusive}, {missing.escaped}"
        )
    return told


def _missing(pictures: Sequence[Boxed], check: Check, paint: Paint) -> Missing:
    verdicts: Counter[Verdict] = Counter()
    in_place = 0
    for number, boxed in enumerate(pictures):
        random = np.random.default_rng((1, number))
        # What the edge cuts off is not judged, so a cap is only missed on a whole bottle.
        whole = [thing for thing in boxed.things if thing.label == BOTTLE and _is_whole(thing)]
        if not whole:
            continue
        bottle = whole[random.integers(len(whole))]
        caps = [
            thing
            for thing in boxed.things
            if thing.label == CAP and bottle.box.intersection(thing.box).area > 0
        ]
        cap = max(caps, key=lambda thing: bottle.box.intersection(thing.box).area)
        image, things = paint(read(boxed.path), [bottle, cap], random)
        decision = _judged(image, check)
        verdicts[decision.verdict] += 1
        (bare,) = (thing for thing in things if thing.label == BOTTLE)
        in_place += decision.verdict is Verdict.FAIL and any(
            region.box.iou(bare.box) >= FOUND_IOU for region in decision.regions
        )
    return Missing(
        verdicts.total(),
        verdicts[Verdict.FAIL],
        verdicts[Verdict.INCONCLUSIVE] + verdicts[Verdict.ERROR],
        verdicts[Verdict.PASS],
        in_place,
    )


def _is_whole(bottle: Defect) -> bool:
    return bottle.box.x_min > 8 and bottle.box.x_max < 472  # of pictures of 480 pixels


def _one_uncapped(
    image: Image, things: Sequence[Defect], random: np.random.Generator
) -> tuple[Image, Sequence[Defect]]:
    return without_caps(image, things, random, 1.0)


def _inpainted(
    image: Image, things: Sequence[Defect], _random: np.random.Generator
) -> tuple[Image, Sequence[Defect]]:
    """Another way to paint a cap out than the one that was learned from."""
    bottle, cap = sorted(things, key=lambda thing: thing.label)
    mask = np.zeros(image.shape[:2], np.uint8)
    left, upper, right, lower = (int(edge) for edge in cap.box)
    mask[max(0, upper - 5) : lower + 2, max(0, left - 5) : right + 6] = 255
    painted = np.asarray(cv2.inpaint(image, mask, 5, cv2.INPAINT_TELEA), np.uint8)
    return painted, [Defect(BOTTLE, bottle.box._replace(y_min=cap.box.y_max))]


def _judged(image: Image, check: Check) -> Decision:
    gate = QualityGate(check.model.quality, Quality(frozen_after=0))
    frame = Frame(image, 0, 0, datetime.now(UTC), "files")
    return judge_frame(prepare_frame(frame, gate, [check])).decision


def _bundle(model: bytes, pictures: Sequence[Boxed], out: Path) -> Bundle:
    """The bundle with its golden pictures, whose scores are what this model says of them."""
    jpegs = dict(_golden_pictures(pictures))
    files = {MODEL: model, **jpegs}
    manifest = Manifest(
        schema="edge.bundle/2",
        name="cap-detector",
        task="detection",
        created=datetime(
            2026, 1, 1, tzinfo=UTC
        ),  # a fixed day, so that the same training gives the same bytes
        model=MODEL,
        input=Input(width=GOLDEN_PX, height=GOLDEN_PX, fit="letterbox"),
        files=described(files),
        detection=DetectionHead(labels=list(CAPS_LABELS), min_score=MIN_SCORE),
    )
    shutil.rmtree(out, ignore_errors=True)
    bare = open_model(write(out, manifest, files))
    golden = [
        Golden(file=name, label=label, score=round(score(bare, decode(content, name), label), 4))
        for name, content in jpegs.items()
        for label in CAPS_LABELS
    ]
    shutil.rmtree(out)
    write(out, manifest.model_copy(update={"golden": golden}), files)
    return load(out)


def _golden_pictures(pictures: Sequence[Boxed]) -> Iterator[tuple[str, bytes]]:
    """One of each kind of bottle, one that misses its cap, and an empty conveyor."""
    orange = _first(pictures, "document", 1)
    pump = _first(pictures, "IMG_4823", 3)
    # Of many that nothing is marked in the edge shows a bottle.
    (empty,) = (boxed for boxed in pictures if boxed.path.name == EMPTY)
    bare, _ = without_caps(read(pump.path), pump.things[:2], np.random.default_rng(4), 1.0)
    for name, image in (
        ("orange.jpg", read(orange.path)),
        ("pumps.jpg", read(pump.path)),
        ("one-uncapped.jpg", bare),
        ("empty.jpg", read(empty.path)),
    ):
        small = cv2.resize(image, (GOLDEN_PX, GOLDEN_PX), interpolation=cv2.INTER_AREA)
        yield name, encode_jpeg(np.asarray(small, np.uint8), GOLDEN_QUALITY)


def _first(pictures: Sequence[Boxed], name: str, bottles: int) -> Boxed:
    return next(
        boxed
        for boxed in pictures
        if boxed.path.name.startswith(name)
        and sum(thing.label == BOTTLE for thing in boxed.things) == bottles
        and all(_is_whole(thing) for thing in boxed.things)
    )


def _rows(
    worths: Mapping[str, Mapping[str, float]], decisions: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, list[str]]]:
    for name in next(iter(worths.values())):
        yield f"test, {name}", [f"{worth[name]:.4f}" for worth in worths.values()]
    for name in next(iter(decisions.values())):
        yield name, [told[name] for told in decisions.values()]


def _counts(verdicts: Counter[Verdict]) -> str:
    return ", ".join(str(verdicts[verdict]) for verdict in (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL))
