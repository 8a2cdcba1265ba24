"""`edge import`: models that others trained, told apart by their outputs, made bundles, and run like our own."""

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tiny_model
from tiny_model import Output, strange
from typer.testing import CliRunner

from edge.cli import adopting
from edge.cli.main import app
from edge.config import Check, Rules
from edge.config.detection import DetectionRules
from edge.errors import BundleError, ConfigError, EdgeError, InferenceError
from edge.geometry import Box, Image
from edge.judge.rules import judge
from edge.model.bundle import load, write
from edge.model.checks import open_check
from edge.model.layouts.anchors import GRIDS
from edge.model.pixels import Pixels
from edge.model.runner import Model, open_model
from edge.model.tables.outputs import PostProcessed, Ssd, Yolo5, Yolo8, YoloEnd
from edge.prediction import Classification, Detections, Segmentation
from edge.preprocess.picture import read
from edge.preprocess.tensor import prepare
from edge.teach.adopt.bundle import adopt
from edge.teach.adopt.labels import tidy
from edge.teach.adopt.proposals import Hints
from edge.teach.adopt.survey import Survey, survey, understood
from edge.teach.adopt.trying import Try, sent, tried
from edge.teach.adopt.wishes import Wishes
from edge.types import Verdict

RED: Image = np.full((64, 64, 3), (255, 0, 0), np.uint8)
BLUE: Image = np.full((64, 64, 3), (0, 0, 255), np.uint8)
LABELS = ("cap", "bottle")


def at(rows: int, columns: int, places: dict[tuple[int, int], float]) -> np.ndarray:
    """An output of 1×rows×columns that is 0 but there."""
    made = np.zeros((1, rows, columns), np.float32)
    for (row, column), number in places.items():
        made[0, row, column] = number
    return made


def a_yolov8(labels: int = 2, pixels: float = 1.0, kind: str = "float32") -> bytes:
    """21 boxes, as an input of 32 px has; one of them, in the middle, is label 1 where the picture is red."""
    box = {(row, 7): number * pixels for row, number in enumerate((0.5, 0.5, 0.25, 0.5))}
    bias, red = at(4 + labels, 21, {**box, (3 + labels, 7): 0.1}), at(4 + labels, 21, {(3 + labels, 7): 0.8})
    return strange([Output(bias, red)], input_kind=kind)


def a_yolov5(labels: int = 2) -> bytes:
    box = {(7, column): number for column, number in enumerate((0.5, 0.5, 0.25, 0.5, 1.0))}
    bias, red = at(63, 5 + labels, {**box, (7, 4 + labels): 0.1}), at(63, 5 + labels, {(7, 4 + labels): 0.8})
    return strange([Output(bias, red)])


def a_post_process(order: Sequence[int] = (0, 1, 2, 3)) -> bytes:
    boxes = np.zeros((1, 3, 4), np.float32)
    boxes[0, 0] = (0.25, 0.375, 0.75, 0.625)
    outputs = [
        Output(boxes),
        Output(np.array([[1.0, 0, 0]], np.float32)),
        Output(np.array([[0.1, 0.05, 0.05]], np.float32), np.array([[0.8, 0, 0]], np.float32)),
        Output(np.array([3.0], np.float32)),
    ]
    return strange([outputs[number] for number in order])


def an_ssd(anchors: int = 1, *, with_anchors: bool = False) -> bytes:
    outputs = [
        Output(at(anchors, 4, {}), at(anchors, 4, {(0, 0): 1e-4})),
        Output(at(anchors, 2, {(0, 0): -9.0, (0, 1): -2.0}), at(anchors, 2, {(0, 1): 4.2})),
    ]
    if with_anchors:
        outputs.append(Output(at(anchors, 4, {(0, 0): 0.5, (0, 1): 0.5, (0, 2): 0.5, (0, 3): 0.25})))
    return strange(outputs)


def here(content: bytes, path: Path, pixels: Pixels) -> Survey:
    """What the child process would see, seen in this one: models that are written here do not crash."""
    return understood(tried(io.BytesIO(sent(Try(str(path), pixels), content))), path)


