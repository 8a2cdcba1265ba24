"""Which layout a strange model has: told from the shapes of its outputs, and what it gave for noise."""

from edge.errors import BundleError
from edge.judge.classification import add_up
from edge.model.layouts.shapes import MASK, boxes_fit, mask_fits, told
from edge.model.tables.outputs import Activation, MaskLayout, Ssd
from edge.teach.adopt.proposals import Detector, Hints, as_many_as_its_grids, detectors, segmenters
from edge.teach.adopt.survey import Survey

BOX_LAYOUTS = ("tflite", "ssd", "yolov5", "yolov8", "yolo_end")
MASK_LAYOUTS = ("class_map", "class_scores", "mask")


def boxes(survey: Survey, labels: int, hints: Hints, path: str) -> Detector:
    """How a detector of so many labels gives its boxes.

    Raises `BundleError` where it is none that is known, or could be two; `path` is the model's.
    """
    shapes = [output.spec.shape for output in survey.outputs]
    known = [
        found
        for found in detectors(survey, hints)
        if hints.layout in {None, found.layout.type} and boxes_fit(found.layout, shapes, labels)
    ]
    if len({found.layout.type for found in known}) > 1:
        known = [found for found in known if as_many_as_its_grids(found.layout, survey)] or known
    kinds = sorted({found.layout.type for found in known})
    if not known:
        raise _unknown(survey, labels, path, "detection", hints)
    if len(kinds) > 1:
        raise BundleError(
            f"{path}: its outputs, {told(shapes)}, with {labels} labels could be read in several ways; say which"
            f" with {' or '.join(f'--layout {kind}' for kind in kinds)}"
        )
    found = known[0]
    if isinstance(found.layout, Ssd) and found.anchors is None and not found.layout.grids:
        raise BundleError(
            f"{path}: is an SSD of {shapes[found.layout.boxes][1]} anchors, which are not known here; give them"
            " with --anchors FILE (a line for each: y and x of its middle, height and width, as fractions)"
        )
    return found


def mask(survey: Survey, labels: int, hints: Hints, path: str) -> MaskLayout:
    """How a segmenter of so many labels gives them. Raises `BundleError` where it is none that is known."""
    output = survey.outputs[0]
    known = [
        layout
        for layout in segmenters(output, hints)
        if hints.layout in {None, layout.type} and mask_fits(layout, output.spec.shape, labels)
    ]
    if len(survey.outputs) != 1 or not known:
        raise _unknown(survey, labels, path, "segmentation", hints)
    return known[0]


def activation(survey: Survey, labels: int, hints: Hints, path: str) -> Activation:
    """What turns a classifier's scores into probabilities. Raises `BundleError` where it is no classifier."""
    output = survey.outputs[0]
    if len(survey.outputs) != 1 or output.shape not in {(labels,), (1, 1, labels)}:
        raise _unknown(survey, labels, path, "classification", hints)
    if hints.activation is not None:
        return hints.activation
    if output.least < 0 or output.most > 1:
        return "softmax"
    if all(add_up(seen.reshape(-1).tolist()) for seen in output.seen):
        return "none"
    raise BundleError(
        f"{path}: its scores lie between 0 and 1, but do not add up to 1, so it gives several labels at"
        " once, and is no classification; if they are raw scores, import it with --activation softmax"
    )


def _unknown(survey: Survey, labels: int, path: str, task: str, hints: Hints) -> BundleError:
    """What is wrong, and what to do about it, as far as the shapes tell."""
    shapes = [output.spec.shape for output in survey.outputs]
    asked = "" if hints.layout is None else f" of layout '{hints.layout}'"
    said = f"{path}: its outputs are {told(shapes)}, which is no {task}{asked} of {labels} labels"
    return BundleError(f"{said}; {_advice(survey, labels, task)}")


def _advice(survey: Survey, labels: int, task: str) -> str:
    likely, columns = _likely(survey)
    if likely is None:
        ways = {
            "detection": f"known layouts are {', '.join(BOX_LAYOUTS)}",
            "segmentation": f"known layouts are {', '.join(MASK_LAYOUTS)}",
        }
        return ways.get(task, "a classification has one output, with a number for each label")
    if likely != task:
        return f"it looks like a {likely}: import it with --task {likely}"
    if columns is None:
        return "give the labels that it was trained with"
    missing = " (does the list lack a first line 'background'?)" if columns == labels + 1 else ""
    return f"give it {columns} labels{missing}"


def _likely(survey: Survey) -> tuple[str | None, int | None]:
    """The task that the shapes speak for, and the number of labels where they tell it."""
    shapes = [output.shape for output in survey.outputs]
    if len(shapes) == 1:
        if len(shapes[0]) == 1 or shapes[0][:-1] == (1, 1):
            return "classification", shapes[0][-1]
        if len(shapes[0]) == MASK:
            return "segmentation", shapes[0][-1] if shapes[0][-1] > 1 else 2
        whole = survey.outputs[0].whole and survey.outputs[0].spec.dtype.kind == "i"
        return ("segmentation", None) if whole else ("detection", None)
    rows = [shape for shape in shapes if len(shape) == 2 and shape[0] > 1]  # noqa: PLR2004 - boxes
    return ("detection" if rows else None), None
