"""People's faces stay inside: covered where they are found, and no picture leaves where that cannot be done."""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle
from parts import judged, part, picture, report
from stations import HEIGHT, WIDTH, reports, settings
from tiny_model import Output, strange

from edge import config
from edge.config import Evidence
from edge.daemon import Daemon
from edge.errors import BundleError, ConfigError, InferenceError
from edge.geometry import Box, Image
from edge.mailbox import Mailbox, WhenFull
from edge.message import Report
from edge.model.bundle import described
from edge.model.faces import Faces, open_faces
from edge.model.manifest import Input, Manifest
from edge.model.pixels import Pixels
from edge.model.tables.detection import DetectionHead
from edge.model.tables.outputs import YoloEnd
from edge.pipeline import keep
from edge.preprocess.picture import read
from edge.remote import requests
from edge.remote.commands import Refused
from edge.service import Crew, Trouble
from edge.store.evidence import EvidenceStore
from edge.store.layout import MAP, PICTURE
from edge.store.privacy import GREY, Privacy, covered
from edge.types import Decision, Example, Frame, Inspection, Miss, Region, Verdict

FACE = Box(40, 30, 80, 70)


class Finder:
    """Finds a face where the test says, or fails as often as it says."""

    def __init__(self, boxes: Sequence[Box] = (FACE,), *, fails: int = 0) -> None:
        self.boxes, self.fails = boxes, fails
        self.seen: list[tuple[int, ...]] = []

    def find(self, picture: Image) -> Sequence[Box]:
        self.seen.append(picture.shape)
        if self.fails:
            self.fails -= 1
            raise InferenceError("the model gave a score that is not a number")
        return self.boxes


def privacy(finder: Finder | None, told: list[str | None] | None = None, margin: float = 0.25) -> Privacy:
    said = [] if told is None else told
    return Privacy(finder, margin, Trouble("privacy", None, said.append), 90)


def grey(image: Image, box: Box) -> bool:
    """Whether nothing is left there, as far as JPEG can tell."""
    inside = image[int(box.y_min) + 2 : int(box.y_max) - 2, int(box.x_min) + 2 : int(box.x_max) - 2]
    return bool(inside.size) and int(np.abs(inside.astype(int) - GREY).max()) <= 6


def test_a_box_and_its_margin_become_one_grey_and_nothing_else_changes() -> None:
    before = picture()
    after = covered(before, [FACE], 0.25)
    assert (after[20:80, 30:90] == GREY).all()
    rest = np.ones(before.shape[:2], bool)
    rest[20:80, 30:90] = False
    assert (after[rest] == before[rest]).all()
    assert not (before[20:80, 30:90] == GREY).all()


def test_a_box_that_hangs_over_the_edge_is_covered_as_far_as_there_are_pixels() -> None:
    after = covered(picture(), [Box(-30, -30, 10, 10), Box(150, 110, 200, 200)], 0.5)
    assert (after[:30, :30] == GREY).all()
    assert (after[65:, 125:] == GREY).all()
    assert not (after[30:65, 30:125] == GREY).all()


def test_without_a_face_model_a_part_is_what_it_is() -> None:
    inspection = part()
    assert privacy(None).part(inspection) is inspection


def test_every_kept_picture_of_a_part_is_covered(tmp_path: Path) -> None:
    inspection = privacy(Finder()).part(part(Verdict.FAIL))
    store = EvidenceStore(tmp_path, Evidence(min_free_mb=0))
    kept = store.keep(report(1, inspection), inspection)
    pictures = [read(path) for path in kept.files if path.suffix == ".jpg"]
    assert len(pictures) == 2
    assert grey(pictures[0], FACE)
    # The overlay of a small picture is twice as large; the defect is drawn where it is, over the grey.
    assert grey(pictures[1], Box(80, 60, 120, 90))


def test_the_thumbnail_of_a_failure_is_covered(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, Evidence(min_free_mb=0))
    (tmp_path / "small.jpg").write_bytes(store.thumbnail(privacy(Finder()).part(part(Verdict.FAIL))))
    assert grey(read(tmp_path / "small.jpg"), Box(80, 60, 120, 90))


def test_what_is_judged_is_not_touched() -> None:
    inspection = part()
    before = inspection.frame.image.copy()  # type: ignore[union-attr]
    shown = privacy(Finder()).part(inspection)
    assert (inspection.frame.image == before).all()  # type: ignore[union-attr]
    assert shown.decision == inspection.decision
    assert shown.findings[0].prediction is inspection.findings[0].prediction