def wishes(options: Sequence[object]) -> Wishes:
    """The options of the command, as it understands them."""
    words, given = [str(option) for option in options], defaultdict(list)
    while words:
        option = words.pop(0)
        given[option].append("" if option == "--bgr" else words.pop(0))
    last = {option: values[-1] for option, values in given.items()}
    mean, std = [float(mean) for mean in given["--mean"]], [float(std) for std in given["--std"]]
    anchors = adopting.anchors_in(Path(last["--anchors"])) if "--anchors" in last else None
    return Wishes(
        last["--task"],  # type: ignore[arg-type]
        "part",
        tidy(given["--label"]),
        Hints(last.get("--layout"), last.get("--activation"), anchors),  # type: ignore[arg-type]
        Pixels(mean=mean, std=std) if mean else None,
        "--bgr" in last,
        min_score=float(last.get("--min-score", "0.25")),
        golden=[("golden.png", read(Path(path))) for path in given["--golden"]],
    )


def imported(folder: Path, content: bytes, *options: object, name: str = "part") -> Path:
    """The bundle that becomes of a model. Raises `EdgeError`."""
    path = folder / f"{name}.tflite"
    path.write_bytes(content)
    bundle = adopt(path, wishes(options), folder / name, here).bundle
    write(folder / name, bundle.manifest, bundle.files)
    return folder / name


def command(*arguments: object) -> Any:
    """What `edge import` does with these arguments."""
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def detect(*labels: str) -> list[str]:
    return ["--task", "detection", *(word for label in labels for word in ("--label", label))]


def model(bundle: Path) -> Model:
    return open_model(load(bundle))


def see(opened: Model, picture: Image) -> object:
    prepared = prepare(picture, opened.spec)
    return opened.decode(opened.run(prepared), prepared)


MIDDLE = Box(24, 16, 40, 48)
ZERO_TO_ONE = ["--mean", 0, "--std", 255]


@pytest.mark.parametrize(
    ("content", "options", "layout"),
    [
        (a_yolov8(), [], Yolo8(type="yolov8")),
        (a_yolov8(pixels=32), [], Yolo8(type="yolov8", coordinates="pixels")),
        (a_yolov8(kind="uint8"), [], Yolo8(type="yolov8")),
        (a_yolov8(kind="int8"), [], Yolo8(type="yolov8")),
        (a_yolov5(), [], Yolo5(type="yolov5")),
        (a_post_process(), ZERO_TO_ONE, PostProcessed()),
        (a_post_process((2, 0, 3, 1)), ZERO_TO_ONE, PostProcessed(scores=0, boxes=1, count=2, classes=3)),
        (an_ssd(with_anchors=True), ZERO_TO_ONE, Ssd(type="ssd", anchors="anchors.npz")),
    ],
    ids=["yolov8", "pixels", "uint8", "int8", "yolov5", "post-process", "TensorFlow 2's order", "ssd"],
)
def test_a_detector_is_recognised_and_finds_the_same_box(
    tmp_path: Path, content: bytes, options: list[object], layout: object
) -> None:
    bundle = imported(tmp_path, content, *detect(*LABELS), *options)
    assert load(bundle).manifest.detection.outputs == layout  # type: ignore[union-attr]
    seen = see(model(bundle), RED)
    assert isinstance(seen, Detections)
    ((label, score, box),) = seen.found
    assert (label, score) == ("bottle", pytest.approx(0.9, abs=0.06))
    assert box == pytest.approx(MIDDLE, abs=0.3)
    assert see(model(bundle), BLUE).found == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize("nothing", ["???", "background"])
def test_a_post_process_never_names_the_background_of_its_list(tmp_path: Path, nothing: str) -> None:
    bundle = imported(tmp_path, a_post_process(), *detect(nothing, *LABELS), *ZERO_TO_ONE)
    assert load(bundle).manifest.labels == LABELS
    assert see(model(bundle), RED).found[0].label == "bottle"  # type: ignore[attr-defined]


