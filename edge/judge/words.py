"""Sentences that every kind of judgement needs."""

import difflib
from collections.abc import Collection

from edge.types import Decision, Verdict


def error(reason: str) -> Decision:
    """A part that could not be judged."""
    return Decision(Verdict.ERROR, (f"not judged: {reason}",))


def unknown_label(key: str, label: str, labels: Collection[str]) -> str:
    """That a setting names a label which the model does not have, and which one may be meant."""
    near = difflib.get_close_matches(label, labels, n=1)
    meant = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(sorted(labels))}"
    return f"{key}: the model has no label '{label}'; {meant}"
