"""The end of a lesson: from what was chosen to limits, a bundle that proves itself, and a report."""

import json
import resource
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from edge.geometry import Image, Map
from edge.model import examples, shipped
from edge.model.anomaly_head import GAIN
from edge.model.arrays import Arrays, Floats
from edge.model.arrays import pack as pack_arrays
from edge.model.bundle import Bundle, write
from edge.model.tables.anomaly import AnomalyHead
from edge.model.versions import Shelf
from edge.preprocess.picture import read
from edge.preprocess.quality import learn_limits
from edge.teach import limits, notebook, report
from edge.teach.agreement import compare
from edge.teach.choice import Choice
from edge.teach.contest import Sample, Trial, fit, fitted, looker
from edge.teach.evenly import evenly
from edge.teach.examples import BUDGET_BYTES, Look, look, make_examples, shares
from edge.teach.exhibits import show_bad, show_damaged, show_worst
from edge.teach.eye import Eye
from edge.teach.gather import Gathered, Gatherer, Progress
from edge.teach.golden import golden_pictures
from edge.teach.limits import Limit, Scores
from edge.teach.notebook import Notebook
from edge.teach.outliers import stand_out
from edge.teach.pace import pace_ms
from edge.teach.packing import Draft, pack
from edge.teach.parallel import counter, processors
from edge.teach.record import Agreement, Candidate, Record, to_json
from edge.teach.wishes import Wishes

HEAD = "head.npz"
REPORT = "report.html"
FIGURES = "report.json"
MB = 1e6
FEWEST_COMPARED, MOST_COMPARED = 4, 20
"""Pictures to see whether int8 says what float says: one half is taught, and the other tried."""


@dataclass(frozen=True, eq=False)
class Taught:
    """What a lesson came to. `activated` is False where the version before it is to judge on, for now."""

    bundle: Bundle
    record: Record
    activated: bool

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.bundle.folder / REPORT

    def summary(self) -> list[str]:
        """Lines for a person."""
        record, chosen = self.record, self.record.candidates[0]
        strides = "+".join(map(str, chosen.strides_px))
        size = f"{chosen.width}×{chosen.height}"
        setting = f"{chosen.method}, stride {strides}, contrast {chosen.contrast}, {size}"
        return [
            f"taught {record.name}, version {record.version}, on {record.pictures} pictures: {setting}",
            *(f"not used: {line}" for line in record.skipped),
            *(f"look at {line}; leave it out with --drop if it is bad" for line in record.outliers),
            record.limit.sentence(),
            self._told_apart(),
            *self._warnings(),
            f"report {self.report}",
        ]

    def to_json(self) -> dict[str, Any]:
        """All figures, JSON-able."""
        return {
            **to_json(self.record),
            "folder": str(self.bundle.folder),
            "digest": self.bundle.digest,
            "report": str(self.report),
            "activated": self.activated,
        }

    def _told_apart(self) -> str:
        record = self.record
        if not record.bad and not record.damaged:
            return "not tried on defects: there is no picture at hand to make some up on"
        against = "known-bad parts" if record.bad else "made-up defects"
        return f"{against} against good parts, all held out: AUROC {record.candidates[0].auroc:.3f}"

    def _warnings(self) -> list[str]:
        if self.activated:
            return []
        name, version = self.record.name, self.record.version
        return [
            "not activated: int8 does not say what float says (see the report)",
            f"to have it all the same: edge teach {name} --activate {version}",
        ]


@dataclass(frozen=True, eq=False)
class _Held:
    """What was found on pictures that were held out, and the limits that it gives."""

    sample: Sample
    trial: Trial
    limit: Limit

    def relative(self, maps: Floats) -> list[Map]:
        """Maps of distances as maps of scores."""
        return list(maps * self.trial.gain / np.float32(self.limit.limit_distance))

    def scores(self, distances: Scores) -> tuple[float, ...]:
        """Distances as scores."""
        return tuple(float(distance / self.limit.limit_distance) for distance in distances)