def test_mediapipes_anchors_are_known_by_their_number(tmp_path: Path) -> None:
    # 56 in 32 px are those of its near faces: 4×4×2 and 2×2×6.
    bundle = imported(tmp_path, an_ssd(56), *detect(*LABELS), *ZERO_TO_ONE)
    layout = load(bundle).manifest.detection.outputs  # type: ignore[union-attr]
    assert isinstance(layout, Ssd)
    assert (layout.grids, layout.sizes, layout.scale) == (list(GRIDS[0]), "linear", [32, 32, 32, 32])


def test_an_ssd_whose_anchors_nobody_knows_asks_for_them(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"is an SSD of 7 anchors, which are not known here; .* --anchors FILE"
    ):
        imported(tmp_path, an_ssd(7), *detect(*LABELS), *ZERO_TO_ONE)


def test_anchors_can_be_given_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "anchors.txt").write_text("0.5, 0.5, 0.5, 0.25\n")
    bundle = imported(
        tmp_path, an_ssd(), *detect(*LABELS), *ZERO_TO_ONE, "--anchors", tmp_path / "anchors.txt"
    )
    (found,) = see(model(bundle), RED).found  # type: ignore[attr-defined]
    assert found.box == pytest.approx(MIDDLE, abs=0.3)


@pytest.mark.parametrize("text", ["", "1 2 3", "a b c d", "nan 0 0 0"])
def test_a_file_of_anchors_that_has_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "anchors.txt").write_text(text)
    with pytest.raises(ConfigError, match=r"anchors\.txt: .*y, x, height and width"):
        adopting.anchors_in(tmp_path / "anchors.txt")


def test_the_child_process_sees_what_is_seen_here() -> None:
    content, path = a_yolov8(kind="uint8"), Path("part.tflite")
    theirs, ours = survey(content, path, Pixels()), here(content, path, Pixels())
    assert theirs.taken == ours.taken
    for mine, its in zip(ours.outputs, theirs.outputs, strict=True):
        assert mine.spec == its.spec
        assert all(np.array_equal(*pair) for pair in zip(mine.seen, its.seen, strict=True))


def test_the_command_tells_what_it_has_understood(tmp_path: Path) -> None:
    (tmp_path / "caps v2.tflite").write_bytes(with_file(a_yolov8(), "labels.txt", "cap\nbottle\n"))
    done = command(tmp_path / "caps v2.tflite", "--task", "detection", "--out", tmp_path / "caps")
    assert done.exit_code == 0, done.exception
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert told["input"] == "32×32 float32, (pixel - 0) / 255, rgb (as every YOLO); pictures: letterbox"
    assert told["layout"] == "yolov8, boxes in fraction"
    assert told["labels"] == "2: cap, bottle (from labels.txt inside the model)"
    assert load(tmp_path / "caps").manifest.name == "caps-v2"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--labels", "labels.txt", "--label", "cap"], "--labels and --label: give one of them"),
        (["--labels", "nowhere.txt"], r"nowhere\.txt: cannot be read"),
        (["--label", "cap", "--mean", "0"], "--mean and --std: give both of them"),
        (["--label", "cap", "--mean", "0", "--mean", "1", "--std", "1"], "mean: has 2 numbers; give 1, or 3"),
        (["--label", "cap", "--mean", "0", "--std", "0"], "--mean and --std: .*greater than 0"),
        (["--label", "cap", "--name", "my caps"], "--name my caps: letters, digits, - and _"),
        (["--label", "cap", "--golden", "nowhere.png"], r"nowhere\.png: cannot be read"),
        (["--label", "cap", "--out", "."], r"\.: exists already; choose another folder"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[str], complaint: str) -> None:
    done = command("part.tflite", "--task", "detection", *options)
    assert isinstance(done.exception, ConfigError)
    assert re.search(complaint, str(done.exception))


def test_a_model_that_is_not_there_is_refused() -> None:
    assert "nowhere.tflite: cannot be read" in str(command("nowhere.tflite", "--task", "detection").exception)


