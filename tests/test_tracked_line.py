"""The whole way of parts on a belt: settings, a detector at work on a film, and one report for each part."""

from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import cv2
import numpy as np
import pytest
import tiny_bundle
import tiny_model
from stations import reports

from edge import config
from edge.daemon import Daemon
from edge.errors import ConfigError
from edge.model.joining import open_joining
from edge.model.manifest import Input
from edge.model.tables.detection import DetectionHead
from edge.types import EndOfFrames, Frame

SIDE, PART, PITCH, STEP = 256, 40, 74, 6
BAD = {2, 5}
"""The parts that lack their mark."""
PARTS = 7
TRACK = '[recipe.track]\nlabel = "part"\nreport_at = 150\n'
CHECK = """[[recipe.checks]]
name = "marks"
bundle = "parts"
[recipe.checks.rules.detection]
pairs = [{ each = "part", has = "mark" }]
"""


def a_detector(folder: Path) -> Path:
    labels = ["part", "mark"]
    return tiny_bundle.detection(
        folder,
        model=tiny_model.part_detector(),
        input=Input(width=64, height=64),
        detection=DetectionHead(labels=labels, max_iou=0.4),
    )


class Film:
    """Red parts on a black belt, two of which are close; a good one has a yellow mark. Taken 30 times a second."""

    triggered = False
    name = "film"

    def __init__(self) -> None:
        self.sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def interrupt(self) -> None:
        self.sequence = 10_000

    def read(self) -> Frame:
        if self.sequence * STEP > PARTS * PITCH + SIDE:
            raise EndOfFrames
        self.sequence += 1
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        for part in range(PARTS):
            left = self.sequence * STEP - PART - part * PITCH + (14 if part == 4 else 0)
            cv2.rectangle(image, (left, 104), (left + PART - 1, 143), (255, 0, 0), -1)
            if part not in BAD:
                cv2.rectangle(image, (left + 12, 116), (left + 27, 131), (255, 255, 0), -1)
        return Frame(image, self.sequence, self.sequence * 33_000_000, datetime.now(UTC), self.name)


def settings(folder: Path, recipe: str, source: str = 'type = "folder"\npath = "film"\nrate_hz = 40') -> Path:
    path = folder / "station.toml"
    path.write_text(
        f'[station]\nsite = "test"\ndevice = "line"\nstate_dir = "state"\n[source]\n{source}\n{recipe}'
        "[quality]\nenabled = false\n[outbox]\nmin_free_mb = 0\n[evidence]\nmin_free_mb = 0\n"
        '[[sinks]]\ntype = "jsonl"\npath = "reports.jsonl"\n'
    )
    return path