def conclude(
    name: str,
    shelf: Shelf,
    gathered: Gathered,
    choice: Choice,
    wishes: Wishes,
    start: float,
    progress: Progress,
) -> Taught:
    """Find the limits, make the bundle, write it as the shelf's next version, and activate that."""
    held = _hold_out(gathered, choice, wishes, progress)
    arrays = fit(choice.method, held.sample.good, wishes.head_bytes, wishes.seed)
    agreement = _agreement(gathered, choice, held, wishes)
    progress("writing the bundle", 0, 1)
    files = _files(gathered, choice, held, arrays, wishes)
    record = _record(name, shelf.number, gathered, choice, held, arrays)
    record = replace(
        record,
        agreement=agreement,
        bundle_mb=sum(map(len, files.values())) / MB,
        taught_s=monotonic() - start,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB,
    )
    files[REPORT] = report.html(record).encode()
    files[FIGURES] = json.dumps(to_json(record), indent=1).encode()
    bundle = pack(
        _draft(name, shelf.number, gathered, choice, held.limit),
        choice.eye.name,
        files,
        _golden(gathered, choice, held, wishes),
        shelf.next,
    )
    write(shelf.next, bundle.manifest, bundle.files)
    activated = wishes.force or agreement is None or agreement.accepted
    if activated:
        shelf.activate(shelf.number)
    progress("writing the bundle", 1, 1)
    return Taught(bundle, record, activated)


def _hold_out(gathered: Gathered, choice: Choice, wishes: Wishes, progress: Progress) -> _Held:
    sample = gathered.sample(choice.eye, choice.strides_px)
    parts = list(limits.folds(len(sample.good)))
    step = counter(lambda done: progress("finding the limits", done, len(parts)))
    trial, _ = fitted(choice.method, sample, parts, wishes.head_bytes, wishes.seed, step)
    limit = limits.learn(trial.good_scores, false_reject=wishes.false_reject, confidence=wishes.confidence)
    return _Held(sample, trial, limit)


def _files(
    gathered: Gathered, choice: Choice, held: _Held, arrays: Arrays, wishes: Wishes
) -> dict[str, bytes]:
    """All that the bundle holds but for report and golden pictures."""
    gain = {GAIN: held.trial.gain} if held.trial.calibrate else {}
    looks, rng = _looks(gathered, choice, wishes), np.random.default_rng(wishes.seed)
    learned = {HEAD: pack_arrays({**arrays, **gain})}
    room = int(wishes.budget_mb * MB) - len(learned[HEAD])
    shown = make_examples(looks, rng, min(BUDGET_BYTES, room)) if looks else b""
    if 0 < len(shown) <= room:
        learned[examples.FILE] = shown
        room -= len(shown)
    seen = tuple(gathered.good[choice.eye])
    notes = notebook.write(Notebook(gathered.names, gathered.measures, seen), room)
    if notes is not None:
        learned[notebook.FILE] = notes
    return {choice.eye.name: choice.eye.content, **learned}