def test_what_could_be_read_in_two_ways_asks_for_the_layout(tmp_path: Path) -> None:
    # With one label, 1×5×6 may be five rows of YOLOv5, or five boxes that were chosen.
    content = strange([Output(at(5, 6, {(0, 4): 0.9}))])
    with pytest.raises(BundleError, match="say which with --layout yolo_end or --layout yolov5"):
        imported(tmp_path, content, *detect("cap"))
    bundle = imported(tmp_path, content, *detect("cap"), "--layout", "yolo_end")
    assert load(bundle).manifest.detection.outputs == YoloEnd(type="yolo_end")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        (["x" * 200], r"labels\[0\]: string should have at most 128 characters"),
        (["a"], "labels: list should have at"),
    ],
)
def test_a_label_that_is_too_long_or_alone_is_refused(
    tmp_path: Path, labels: list[str], complaint: str
) -> None:
    given = ["--task", "classification", *ZERO_TO_ONE, "--activation", "softmax"]
    with pytest.raises(BundleError, match=complaint):
        imported(tmp_path, scores(1.0), *given, *(word for label in labels for word in ("--label", label)))


def test_as_many_rows_as_a_yolov5_has_make_it_one(tmp_path: Path) -> None:
    bundle = imported(tmp_path, strange([Output(at(63, 6, {}))]), *detect("cap"))
    assert load(bundle).manifest.detection.outputs == Yolo5(type="yolov5")  # type: ignore[union-attr]


def scores(*numbers: float, red: Sequence[float] | None = None, kind: str = "float32") -> bytes:
    slope = None if red is None else np.array([red], np.float32)
    return strange([Output(np.array([numbers], np.float32), slope, kind)])


def test_raw_scores_of_a_classifier_become_probabilities(tmp_path: Path) -> None:
    content = scores(-2.0, 1.0, red=(4.0, 0.0))
    bundle = imported(
        tmp_path, content, "--task", "classification", "--label", "a", "--label", "b", *ZERO_TO_ONE
    )
    seen = see(model(bundle), RED)
    assert isinstance(seen, Classification)
    assert seen.scores == pytest.approx((np.e / (1 + np.e), 1 / (1 + np.e)), abs=1e-3)


def test_a_model_of_several_labels_at_once_is_no_classification(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="do not add up to 1, so it gives several labels at once"):
        imported(tmp_path, scores(0.9, 0.9), "--task", "classification", "--label", "a", "--label", "b")


@pytest.mark.parametrize("kind", ["float32", "int64", "int32"])
def test_a_map_of_classes_is_a_segmentation(tmp_path: Path, kind: str) -> None:
    content = strange([Output(at(2, 2, {(0, 1): 2, (1, 0): 1}), kind=kind)])
    labels = ["--label", "good", "--label", "scratch", "--label", "dent"]
    seen = see(model(imported(tmp_path, content, "--task", "segmentation", *labels, *ZERO_TO_ONE)), RED)
    assert isinstance(seen, Segmentation)
    assert seen.classes.tolist() == [[0, 2], [1, 0]]
    assert seen.box == Box(0, 0, 64, 64)


def test_a_mask_of_one_channel_gets_a_background(tmp_path: Path) -> None:
    bias = np.array([0.2, 0.4], np.float32).reshape(1, 1, 2, 1)
    content = strange([Output(bias, np.full((1, 1, 2, 1), 0.3, np.float32))])
    bundle = imported(tmp_path, content, "--task", "segmentation", "--label", "person", *ZERO_TO_ONE)
    assert load(bundle).manifest.labels == ("background", "person")
    assert see(model(bundle), RED).classes.tolist() == [[1, 1]]  # type: ignore[attr-defined]
    assert see(model(bundle), BLUE).classes.tolist() == [[0, 0]]  # type: ignore[attr-defined]


OF_RED = ["--task", "classification", "--activation", "softmax", "--label", "red", "--label", "other"]


