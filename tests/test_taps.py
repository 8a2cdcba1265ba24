from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BundleError
from edge.model.interpreter import TensorSpec
from edge.model.taps import Taps

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Seen:
    """Outputs at strides 8 and 16 of a tensor of 64×96 pixels (height × width)."""

    fine: npt.NDArray[np.generic]
    coarse: npt.NDArray[np.generic]
    specs: tuple[TensorSpec, TensorSpec]

    def cells(self, strides_px: Sequence[int]) -> npt.NDArray[np.float32]:
        taps = Taps(strides_px, 64, 96, self.specs, "model.tflite")
        return taps.cells([self.fine, self.coarse]).reshape(taps.rows, taps.columns, taps.channels)


def seen(kind: type[np.generic] = np.int8, scale: float = 0.25, zero_point: int = -7) -> Seen:
    dtype = np.dtype(kind)
    shapes = (1, 8, 12, 3), (1, 4, 6, 5)
    fine, coarse = (RNG.normal(0, 50, shape).clip(-128, 127).astype(dtype) for shape in shapes)
    specs = (
        TensorSpec("fine", shapes[0], dtype, scale, zero_point),
        TensorSpec("coarse", shapes[1], dtype, 2 * scale, zero_point + 3),
    )
    return Seen(fine, coarse, specs)


def real(numbers: npt.NDArray[np.generic], spec: TensorSpec) -> npt.NDArray[np.float32]:
    return spec.scale * (numbers[0].astype(np.float32) - spec.zero_point)


def test_cells_are_the_real_features_that_the_numbers_stand_for() -> None:
    one = seen()
    assert one.cells([16]) == pytest.approx(real(one.coarse, one.specs[1]), abs=1e-5)
    assert one.cells([8]) == pytest.approx(real(one.fine, one.specs[0]), abs=1e-5)


@given(
    scale=st.floats(1e-3, 10),
    zero_point=st.integers(-128, 127),
    kind=st.sampled_from([np.int8, np.uint8]),
)
def test_of_a_finer_stride_a_cell_is_the_mean_of_four(
    scale: float, zero_point: int, kind: type[np.generic]
) -> None:
    one = seen(kind, scale, zero_point)
    fine = real(one.fine, one.specs[0])
    means = np.mean([fine[down::2, right::2] for down in (0, 1) for right in (0, 1)], axis=0)
    expected = np.concatenate([means, real(one.coarse, one.specs[1])], axis=2)
    assert one.cells([8, 16]) == pytest.approx(expected, rel=1e-4, abs=1e-3 * scale)


def test_strides_may_be_named_in_any_order() -> None:
    one = seen()
    assert np.array_equal(one.cells([16, 8]), one.cells([8, 16]))


def test_float_features_are_taken_as_they_are() -> None:
    one = seen(np.float32, scale=0.0, zero_point=0)
    assert np.array_equal(one.cells([16]), one.coarse[0])


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_feature_that_is_not_finite_stays_so_also_in_a_mean(broken: float) -> None:
    one = seen(np.float32, scale=0.0, zero_point=0)
    one.fine[0, 5, 2, 1] = broken
    found = one.cells([8, 16])
    assert not np.isfinite(found[2, 1, 1])
    assert np.isfinite(found).sum() == found.size - 1


def test_cells_stay_as_they_are_when_the_interpreter_goes_on() -> None:
    one = seen(np.float32, scale=0.0, zero_point=0)
    found = one.cells([16])
    before = found.copy()
    one.coarse[:] = 0
    assert np.array_equal(found, before)


def test_an_output_that_is_not_there_is_a_bundle_error_that_says_what_is() -> None:
    _, coarse = seen().specs
    with pytest.raises(
        BundleError, match=r"m\.tflite: its outputs are 1×4×6×5; anomaly\.strides_px 8 needs 1×8×12×n"
    ):
        Taps([8, 16], 64, 96, [coarse], "m.tflite")


def test_an_input_that_is_smaller_than_a_cell_is_a_bundle_error() -> None:
    with pytest.raises(BundleError, match="its input of 8×8 holds no cell of 16×16 pixels"):
        Taps([16], 8, 8, seen().specs, "model.tflite")