def _record(
    name: str, version: int, gathered: Gathered, choice: Choice, held: _Held, arrays: Arrays
) -> Record:
    """What is to be told; the last figures come when the bundle is made."""
    trial, limit = held.trial, held.limit
    good, damaged, bad = map(held.scores, (trial.good_scores, trial.damaged_scores, trial.bad_scores))
    named = tuple(zip(gathered.names, good, strict=True))
    backbone_ms = choice.eye.pace_ms()
    look = looker(choice.method, arrays, held.sample)
    head_ms = pace_ms(lambda: look(held.sample.good[0]))
    at_hand = gathered.at_hand
    paths = [path for path in gathered.paths if path is not None]
    good_maps = held.relative(trial.good)
    return Record(
        name=name,
        version=version,
        created=datetime.now(UTC).replace(microsecond=0),
        pictures=len(gathered.names),
        skipped=gathered.skipped,
        outliers=tuple(outlier.name for outlier in stand_out(named)),
        candidates=choice.candidates or (_only(choice, trial, arrays, backbone_ms + head_ms),),
        good=named,
        damaged=damaged,
        bad=bad,
        limit=limit,
        worst_good=show_worst(
            paths,
            [good_maps[place] for place in at_hand],
            [good[place] for place in at_hand],
            choice.eye.spec.roi,
        ),
        damaged_shown=show_damaged(
            gathered.exhibits,
            held.relative(trial.damaged),
            damaged,
            lambda number: f"made up on {gathered.names[gathered.parents[number]]}",
        ),
        bad_shown=show_bad(gathered.bad_paths, held.relative(trial.bad), bad, choice.eye.spec.roi),
        agreement=None,
        taught_s=0.0,
        model_ms=backbone_ms + head_ms,
        backbone_ms=backbone_ms,
        head_mb=sum(array.nbytes for array in arrays.values()) / MB,
        bundle_mb=0.0,
        peak_mb=0.0,
    )


def _only(choice: Choice, trial: Trial, arrays: Arrays, model_ms: float) -> Candidate:
    """What there is to say of a setting that was not compared."""
    spec = choice.eye.spec
    return Candidate(
        width=spec.width,
        height=spec.height,
        contrast=spec.contrast,
        strides_px=choice.strides_px,
        method=choice.method,
        auroc=trial.auroc,
        separation=trial.separation,
        model_ms=model_ms,
        head_bytes=sum(array.nbytes for array in arrays.values()),
        chosen=True,
    )


def _draft(name: str, version: int, gathered: Gathered, choice: Choice, limit: Limit) -> Draft:
    head = AnomalyHead(
        method=choice.method,
        head=HEAD,
        strides_px=list(choice.strides_px),
        limit_distance=limit.limit_distance,
    )
    return Draft(name, version, choice.eye.spec, head, limit.pass_below, learn_limits(gathered.measures))


def _golden(gathered: Gathered, choice: Choice, held: _Held, wishes: Wishes) -> dict[str, Image]:
    paths = [path for path in gathered.paths if path is not None]
    if not paths:
        return dict(gathered.golden)
    scores = held.trial.good_scores[gathered.at_hand]
    return golden_pictures(paths, scores.tolist(), choice.eye.spec.roi, wishes.seed)


def _agreement(gathered: Gathered, choice: Choice, held: _Held, wishes: Wishes) -> Agreement | None:
    """None where the float backbone is not installed, or where there are too few pictures to compare."""
    reference = shipped.reference(choice.eye.name)
    compared = gathered.compared()
    if reference is None or len(compared) < FEWEST_COMPARED:
        return None
    places = [compared[number] for number in evenly(len(compared), MOST_COMPARED)]
    eye = Eye.of(reference, choice.eye.spec, processors())
    again = Gatherer([eye], choice.eye.spec.roi, wishes.seed).revisit(gathered, places)
    return compare(held.sample.of(places), again.sample(eye, choice.strides_px), wishes.seed)


def _looks(gathered: Gathered, choice: Choice, wishes: Wishes) -> list[Look]:
    """Some of the good parts, as examples of how things should look: of earlier lessons, and of this."""
    rng = np.random.default_rng(wishes.seed)
    taps = choice.eye.taps(choice.strides_px)
    at_hand = gathered.at_hand
    old, new = shares(len(gathered.looks), len(at_hand), len(gathered.names))
    found = [gathered.looks[number] for number in old]
    for place in (at_hand[number] for number in new):
        path, seen = gathered.paths[place], gathered.good[choice.eye][place]
        assert path is not None  # noqa: S101 - it is at hand
        found.append(look(path.name, read(path), seen.layout, list(seen.cells(taps)), rng))
    return found
