from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import BundleError
from edge.model.arrays import pack, unpack
from edge.model.interpreter import TensorSpec
from edge.preprocess.layout import lay_out
from edge.preprocess.quality import QualityMeasures, measure
from edge.preprocess.tensor import InputSpec
from edge.teach.eye import Seen
from edge.teach.notebook import FILE, Notebook, read, write

SPEC = InputSpec(32, 32, tiles_x=2, tiles_y=1)
PLENTY = 10**6


OUTPUTS = (
    TensorSpec("fine", (1, 4, 4, 3), np.dtype(np.int8), 1.0, 0),
    TensorSpec("coarse", (1, 2, 2, 5), np.dtype(np.int8), 1.0, 0),
)
MOST = 60


@cache
def many_pages() -> tuple[tuple[QualityMeasures, ...], tuple[Seen, ...]]:
    """Of pictures of 96×64, seen in two tiles."""
    rng = np.random.default_rng(0)
    outputs = [rng.integers(-128, 128, (MOST, 2, *one.shape)).astype(np.int8) for one in OUTPUTS]
    layout = lay_out(96, 64, SPEC)
    seen = tuple(Seen(tuple(zip(*tiles, strict=True)), layout) for tiles in zip(*outputs, strict=True))
    pictures = rng.integers(0, 255, (MOST, 64, 96, 3), np.uint8)
    return tuple(map(measure, pictures)), seen


def a_notebook(pictures: int = 6, *, named: str = "{}.png") -> Notebook:
    measures, seen = many_pages()
    names = tuple(named.format(number) for number in range(pictures))
    return Notebook(names, measures[:pictures], seen[:pictures])


def reread(content: bytes) -> Notebook:
    return read(content, FILE, SPEC, OUTPUTS)


def written(notebook: Notebook, budget_bytes: int = PLENTY) -> bytes:
    content = write(notebook, budget_bytes)
    assert content is not None
    return content


def pages(notebook: Notebook) -> list[tuple[str, QualityMeasures, list[bytes]]]:
    """All that a notebook says, to compare."""
    return [
        (name, measured, [output.tobytes() for tile in seen.outputs for output in tile])
        for name, measured, seen in zip(notebook.names, notebook.measures, notebook.seen, strict=True)
    ]


def test_what_was_written_is_read() -> None:
    notebook = a_notebook(named="Nº {} of 6.png")
    found = reread(written(notebook))
    assert pages(found) == pages(notebook)
    assert found.seen[0].layout == notebook.seen[0].layout
    assert found.seen[0].outputs[1][1].shape == (1, 2, 2, 5)


def test_the_same_lesson_is_written_in_the_same_bytes() -> None:
    assert written(a_notebook()) == written(a_notebook())


def test_where_there_is_room_for_a_part_pictures_are_kept_evenly_from_first_to_last() -> None:
    many = a_notebook(40)
    found = reread(written(many, 7000))
    assert 5 <= len(found.names) < 40
    assert (found.names[0], found.names[-1]) == ("0.png", "39.png")
    assert set(map(str, pages(found))) < set(map(str, pages(many)))


@given(pictures=st.integers(5, 60), budget_bytes=st.integers(0, 20_000), length=st.integers(1, 250))
def test_it_keeps_to_its_budget_or_keeps_nothing(pictures: int, budget_bytes: int, length: int) -> None:
    content = write(a_notebook(pictures, named="{:0" + str(length) + "}"), budget_bytes)
    assert content is None or len(content) <= budget_bytes


def test_without_room_for_a_lesson_there_is_none() -> None:
    assert write(a_notebook(), 1000) is None


@settings(max_examples=150)
@given(places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_damaged_one_is_refused_or_says_the_same(places: list[tuple[int, int]]) -> None:
    notebook = a_notebook()
    content = bytearray(written(notebook))
    for place, change in places:
        content[place % len(content)] ^= change
    try:
        found = reread(bytes(content))
    except BundleError:
        return
    assert pages(found) == pages(notebook)


@settings(max_examples=50)
@given(length=st.integers(0, 10**6))
def test_one_that_is_cut_short_is_refused(length: int) -> None:
    content = written(a_notebook())
    with pytest.raises(BundleError, match=r"lesson\.npz"):
        reread(content[: length % len(content)])


@pytest.mark.parametrize(
    ("key", "array"),
    [
        ("names", None),
        ("names", np.frombuffer(b'["a", "b"]', np.uint8)),
        ("names", np.frombuffer(b"[" * 100_000, np.uint8)),
        ("names", np.frombuffer(b"17", np.uint8)),
        ("measures", None),
        ("measures", np.zeros((6, 3))),
        ("measures", np.full((6, 5), np.inf)),
        ("measures", np.full((6, 5), np.nan)),
        ("measures", np.zeros((6, 5))),
        ("measures", np.zeros((4, 5))),
        ("measures", np.zeros(())),
        ("output0", None),
        ("output1", np.zeros((2, 2, 2, 2, 5), np.int8)),
        ("output1", np.zeros((6, 3, 2, 2, 5), np.int8)),
        ("output1", np.zeros((6, 1, 2, 2, 5), np.int8)),
        ("output0", np.zeros(6, np.int8)),
        ("output0", np.zeros(())),
        ("output0", np.zeros((6, 2, 4, 4, 3), np.float32)),
    ],
)
def test_what_does_not_fit_is_refused(key: str, array: np.ndarray | None) -> None:
    arrays = unpack(written(a_notebook()), FILE)
    del arrays[key]
    if array is not None:
        arrays[key] = array
    with pytest.raises(BundleError, match=r"lesson\.npz: .*; teach the product anew"):
        reread(pack(arrays))
