import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import BundleError
from edge.model.interpreter import TensorSpec
from edge.model.memory_bank import Bank, MemoryBank, read_bank, write_bank

INT8 = TensorSpec("features", (1, 5, 4, 6), np.dtype(np.int8), 0.25, -3)
RNG = np.random.default_rng(0)
BANK = Bank(
    RNG.standard_normal((50, 6)).astype(np.float32),
    RNG.standard_normal(6).astype(np.float32),
    RNG.uniform(0.5, 2, 6).astype(np.float32),
)
NUMBERS = RNG.integers(-128, 128, (1, 5, 4, 6)).astype(np.int8)


def nearest(features: np.ndarray) -> np.ndarray:
    """Distances as the definition says, patch by patch."""
    standardised = (features.reshape(-1, 6) - BANK.mean) / BANK.spread
    return np.array([np.sqrt(((BANK.patches - patch) ** 2).sum(axis=1)).min() for patch in standardised])


def test_a_score_is_the_distance_to_the_nearest_patch_over_the_limit() -> None:
    scores = MemoryBank(BANK, INT8, limit_distance=2.0).score(NUMBERS)
    real = (NUMBERS.astype(np.float64) + 3) * 0.25
    assert scores.shape == (5, 4)
    assert scores.ravel() == pytest.approx(nearest(real) / 2.0, rel=1e-4, abs=1e-3)


def test_float_features_need_no_scale() -> None:
    spec = TensorSpec("features", (1, 5, 4, 6), np.dtype(np.float32), 0.0, 0)
    features = RNG.standard_normal((1, 5, 4, 6)).astype(np.float32)
    assert MemoryBank(BANK, spec, 1.0).score(features).ravel() == pytest.approx(nearest(features), rel=1e-4)


def test_a_taught_patch_has_no_distance() -> None:
    spec = TensorSpec("features", (1, 1, 1, 6), np.dtype(np.float32), 0.0, 0)
    taught = BANK.patches[7] * BANK.spread + BANK.mean
    assert float(MemoryBank(BANK, spec, 1.0).score(taught.reshape(1, 1, 1, 6))[0, 0]) == pytest.approx(
        0, abs=5e-3
    )


def test_a_feature_that_is_not_a_number_makes_a_score_that_is_none() -> None:
    spec = TensorSpec("features", (1, 1, 2, 6), np.dtype(np.float32), 0.0, 0)
    features = np.zeros((1, 1, 2, 6), np.float32)
    features[0, 0, 1, 3] = np.nan
    assert np.isnan(MemoryBank(BANK, spec, 1.0).score(features)).tolist() == [[False, True]]


def test_scores_stay_as_they_are_when_the_next_picture_is_scored() -> None:
    head = MemoryBank(BANK, INT8, 1.0)
    first = head.score(NUMBERS)
    kept = first.copy()
    head.score(np.zeros_like(NUMBERS))
    assert np.array_equal(first, kept)


def test_a_bank_is_read_as_it_was_written() -> None:
    bank = read_bank(write_bank(BANK), "bank.npz")
    assert np.array_equal(bank.patches, BANK.patches)
    assert np.array_equal(bank.mean, BANK.mean)
    assert np.array_equal(bank.spread, BANK.spread)


def saved(**arrays: object) -> bytes:
    whole = {"bank": BANK.patches, "mean": BANK.mean, "spread": BANK.spread, **arrays}
    file = io.BytesIO()
    np.savez(file, **{name: array for name, array in whole.items() if array is not None})  # type: ignore[arg-type]
    return file.getvalue()


def a_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bank.npy", "w") as entry:
        for _ in range(300):
            entry.write(bytes(1024 * 1024))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not a file of arrays"),
        (b"text", "is not a file of arrays"),
        (saved()[:-40], "is not a file of arrays"),
        (saved(bank=np.array([{"a": 1}])), "is not a file of arrays"),
        (saved(mean=None), "has no array 'mean'"),
        (saved(bank=BANK.patches.astype(np.float64)), "array 'bank' must be float32 with 2 dimensions"),
        (saved(bank=BANK.patches[0]), "array 'bank' must be float32 with 2 dimensions"),
        (saved(bank=np.full((2, 6), np.nan, np.float32)), "array 'bank' holds numbers that are not finite"),
        (saved(spread=np.zeros(6, np.float32)), "array 'spread' must be over 0"),
        (saved(mean=BANK.mean[:5]), "do not fit each other"),
        (saved(bank=BANK.patches[:0]), "do not fit each other"),
        (a_bomb(), "unpacks to 315 MB; a bank has 256 MB at most"),
    ],
)
def test_a_bank_that_cannot_be_used_is_refused_with_a_reason(content: bytes, complaint: str) -> None:
    with pytest.raises(BundleError, match=r"^part/bank\.npz: ") as refusal:
        read_bank(content, "part/bank.npz")
    assert complaint in str(refusal.value)


def test_no_code_hides_in_a_bank(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    with pytest.raises(BundleError):
        read_bank(saved(bank=np.array([Trap()])), "bank.npz")
    assert not (tmp_path / "sprung").exists()


@settings(max_examples=300)
@given(places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_bank_with_changed_bytes_is_read_or_refused(places: list[tuple[int, int]]) -> None:
    content = bytearray(saved())
    for place, byte in places:
        content[place % len(content)] = byte
    try:
        bank = read_bank(bytes(content), "bank.npz")
    except BundleError:
        return
    assert np.isfinite(bank.patches).all()
