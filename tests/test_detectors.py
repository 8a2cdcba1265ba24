from typing import get_args

import numpy as np
import pytest

from edge.errors import BundleError
from edge.model.arrays import Arrays, Floats
from edge.model.detectors import open_detector
from edge.model.methods import Method

CELLS, CHANNELS = 20, 6
RNG = np.random.default_rng(0)
METHODS: tuple[Method, ...] = get_args(Method)


def some(*shape: int) -> Floats:
    return RNG.standard_normal(shape, np.float32)


MEAN, SPREAD = some(CHANNELS), RNG.uniform(0.5, 2, CHANNELS).astype(np.float32)
STANDARD: Arrays = {"mean": MEAN, "spread": SPREAD}
ARRAYS: dict[Method, Arrays] = {
    "memory_bank": STANDARD | {"bank": some(50, CHANNELS)},
    "gaussian": STANDARD | {"whitening": some(CHANNELS, CHANNELS)},
    "position_gaussian": {
        "mean": some(CELLS, CHANNELS),
        "whitening": some(3, CHANNELS, CHANNELS),
        "block": RNG.permuted(np.arange(CELLS, dtype=np.float32) % 3),
    },
    "one_class_svm": STANDARD
    | {
        "vectors": some(30, CHANNELS),
        "weights": RNG.uniform(0.1, 1, 30).astype(np.float32),
        "gamma": np.array([0.3], np.float32),
    },
    "autoencoder": STANDARD
    | {f"weights-{n}": some(*shape) for n, shape in enumerate([(6, 4), (4, 2), (2, 4), (4, 6)])}
    | {f"bias-{n}": some(outputs) for n, outputs in enumerate([4, 2, 4, 6])},
}
FEATURES = some(CELLS, CHANNELS) * 2


def distances(method: Method, cells: Floats, **changed: Floats) -> Floats:
    return open_detector(method, ARRAYS[method] | changed, "head.npz", len(cells), CHANNELS).distances(cells)


def standardised() -> np.ndarray:
    return (FEATURES.astype(np.float64) - MEAN) / SPREAD


def test_a_memory_bank_measures_to_the_nearest_cell_that_it_holds() -> None:
    bank = ARRAYS["memory_bank"]["bank"]
    expected = [np.sqrt(((bank - x) ** 2).sum(axis=1)).min() for x in standardised()]
    assert distances("memory_bank", FEATURES) == pytest.approx(expected, rel=1e-4)


def test_a_taught_cell_has_no_distance_from_a_memory_bank() -> None:
    taught = ARRAYS["memory_bank"]["bank"][7:8] * SPREAD + MEAN
    assert distances("memory_bank", taught) == pytest.approx([0], abs=5e-3)


def test_a_gaussian_measures_from_the_mean_after_whitening() -> None:
    expected = np.linalg.norm(standardised() @ ARRAYS["gaussian"]["whitening"], axis=1)
    assert distances("gaussian", FEATURES) == pytest.approx(expected, rel=1e-4)


def test_a_position_gaussian_measures_from_the_mean_of_the_place_with_the_whitening_of_its_block() -> None:
    arrays = ARRAYS["position_gaussian"]
    expected = [
        np.linalg.norm((x - mean) @ arrays["whitening"][int(block)])
        for x, mean, block in zip(FEATURES, arrays["mean"], arrays["block"], strict=True)
    ]
    assert distances("position_gaussian", FEATURES) == pytest.approx(expected, rel=1e-4)


def test_a_block_without_cells_does_no_harm() -> None:
    everything_in_the_last = np.full(CELLS, 2, np.float32)
    found = distances("position_gaussian", FEATURES, block=everything_in_the_last)
    arrays = ARRAYS["position_gaussian"]
    expected = np.linalg.norm((FEATURES - arrays["mean"]) @ arrays["whitening"][2], axis=1)
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_machine_of_one_vector_measures_to_that_vector() -> None:
    vector = some(1, CHANNELS)
    found = distances("one_class_svm", FEATURES, vectors=vector, weights=np.ones(1, np.float32))
    assert found == pytest.approx(np.linalg.norm(standardised() - vector, axis=1), rel=1e-4)


def test_a_machine_orders_cells_as_its_decision_function_does() -> None:
    arrays = ARRAYS["one_class_svm"]
    squared = ((standardised()[:, None] - arrays["vectors"]) ** 2).sum(axis=2)
    said = np.exp(-0.3 * squared) @ (arrays["weights"] / arrays["weights"].sum())
    assert distances("one_class_svm", FEATURES) == pytest.approx(np.sqrt(np.log(said) / -0.3), rel=1e-3)