def complaint(folder: Path, recipe: str, **changes: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        open_joining(
            config.load(settings(folder, recipe, **changes)).recipe, lambda: pytest.fail("not asked")
        )
    return str(refused.value)


def test_as_many_reports_as_parts_and_each_has_its_own_verdict(tmp_path: Path) -> None:
    a_detector(tmp_path / "parts")
    recipe = f"[recipe]\nfail_frames = 2\nof_frames = 3\n{TRACK}{CHECK}"
    daemon = Daemon(config.load(settings(tmp_path, recipe)), Film())
    assert daemon.run() == 0
    told = reports(tmp_path)
    wanted = ["fail" if part in BAD else "pass" for part in range(PARTS)]
    assert [report["verdict"] for report in told] == wanted
    assert len({report["part_id"] for report in told}) == PARTS
    for report in told:
        (check,) = report["checks"]
        assert [thing["label"] for thing in check["detections"]].count("part") == 1
        assert report["track"]["frames"] >= 3
        assert report["stage_ms"]["track"] > 0
    assert daemon.health.labels("parts") == {"pass": PARTS - len(BAD), "fail": len(BAD)}


def test_a_station_whose_belt_is_empty_is_ready(tmp_path: Path) -> None:
    states: list[str] = []
    end_s = monotonic() + 30

    class Empty(Film):
        def read(self) -> Frame:
            states.append(daemon.health.status()["state"])
            if states[-1] != "starting" or monotonic() > end_s:
                raise EndOfFrames
            sleep(0.02)
            self.sequence += 1
            black = np.zeros((SIDE, SIDE, 3), np.uint8)
            return Frame(black, self.sequence, self.sequence * 33_000_000, datetime.now(UTC), self.name)

    a_detector(tmp_path / "parts")
    daemon = Daemon(config.load(settings(tmp_path, f"[recipe]\n{TRACK}{CHECK}")), Empty())
    assert daemon.run() == 0
    assert states[0] == "starting"
    assert states[-1] != "starting"
    assert reports(tmp_path) == []


@pytest.mark.parametrize(
    ("track", "said"),
    [
        (
            TRACK.replace('"part"', '"prat"'),
            "recipe.track.label: the model has no label 'prat'; did you mean 'part'?",
        ),
        (TRACK.replace('"part"', '"bolt"'), "has no label 'bolt'; use one of mark, part"),
        (TRACK + 'check = "mark"\n', "recipe.track.check: there is no check 'mark'; did you mean 'marks'?"),
        (TRACK.replace("150", "0"), "recipe.track.report_at: input should be greater than 0"),
        (TRACK.replace("label", "lable"), "recipe.track.lable: unknown key; did you mean 'label'?"),
        (
            TRACK + 'direction = "north"\n',
            "recipe.track.direction: input should be 'right', 'left', 'down' or 'up'",
        ),
        (TRACK + "longest_gap_s = 0\n", "recipe.track.longest_gap_s: input should be greater than 0"),
        (TRACK + "seen_frames = 1\n", "recipe.track.seen_frames: input should be greater than or equal to 2"),
        (
            TRACK.replace('label = "part"', 'label = ""'),
            "recipe.track.label: string should have at least 1 character",
        ),
        ("fail_frames = 3\nof_frames = 2\n" + TRACK, "recipe.fail_frames: 3 is over of_frames, 2"),
    ],
)
def test_what_cannot_be_followed_is_refused_and_what_is_meant_is_said(
    tmp_path: Path, track: str, said: str
) -> None:
    a_detector(tmp_path / "parts")
    assert said in complaint(tmp_path, f"[recipe]\n{track}{CHECK}")


def test_only_what_is_detected_can_be_followed(tmp_path: Path) -> None:
    tiny_bundle.anomaly(tmp_path / "taught")
    check = '[[recipe.checks]]\nname = "surface"\nbundle = "taught"\n'
    said = complaint(tmp_path, f"[recipe]\n{TRACK}{check}")
    assert said.startswith(
        "recipe.track: check surface: nothing is detected there, so nothing can be followed"
    )


def test_where_two_checks_find_the_part_one_has_to_be_named(tmp_path: Path) -> None:
    a_detector(tmp_path / "parts")
    twice = CHECK + CHECK.replace('"marks"', '"again"')
    said = complaint(tmp_path, f"[recipe]\n{TRACK}{twice}")
    assert said == "recipe.track.check: marks, again all find 'part'; say which one to follow"
    named = f'[recipe]\n{TRACK}check = "again"\n{twice}'
    loaded = config.load(settings(tmp_path, named)).recipe
    assert open_joining(loaded, lambda: pytest.fail("not asked")) is not None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('type = "folder"\npath = "film"', "set source.rate_hz to what they were taken at"),
        ('type = "synthetic"', "set source.rate_hz to what they were taken at"),
        ('type = "watch"\npath = "film"', "which a watched folder is not"),
        ('type = "opencv"\ndevice = "/dev/video0"\ntriggered = true', "each trigger is a part"),
        ('type = "picamera2"\ntrigger = "software"', "each trigger is a part"),
        ('type = "synthetic"\nbelt = {}', "a belt moves from picture to picture; set rate_hz"),
    ],
)
def test_a_source_that_is_no_film_is_refused(tmp_path: Path, source: str, said: str) -> None:
    a_detector(tmp_path / "parts")
    assert said in complaint(tmp_path, f"[recipe]\n{TRACK}{CHECK}", source=source)
