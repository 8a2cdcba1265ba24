import numpy as np
import pytest
import tiny_model

from edge.errors import BundleError, InferenceError
from edge.model.classifier import real
from edge.model.delegates import CPU, DelegateConfig
from edge.model.interpreter import Interpreter, TensorSpec
from edge.model.runtime import runtime
from edge.model.shipped import backbone

RED = np.full((1, 8, 8, 3), -128, np.int8)
RED[..., 0] = 127


def test_int8_outputs_come_as_the_model_gives_them() -> None:
    (scores,) = Interpreter(tiny_model.classifier()).invoke(RED)
    assert scores.tolist() == [[127, -128, -128]]


def test_a_uint8_model_sees_the_same_pixels() -> None:
    (scores,) = Interpreter(tiny_model.classifier(input_kind="uint8")).invoke(RED)
    assert scores.tolist() == [[127, -128, -128]]


def test_float_outputs_are_taken_too() -> None:
    interpreter = Interpreter(tiny_model.classifier(output="float32"))
    (scores,) = interpreter.invoke(RED)
    assert real(scores, interpreter.outputs[0])[0].tolist() == pytest.approx([1, 0, 0], abs=0.01)


def test_outputs_stay_as_they_are_when_the_model_runs_again() -> None:
    interpreter = Interpreter(tiny_model.classifier())
    (first,) = interpreter.invoke(RED)
    interpreter.invoke(RED[..., ::-1].copy())
    assert first.tolist() == [[127, -128, -128]]


def test_the_farthest_numbers_do_not_wrap_around_when_they_become_real() -> None:
    spec = TensorSpec("scores", (1, 2), np.dtype(np.int8), 1 / 256, -128)
    assert real(np.array([[-128, 127]], np.int8), spec).tolist() == [[0.0, 255 / 256]]


def test_the_shipped_backbone_takes_pixels_and_gives_features_at_two_strides() -> None:
    interpreter = Interpreter(backbone().read_bytes())
    assert interpreter.inputs[0][1:] == ((1, 224, 224, 3), np.dtype(np.int8), 1 / 128, -1)
    assert {output.shape for output in interpreter.outputs} == {(1, 28, 28, 40), (1, 14, 14, 112)}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not a model that can be loaded; copy or build it again"),
        (b"no model at all", "is not a model that can be loaded; copy or build it again"),
        pytest.param(
            tiny_model.classifier()[:700],
            "is not a model that can be loaded; copy or build it again",
            marks=pytest.mark.skipif(
                runtime().startswith("tflite-runtime"),
                reason="checks no offsets and crashes; edge.model.verify tries every model in a child first",
            ),
        ),
        (tiny_model.custom(), "needs an operation that this TFLite runtime lacks"),
        (tiny_model.custom(b"FlexErf"), "needs TensorFlow's own operations"),
        (tiny_model.passthrough((1, 8, 8, 4)), "its input is 1×8×8×4; it must be one RGB picture, 1×h×w×3"),
        (tiny_model.passthrough((2, 8, 8, 3)), "its input is 2×8×8×3; it must be one RGB picture, 1×h×w×3"),
        (tiny_model.passthrough(kind="float32"), "its input is 1×8×8×3 float32; convert the model to int8"),
        (tiny_model.passthrough(kind="int32"), "tensor 'tensor0': holds int32; convert the model to int8"),
        (tiny_model.passthrough(inputs=2), "takes 2 inputs; a model must take one picture"),
        (tiny_model.passthrough(dynamic=True), "its shape changes from call to call"),
        (tiny_model.classifier().replace(b"tensor0", b"tensor\xff"), "is not a model that can be loaded"),
        (tiny_model.backbone(unfit_scale=float("nan")), "its scale is nan; it must be a number over 0"),
    ],
)
def test_what_is_no_model_for_us_is_refused_with_a_reason(content: bytes, complaint: str) -> None:
    with pytest.raises(BundleError, match=r"^part/model\.tflite: ") as refusal:
        Interpreter(content, name="part/model.tflite")
    assert complaint in str(refusal.value)


def test_a_tensor_of_the_wrong_shape_is_an_inference_error() -> None:
    with pytest.raises(InferenceError, match="did not run on delegate 'cpu'"):
        Interpreter(tiny_model.classifier()).invoke(np.zeros((1, 9, 8, 3), np.int8))


def test_the_default_delegate_is_the_cpu() -> None:
    assert DelegateConfig() == CPU