def test_of_two_pictures_the_larger_is_looked_at_and_both_are_covered() -> None:
    inspection = part()
    frame = replace(inspection.frame, evidence=picture(640, 480))  # type: ignore[type-var]
    finder = Finder([Box(160, 120, 320, 280)])
    shown = privacy(finder).part(replace(inspection, frame=frame)).frame
    assert finder.seen == [(480, 640, 3)]
    assert isinstance(shown, Frame)
    assert grey(shown.image, FACE)
    assert shown.evidence is not None
    assert grey(shown.evidence, Box(160, 120, 320, 280))


def test_crops_of_taught_pictures_are_left_out_since_nobody_looked_for_faces_in_them() -> None:
    example = Example("good-1.png", FACE, FACE, b"jpeg")
    decision = Decision(Verdict.FAIL, (), 1.5, None, (Region(FACE, FACE.area, 1.5, (40, 30), example),))
    shown = privacy(Finder([])).part(judged(part().frame, decision))
    assert [region.nearest for region in shown.decision.regions] == [None]
    assert [region.nearest for region in shown.findings[0].decision.regions] == [None]


def test_where_faces_cannot_be_looked_for_the_picture_stays_inside() -> None:
    told: list[str | None] = []
    cover = privacy(Finder(fails=2), told)
    for _ in range(3):
        cover.part(part())
    assert cover.withheld == 2
    assert told[0] is not None
    assert told[0].startswith("the picture is kept back, since faces cannot be looked for in it: ")
    assert told[1:] == [None]


def kept(folder: Path, finder: Finder) -> tuple[list[str], list[Inspection]]:
    """The files of a failed part that goes through the keep thread, and what is told of it."""
    parts: Mailbox[tuple[Report, Inspection]] = Mailbox(1, WhenFull.DROP_OLDEST)
    inspection = part(Verdict.FAIL)
    parts.put((report(1, inspection), inspection))
    parts.close()
    told: list[Inspection] = []
    store = EvidenceStore(folder, Evidence(min_free_mb=0))
    keep(
        parts,
        store,
        Crew(),
        privacy(finder).part,
        lambda shown, _lost: told.append(shown),
        Trouble("evidence", None),
    )
    return sorted(path.suffix for path in folder.rglob("*") if path.is_file()), told


def test_evidence_of_a_part_whose_faces_cannot_be_found_is_its_report_alone(tmp_path: Path) -> None:
    files, (told,) = kept(tmp_path, Finder(fails=1))
    assert files == [".json"]
    assert isinstance(told.frame, Miss)  # so there is no thumbnail either


def test_evidence_is_complete_where_no_face_is_found(tmp_path: Path) -> None:
    files, (told,) = kept(tmp_path, Finder([]))
    assert files == [".jpg", ".jpg", ".json"]
    assert isinstance(told.frame, Frame)


def image_command(folder: Path, finder: Finder | None) -> tuple[dict[str, object], list[bytes]]:
    """What is answered to a request for a picture that was kept before anybody thought of privacy, and sent."""
    store = EvidenceStore(folder, Evidence(min_free_mb=0))
    inspection = part(Verdict.FAIL)
    store.keep(report(1, inspection), inspection)
    sent: list[bytes] = []

    def publish(_topic: str, payload: bytes, _qos: int) -> bool:
        sent.append(payload)
        return True

    handlers = requests.handlers(dict, None, store.find, privacy(finder).file, publish)  # type: ignore[arg-type]
    return dict(handlers["image"]({"id": "press-4/e1/1", "request": "r1"})), sent


def test_an_older_picture_that_is_asked_for_is_covered_before_it_goes(tmp_path: Path) -> None:
    _, sent = image_command(tmp_path, Finder())
    (tmp_path / "sent.jpg").write_bytes(b"".join(base64.b64decode(json.loads(each)["data"]) for each in sent))
    assert grey(read(tmp_path / "sent.jpg"), FACE)


def test_a_picture_without_faces_is_sent_byte_by_byte(tmp_path: Path) -> None:
    assert image_command(tmp_path / "a", Finder([])) == image_command(tmp_path / "b", None)


def test_an_older_picture_stays_here_where_faces_cannot_be_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="stays here: the model gave a score that is not a number"):
        image_command(tmp_path, Finder(fails=1))