def test_a_model_sees_the_range_and_the_order_that_it_was_trained_with(tmp_path: Path) -> None:
    content = scores(0.0, 0.0, red=(1.0, 0.0))

    def first(name: str, *options: object) -> float:
        """How red the picture is to the model."""
        seen = see(model(imported(tmp_path, content, *OF_RED, *options, name=name)), RED)
        return float(np.log(seen.scores[0] / seen.scores[1]))  # type: ignore[attr-defined]

    assert first("a", "--mean", 0, "--std", 255) == pytest.approx(1, abs=1e-3)
    assert first("b", "--mean", 127.5, "--std", 127.5) == pytest.approx(1, abs=1e-3)
    assert first("c", "--mean", 0, "--std", 51) == pytest.approx(5, abs=1e-2)
    assert first("d", "--mean", 55, "--mean", 0, "--mean", 0, "--std", 100) == pytest.approx(2, abs=1e-2)
    assert first("e", "--mean", 0, "--std", 255, "--bgr") == pytest.approx(0, abs=1e-3)


def test_a_quantized_input_of_another_scale_gets_what_it_means(tmp_path: Path) -> None:
    content = strange(
        [Output(np.zeros((1, 2), np.float32), np.array([[1, 0]], np.float32))], input_kind="uint8"
    )
    seen = see(model(imported(tmp_path, content, *OF_RED, "--mean", 0, "--std", 510)), RED)
    assert np.log(seen.scores[0] / seen.scores[1]) == pytest.approx(0.5, abs=0.01)  # type: ignore[attr-defined]


def test_a_float_model_of_which_nothing_is_known_asks_for_mean_and_std(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"nothing says what for: give --mean 127\.5 --std 127\.5 for -1 to 1"
    ):
        imported(tmp_path, scores(0.5, 0.5), "--task", "classification", "--label", "a", "--label", "b")


def with_file(content: bytes, name: str, text: str) -> bytes:
    """The model with a file appended, as TFLite's metadata does it."""
    archive = io.BytesIO(content)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name, text)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "cap\nbottle\n"),
        ("labels.txt", "0 cap\n1 bottle\n"),
        ("metadata.json", '{"task": "detect", "names": {"1": "bottle", "0": "cap"}}'),
        ("temp_meta.txt", "{'stride': 32, 'names': {0: 'cap', 1: 'bottle'}}"),
    ],
)
def test_labels_inside_the_model_are_taken(tmp_path: Path, name: str, text: str) -> None:
    bundle = imported(tmp_path, with_file(a_yolov8(), name, text), "--task", "detection")
    assert load(bundle).manifest.labels == LABELS


def test_without_labels_it_asks_for_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give them with --labels FILE, or --label NAME"):
        imported(tmp_path, a_yolov8(), "--task", "detection")


def test_a_golden_picture_must_score_everywhere_as_it_does_here(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "red.png"), RED[..., ::-1])
    bundle = imported(tmp_path, a_yolov8(), *detect(*LABELS), "--golden", tmp_path / "red.png")
    (golden,) = load(bundle).manifest.golden
    assert (golden.label, golden.score) == ("bottle", pytest.approx(0.9, abs=0.02))


def test_a_golden_picture_in_which_nothing_is_found_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "blue.png"), BLUE[..., ::-1])
    with pytest.raises(BundleError, match="finds nothing in it, so it proves nothing"):
        imported(tmp_path, a_yolov8(), *detect(*LABELS), "--golden", tmp_path / "blue.png")


TWO = [word for label in LABELS for word in ("--label", label)]
REFUSED: list[tuple[bytes, str, list[object], str]] = [
    (b"no model", "detection", [], "is not a TFLite model"),
    (a_yolov8()[:900], "detection", [], r"cut off or damaged|not a model that can be loaded"),
    (tiny_model.passthrough(dynamic=True), "detection", [], "shape changes from call to call"),
    (tiny_model.custom(), "detection", [], "needs an operation that this TFLite runtime lacks"),
    (tiny_model.custom(b"edgetpu-custom-op"), "detection", [], "is compiled for the Edge TPU"),
    (tiny_model.passthrough(kind="float16"), "detection", [], "holds float16"),
    (tiny_model.passthrough(kind="int16"), "detection", [], "holds int16"),
    (tiny_model.passthrough(inputs=3), "detection", [], "takes 3 inputs; a model must take one picture"),
    (tiny_model.classifier(2), "detection", [], "looks like a classification: import it with --task class"),
    (tiny_model.classifier(), "classification", [], r"give it 3 labels \(.* a first line 'background'\?\)"),
    (scores(1.0), "classification", ["--label", "c"], "no classification of 3 labels; give it 1 labels"),
    (a_yolov8(), "classification", [], "looks like a detection: import it with --task detection"),
    (a_yolov8(7), "detection", [], "its outputs are 1×11×21, which is no detection of 2 labels"),
    (a_yolov8(), "detection", ["--layout", "ssd"], "which is no detection of layout 'ssd'"),
    (strange([Output(at(5, 6, {}))] * 5), "detection", [], "its outputs are 1×5×6 and 1×5×6 and"),
    (strange([Output(at(5, 6, {}))] * 2), "segmentation", [], "which is no segmentation"),
]


