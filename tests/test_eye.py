import numpy as np
import pytest
import tiny_model
from ai_edge_litert.interpreter import Interpreter as Runtime
from ai_edge_litert.interpreter import OpResolverType
from hypothesis import given
from hypothesis import strategies as st
from washers import washer

from edge.geometry import Tensor
from edge.model import shipped
from edge.model.delegates import CPU
from edge.model.interpreter import Interpreter
from edge.model.runner import open_model
from edge.preprocess.tensor import InputSpec, prepare
from edge.teach.eye import Eye
from edge.teach.lesson import Taught
from edge.teach.setting import ELONGATED, LONGEST_PX, SIDE_PX, STEP_PX, tensor_size

WIDE = InputSpec(320, 192)


def noise(height: int, width: int) -> Tensor:
    return np.random.default_rng(0).integers(-128, 128, (1, height, width, 3)).astype(np.int8)


def test_a_model_of_another_size_sees_what_one_made_for_it_sees() -> None:
    resized = Interpreter(tiny_model.backbone(32), 1, CPU, "model", (64, 64))
    made_so = Interpreter(tiny_model.backbone(64))
    found, expected = resized.invoke(noise(64, 64)), made_so.invoke(noise(64, 64))
    assert [output.shape for output in found] == [(1, 8, 8, 3), (1, 4, 4, 3)]
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_the_backbone_sees_a_wide_picture_as_other_kernels_compute_it() -> None:
    path = shipped.backbone()
    reference = Runtime(
        model_content=path.read_bytes(),
        num_threads=2,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    taken = reference.get_input_details()[0]["index"]
    reference.resize_tensor_input(taken, [1, 192, 320, 3])
    reference.allocate_tensors()
    tensor = prepare(washer(0), WIDE).tensors[0]
    reference.set_tensor(taken, tensor)
    reference.invoke()
    outputs = Eye.of(path, WIDE, threads=2).look(washer(0)).outputs[0]
    for details, found in zip(reference.get_output_details(), outputs, strict=True):
        expected = reference.get_tensor(details["index"])
        assert found.shape == expected.shape
        # Kernels round in their own ways, by a step or two.
        off = np.abs(found.astype(np.int32) - expected)
        assert off.mean() < 3
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98


def test_cells_lie_on_the_grid_of_the_picture() -> None:
    eye = Eye.of(shipped.backbone(), WIDE, threads=2)
    taps = eye.taps((8, 16))
    cells = eye.look(washer(0)).cells(taps)
    assert (taps.rows, taps.columns) == (12, 20)
    assert cells.shape == (1, 12, 20, taps.channels)
    assert taps.channels == eye.taps((8,)).channels + eye.taps((16,)).channels


def test_each_tile_is_looked_at() -> None:
    eye = Eye.of(shipped.backbone(), InputSpec(64, 64, tiles_x=2, tiles_y=2))
    cells = eye.look(washer(0)).cells(eye.taps((16,)))
    corner = Eye.of(shipped.backbone(), InputSpec(64, 64)).look(washer(0)[48:, 48:])
    assert cells.shape[:3] == (4, 4, 4)
    assert cells[3] == pytest.approx(corner.cells(eye.taps((16,)))[0])


def test_what_was_seen_stays_as_it_is_when_the_eye_looks_again() -> None:
    eye = Eye.of(shipped.backbone(), InputSpec(64, 64))
    first = eye.look(washer(0))
    before = first.outputs[0][0].copy()
    eye.look(255 - washer(0))
    assert np.array_equal(first.outputs[0][0], before)


def test_teaching_sees_what_the_bundle_sees_at_work(taught: Taught) -> None:
    model = open_model(taught.bundle)
    prepared = prepare(washer(100), model.spec)
    at_work = model.run(prepared).outputs[0]
    eye = Eye.of(shipped.backbone(taught.bundle.manifest.model), model.spec, threads=2)
    in_class = eye.look(washer(100)).outputs[0]
    assert all(np.array_equal(one, other) for one, other in zip(at_work, in_class, strict=True))


@given(aspect=st.floats(0.02, 50))
def test_a_tensor_is_about_as_large_whatever_the_picture(aspect: float) -> None:
    width, height = tensor_size(aspect)
    assert width % STEP_PX == height % STEP_PX == 0
    assert STEP_PX <= min(width, height) <= max(width, height) <= LONGEST_PX
    assert 0.7 * SIDE_PX**2 < width * height < 1.4 * SIDE_PX**2
    assert (width > height) == (aspect >= ELONGATED)
