"""The sink that appends to a file."""

import json
import os
import resource
from pathlib import Path

import pytest
from mqtt_station import a_row, rows

from edge.config import JsonlSink
from edge.errors import DeliveryError
from edge.sinks.jsonl import Jsonl


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reports" / "line.jsonl"


def a_sink(path: Path) -> Jsonl:
    return Jsonl(JsonlSink(type="jsonl", path=path))


def sequences(path: Path) -> list[int]:
    return [json.loads(line)["sequence"] for line in path.read_text().splitlines()]


def test_each_record_is_a_line(path: Path) -> None:
    with a_sink(path) as sink:
        assert sink.write(rows(3)).delivered == {1, 2, 3}
        assert sink.write(rows(2, first=4)).delivered == {4, 5}
    assert sequences(path) == [1, 2, 3, 4, 5]


def test_what_is_offered_again_is_not_written_again(path: Path) -> None:
    with a_sink(path) as sink:
        sink.write(rows(5))
        assert sink.write(rows(7)).delivered == frozenset(range(1, 8))
    assert sequences(path) == [1, 2, 3, 4, 5, 6, 7]


def test_after_a_restart_nothing_is_repeated(path: Path) -> None:
    with a_sink(path) as sink:
        sink.write(rows(3, first=10))
        sink.write(rows(3))  # the backlog comes after live records
    with a_sink(path) as sink:
        assert sink.write([*rows(6), *rows(3, first=10)]).delivered == {1, 2, 3, 4, 5, 6, 10, 11, 12}
    assert sequences(path) == [10, 11, 12, 1, 2, 3, 4, 5, 6]


def test_the_same_sequence_of_another_epoch_is_another_record(path: Path) -> None:
    first, second = a_row(1), a_row(1)
    second = second._replace(payload=second.payload.replace(b"epoch1", b"epoch2"))
    with a_sink(path) as sink:
        sink.write([first])
        sink.write([second])
    assert sequences(path) == [1, 1]


def test_a_half_written_line_is_cut_off(path: Path) -> None:
    with a_sink(path) as sink:
        sink.write(rows(2))
    with path.open("ab") as file:
        file.write(a_row(3).payload[:40])
    with a_sink(path) as sink:
        sink.write(rows(4))
    assert sequences(path) == [1, 2, 3, 4]


def test_a_file_that_was_moved_away_is_made_anew(path: Path) -> None:
    with a_sink(path) as sink:
        sink.write(rows(2))
        path.rename(path.with_suffix(".1"))
        sink.write(rows(2, first=3))
    assert sequences(path.with_suffix(".1")) == [1, 2]
    assert sequences(path) == [3, 4]


def test_a_file_that_was_emptied_is_written_on(path: Path) -> None:
    with a_sink(path) as sink:
        sink.write(rows(2))
        os.truncate(path, 0)
        sink.write(rows(2, first=3))
    assert sequences(path) == [3, 4]


def test_a_large_file_is_not_read_through_at_the_start(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"".join(row.payload + b"\n" for row in rows(6_000)))
    with a_sink(path) as sink:
        sink.write(rows(2, first=6_000))
        assert len(sink._seen) < 5_000
    assert sequences(path)[-2:] == [6_000, 6_001]


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with (
        a_sink(tmp_path) as sink,
        pytest.raises(DeliveryError, match=f"{tmp_path}: cannot be written: Is a dir"),
    ):
        sink.write(rows(1))


def test_a_full_disk_leaves_whole_lines_and_is_tried_again(path: Path) -> None:
    with a_sink(path) as sink:
        sink.write(rows(2))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, limits[1]))
        try:
            with pytest.raises(DeliveryError, match="cannot be written: File too large"):
                sink.write(rows(4))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert sequences(path) == [1, 2]
        assert sink.write(rows(4)).delivered == {1, 2, 3, 4}
    assert sequences(path) == [1, 2, 3, 4]
