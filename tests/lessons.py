"""Records of lessons, made up: for what tells a person of them."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from edge.teach.limits import learn
from edge.teach.record import Agreement, Candidate, Record, Shown

CHOSEN = Candidate(224, 224, "none", (16,), "memory_bank", 0.9912, 4.23, 4.87, 458_752, chosen=True)
OTHER = Candidate(
    320, 256, "stretch", (8, 16), "one_class_svm", 0.9754, 3.11, 9.62, 91_000, chosen=False, registered=True
)


def shown(title: str, score: float, *, damaged: bool = False) -> Shown:
    """A grey picture of 80×120 with a warm corner in its map."""
    picture = np.full((80, 120, 3), 120, np.uint8)
    anomaly_map = np.full((5, 7), 0.2, np.float32)
    anomaly_map[0, 0] = 2 * score
    anomaly_map[4, 6] = np.nan
    defect = np.zeros((80, 120), np.bool_)
    defect[4:9, 3:20] = True
    return Shown(title, picture, anomaly_map, score, defect if damaged else None)


def record(parts: int = 20, **changes: object) -> Record:
    """A lesson of so many parts; whatever is given replaces what it would have."""
    rng = np.random.default_rng(parts)
    distances = np.exp(rng.normal(2.0, 0.1, parts))
    limit = learn(distances)
    whole = Record(
        name="washer",
        version=3,
        created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        pictures=parts,
        skipped=("c.png: cannot be decoded",),
        outliers=("b.png",),
        candidates=(OTHER, CHOSEN),
        good=tuple(
            (f"{place}.png", float(one)) for place, one in enumerate(distances / limit.limit_distance)
        ),
        damaged=(0.5, *(1.2 + 0.1 * place for place in range(18)), 0.97),
        bad=(1.7, 2.2),
        limit=limit,
        worst_good=(shown("7.png", 0.81),),
        damaged_shown=(shown("scratch", 1.43, damaged=True),),
        bad_shown=(),
        agreement=Agreement(0.9921, 0.9912, 0.9973),
        taught_s=6.83,
        model_ms=4.87,
        backbone_ms=4.12,
        head_mb=0.459,
        bundle_mb=4.62,
        peak_mb=388.0,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]
