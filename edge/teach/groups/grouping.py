"""From an evidence folder to groups of failed parts that look alike."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edge.errors import ConfigError
from edge.teach.gather import Progress
from edge.teach.groups.choice import asked, chosen
from edge.teach.groups.density import hdbscan
from edge.teach.groups.embedding import Embedded, embed
from edge.teach.groups.failed import MOST, Failed, Suspect, find_failed
from edge.teach.groups.kmeans import Partition
from edge.teach.groups.rand_index import adjusted_rand

Method = Literal["kmeans", "hdbscan"]
METHODS: tuple[Method, ...] = ("kmeans", "hdbscan")
LOOSE, PASSED = "loose", "pass"
"""Names of what is no group: failed parts that fit nowhere, and parts that passed."""


@dataclass(frozen=True)
class Group:
    """Parts that look alike, the most typical first. `name` is its number from 1, or `LOOSE`."""

    name: str
    suspects: tuple[Suspect, ...]

    def known(self) -> Counter[str]:
        """What its parts truly have, as far as anybody knows: the defects of a part are one kind together."""
        return Counter(kind for suspect in self.suspects if (kind := truth(suspect)) is not None)


@dataclass(frozen=True)
class Grouping:
    """What came of it. `silhouette` and `agreement` (adjusted Rand index) are None where there is none to tell."""

    evidence: Path
    method: Method
    groups: tuple[Group, ...]
    passed: tuple[Path, ...]
    skipped: tuple[str, ...]
    silhouette: float | None
    agreement: float | None

    @property
    def parts(self) -> int:
        """How many failed parts were looked at."""
        return sum(len(group.suspects) for group in self.groups)

    def summary(self) -> Iterator[str]:
        """Lines for a person."""
        numbered = [group for group in self.groups if group.name != LOOSE]
        told = "" if self.silhouette is None else f", silhouette {self.silhouette:.2f}"
        yield f"{self.parts} failed parts, {len(numbered)} groups ({self.method}{told})"
        for group in self.groups:
            known = ", ".join(f"{count} {kind}" for kind, count in group.known().most_common())
            title = "fit nowhere" if group.name == LOOSE else f"group {group.name}"
            yield f"  {title:<12} {len(group.suspects):>5} parts{f': {known}' if known else ''}"
        if self.agreement is not None:
            yield f"adjusted Rand index against what is known of the parts: {self.agreement:.3f}"


def group_evidence(
    evidence: Path,
    progress: Progress,
    *,
    method: Method = "kmeans",
    count: int | None = None,
    most: int = MOST,
) -> Grouping:
    """Group the latest `most` failed parts: into `count` groups, or as many as there seem to be.

    The same evidence gives the same groups. Raises `ConfigError` where there is nothing to group, where `count` is
    more than the parts that differ, and where scikit-learn is missing for `hdbscan`.
    """
    if count is not None and method == "hdbscan":
        raise ConfigError("--groups goes with kmeans: hdbscan finds out itself how many there are")
    failed = find_failed(evidence, most)
    embedded = embed(failed.suspects, progress)
    if method == "hdbscan":
        found = hdbscan(embedded.vectors)
    else:
        found = chosen(embedded.vectors) if count is None else asked(embedded.vectors, count)
    return _grouping(evidence, method, failed, embedded, found)


def truth(suspect: Suspect) -> str | None:
    """Its known defects as one name; None where nobody knows."""
    return None if suspect.truth is None else "+".join(sorted(set(suspect.truth))) or "good"


def _grouping(
    evidence: Path, method: Method, failed: Failed, embedded: Embedded, found: Partition
) -> Grouping:
    groups = [_group(str(number + 1), embedded, found.groups == number) for number in range(found.count)]
    if (found.groups < 0).any():
        groups.append(_group(LOOSE, embedded, found.groups < 0))
    known = [truth(suspect) for suspect in embedded.suspects]
    return Grouping(
        evidence,
        method,
        tuple(groups),
        failed.passed,
        failed.skipped + embedded.skipped,
        None if np.isnan(found.silhouette) else found.silhouette,
        None if None in known else adjusted_rand(known, found.groups.tolist()),
    )


def _group(name: str, embedded: Embedded, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Group:
    members = np.flatnonzero(inside)
    vectors = embedded.vectors[members]
    far = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)
    return Group(name, tuple(embedded.suspects[member] for member in members[np.argsort(far, kind="stable")]))