def test_a_machine_still_tells_cells_apart_where_its_decision_function_is_zero() -> None:
    near, far = distances("one_class_svm", MEAN + SPREAD * np.float32([[100] * 6, [200] * 6]))
    assert far == pytest.approx(2 * near, rel=0.05)


def test_an_autoencoder_measures_what_its_network_loses() -> None:
    arrays = ARRAYS["autoencoder"]
    features = standardised()
    for layer in range(4):
        features = features @ arrays[f"weights-{layer}"] + arrays[f"bias-{layer}"]
        if layer in {0, 2}:
            features = np.maximum(features, 0)
    expected = np.linalg.norm(features - standardised(), axis=1)
    assert distances("autoencoder", FEATURES) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_distances_are_float32_and_none_is_below_zero(method: Method) -> None:
    found = distances(method, FEATURES)
    assert found.dtype == np.float32
    assert found.shape == (CELLS,)
    assert (found >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_feature_that_is_not_a_number_makes_that_distance_none(method: Method) -> None:
    features = FEATURES.copy()
    features[3, 2] = np.nan
    found = distances(method, features)
    assert np.flatnonzero(np.isnan(found)).tolist() == [3]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_infinite_feature_is_never_near(method: Method) -> None:
    features = FEATURES.copy()
    features[3, 2] = np.inf
    assert not np.isfinite(distances(method, features)[3])


@pytest.mark.parametrize("method", METHODS)
def test_distances_stay_as_they_are_when_the_next_picture_is_measured(method: Method) -> None:
    detector = open_detector(method, ARRAYS[method], "head.npz", CELLS, CHANNELS)
    first = detector.distances(FEATURES)
    kept = first.copy()
    detector.distances(FEATURES + 1)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("method", METHODS)
def test_the_features_stay_as_they_are(method: Method) -> None:
    kept = FEATURES.copy()
    distances(method, FEATURES)
    assert np.array_equal(FEATURES, kept)


@pytest.mark.parametrize(("method", "key"), [(method, key) for method in METHODS for key in ARRAYS[method]])
@pytest.mark.parametrize("damage", ["missing", "float64", "not finite", "cut short", "another dimension"])
def test_arrays_that_do_not_fit_are_refused_with_a_reason(method: Method, key: str, damage: str) -> None:
    arrays = dict(ARRAYS[method])
    match damage:
        case "missing":
            del arrays[key]
        case "float64":
            arrays[key] = arrays[key].astype(np.float64)
        case "not finite":
            arrays[key] = np.full_like(arrays[key], np.nan)
        case "cut short":
            arrays[key] = arrays[key][:0]
        case _:
            arrays[key] = arrays[key][None]
    with pytest.raises(BundleError, match=rf"^part/head\.npz: .*'{key}'.*; teach the bundle again$"):
        open_detector(method, arrays, "part/head.npz", CELLS, CHANNELS)


@pytest.mark.parametrize("method", METHODS)
def test_arrays_for_other_channels_are_refused(method: Method) -> None:
    with pytest.raises(BundleError, match="must be float32"):
        open_detector(method, ARRAYS[method], "head.npz", CELLS, CHANNELS + 1)


def test_means_of_other_places_are_refused() -> None:
    with pytest.raises(BundleError, match="must be float32 21"):
        open_detector("position_gaussian", ARRAYS["position_gaussian"], "head.npz", CELLS + 1, CHANNELS)


@pytest.mark.parametrize(
    ("method", "key", "number", "complaint"),
    [
        ("memory_bank", "spread", 0, "'spread' must be over 0"),
        ("gaussian", "spread", -1, "'spread' must be over 0"),
        ("one_class_svm", "weights", 0, "must be over 0"),
        ("one_class_svm", "gamma", 0, "must be over 0"),
        ("position_gaussian", "block", 3, "blocks that are not there"),
        ("position_gaussian", "block", 0.5, "blocks that are not there"),
        ("position_gaussian", "block", -1, "blocks that are not there"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    method: Method, key: str, number: float, complaint: str
) -> None:
    array = ARRAYS[method][key].copy()
    array[0] = number
    with pytest.raises(BundleError, match=complaint):
        distances(method, FEATURES, **{key: array})