@pytest.mark.parametrize(("content", "task", "options", "complaint"), REFUSED)
def test_what_does_not_fit_is_refused_with_a_reason_and_leaves_nothing(
    tmp_path: Path, content: bytes, task: str, options: list[object], complaint: str
) -> None:
    with pytest.raises(EdgeError, match=complaint) as refusal:
        imported(tmp_path, content, "--task", task, *TWO, *options)
    assert str(refusal.value).startswith(str(tmp_path / "part.tflite"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.tflite"]


def everywhere(boxes: int) -> bytes:
    """A YOLO that sees so many things side by side, all of label 0, where the picture is red."""
    made, red = np.zeros((1, 6, boxes), np.float32), np.zeros((1, 6, boxes), np.float32)
    made[0, 0], made[0, 1] = np.arange(boxes) % 100 / 100 + 0.005, np.arange(boxes) // 100 / 100 + 0.005
    made[0, 2:4], red[0, 4] = 0.01, np.linspace(0.9, 0.6, boxes)
    return strange([Output(made, red)])


def test_ten_thousand_detections_are_an_error_with_a_reason(tmp_path: Path) -> None:
    opened = model(imported(tmp_path, everywhere(10_000), *detect(*LABELS), "--layout", "yolov8"))
    with pytest.raises(
        InferenceError, match=r"found 10,000 candidates over detection\.min_score, which is 0\.25"
    ):
        see(opened, RED)


def test_a_crowd_that_cannot_all_be_looked_at_never_passes(tmp_path: Path) -> None:
    opened = model(imported(tmp_path, everywhere(400), *detect(*LABELS), "--layout", "yolov8"))
    seen = see(opened, RED)
    rules = Rules(detection=DetectionRules(fail_labels=["bottle"]))
    decision = judge(seen, opened.limits, rules)  # type: ignore[arg-type]
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "more was found than can be looked at" in decision.reasons[0]


def test_a_rule_cannot_ask_for_what_the_model_never_looks_at(tmp_path: Path) -> None:
    bundle = imported(tmp_path, a_yolov8(), *detect(*LABELS), "--min-score", 0.4)
    rules = Rules(detection=DetectionRules(fail_labels=["bottle"]))
    with pytest.raises(
        ConfigError, match=r"doubt_from: 0\.3 is under detection\.min_score of .*, which is 0\.4"
    ):
        open_check(Check(name="caps", bundle=bundle, rules=rules), None)


def test_a_score_that_is_not_a_number_is_an_error(tmp_path: Path) -> None:
    bundle = imported(tmp_path, a_yolov8(), *detect(*LABELS))
    loaded = load(bundle)
    broken = strange([Output(np.full((1, 6, 21), np.nan, np.float32))])
    unsound = open_model(type(loaded)(bundle, loaded.manifest, loaded.source, {"model.tflite": broken}, "0"))
    with pytest.raises(InferenceError, match="gave a score that is not a number"):
        see(unsound, RED)


def test_a_label_that_the_list_does_not_have_is_an_error(tmp_path: Path) -> None:
    rows = at(5, 6, {(0, 2): 1, (0, 3): 1, (0, 5): 7})
    content = strange([Output(rows, at(5, 6, {(0, 4): 0.9}))])
    opened = model(imported(tmp_path, content, *detect(*LABELS), "--layout", "yolo_end"))
    with pytest.raises(InferenceError, match="named label number 7, but the bundle has 2 labels"):
        see(opened, RED)