def face_model(folder: Path, *, fails: bool = False, labels: Sequence[str] = ("face",)) -> Path:
    """A detector that sees a face in the middle of everything; or names a label that it does not have."""
    row = np.zeros((1, 2, 6), np.float32)
    row[0, 0] = (0.25, 0.25, 0.75, 0.75, 0.9, 0)
    red = np.zeros((1, 2, 6), np.float32)
    red[0, 0, 5] = 900 if fails else 0
    files = {"model.tflite": strange([Output(row, red)])}
    manifest = Manifest(
        schema="edge.bundle/2",
        name="faces",
        task="detection",
        created=datetime(2026, 1, 2, tzinfo=UTC),
        model="model.tflite",
        input=Input(width=32, height=32),
        pixels=Pixels(mean=[0.0], std=[255.0]),
        files=described(files),
        detection=DetectionHead(labels=list(labels), outputs=YoloEnd(type="yolo_end"), min_score=0.25),
    )
    return tiny_bundle.save(folder, manifest, files)


def found(folder: Path, **settings: object) -> Faces:
    faces = open_faces(config.Privacy(faces=folder, **settings), None)  # type: ignore[arg-type]
    assert faces is not None
    return faces


def test_any_detection_bundle_finds_what_is_to_be_covered(tmp_path: Path) -> None:
    assert found(face_model(tmp_path / "faces")).find(picture()) == (Box(40, 30, 120, 90),)


def test_only_what_is_sure_enough_and_has_one_of_the_labels_is_covered(tmp_path: Path) -> None:
    bundle = face_model(tmp_path / "faces", labels=["face", "plate"])
    assert found(bundle, min_score=0.95).find(picture()) == ()
    assert found(bundle, labels=["plate"]).find(picture()) == ()
    assert len(found(bundle, labels=["face"]).find(picture())) == 1


def test_a_face_model_that_does_not_fit_is_refused_when_the_station_starts(tmp_path: Path) -> None:
    bundle = face_model(tmp_path / "faces")
    with pytest.raises(BundleError, match="there is no such bundle"):
        found(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"privacy\.faces: .* is of task 'classification'; name a bundle"):
        found(tiny_bundle.classification(tmp_path / "colours"))
    with pytest.raises(
        ConfigError, match=r"privacy\.labels\[0\]: the model has no label 'fase'; did you mean"
    ):
        found(bundle, labels=["fase"])
    with pytest.raises(ConfigError, match=r"privacy\.min_score: 0\.1 is under detection\.min_score"):
        found(bundle, min_score=0.1)


def test_without_a_face_model_nothing_is_loaded() -> None:
    assert open_faces(config.Privacy(), None) is None


MIDDLE = Box(WIDTH * 0.25, HEIGHT * 0.25, WIDTH * 0.75, HEIGHT * 0.75)


def line(folder: Path, faces: Path | None) -> Daemon:
    """A station that has run, with or without a face model."""
    folder.mkdir()
    more = "[evidence]\npass_rate = 1.0\nmin_free_mb = 0\n"
    more += "" if faces is None else f'[privacy]\nfaces = "{faces}"\n'
    station = Daemon(config.load(settings(folder, more=more)))
    assert station.run() == 0
    return station


def pictures(folder: Path) -> Iterator[Image]:
    """Those of the parts; over heat maps, the defects are drawn."""
    paths = (folder / "state" / "evidence").rglob(f"*{PICTURE}")
    return (read(path) for path in paths if not path.name.endswith(MAP))


def test_a_station_keeps_covered_pictures_and_judges_as_it_did(tmp_path: Path) -> None:
    line(tmp_path / "bare", None)
    line(tmp_path / "covered", face_model(tmp_path / "faces"))
    shown = list(pictures(tmp_path / "covered"))
    assert len(shown) == len(list(pictures(tmp_path / "bare"))) > 0
    assert all(grey(each, MIDDLE) for each in shown)
    assert not any(grey(each, MIDDLE) for each in pictures(tmp_path / "bare"))
    told = [
        [(part["part_id"], part["verdict"], part["score"]) for part in reports(tmp_path / name)]
        for name in ("bare", "covered")
    ]
    assert told[0] == told[1]


def test_a_station_whose_face_model_fails_keeps_reports_alone_and_counts_the_pictures(tmp_path: Path) -> None:
    station = line(tmp_path / "line", face_model(tmp_path / "faces", fails=True))
    assert list((tmp_path / "line" / "state" / "evidence").rglob(f"*{PICTURE}")) == []
    assert station._telemetry()["drops"]["pictures"] == station.privacy.withheld > 0
    assert "faces cannot be looked for" in str(station.health.status())
    assert len(reports(tmp_path / "line")) == 8
