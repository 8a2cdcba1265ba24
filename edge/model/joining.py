"""What joins judged frames to parts, as the recipe wants it: a vote, or parts that are followed."""

import difflib
from collections.abc import Callable, Iterator
from uuid import uuid4

from edge.config import Check as CheckConfig
from edge.config import Recipe
from edge.errors import ConfigError
from edge.judge.rules import judge
from edge.judge.track.tracker import Tracker
from edge.judge.vote import Joining, Quorum, Vote
from edge.judge.words import unknown_label
from edge.model.bundle import load
from edge.model.untaught import is_taught
from edge.pipeline import Inspector
from edge.prediction import Prediction
from edge.types import Decision


def open_joining(recipe: Recipe, inspector: Callable[[], Inspector]) -> Joining:
    """The joining of a recipe whose checks `inspector` has open, now and later.

    Raises `ConfigError` where the part to follow is nothing that a check could find.
    """
    quorum = Quorum(recipe.fail_frames, recipe.of_frames)
    if recipe.track is None:
        return Vote(quorum)
    check = _finder(recipe)

    def judge_again(name: str, prediction: Prediction) -> Decision:
        known = next(known for known in inspector().checks if known.config.name == name)
        return judge(prediction, known.model.limits, known.config.rules)

    return Tracker(recipe, check.name, judge_again, uuid4().hex[:12])


def _finder(recipe: Recipe) -> CheckConfig:
    """The check that finds the parts to follow."""
    track = recipe.track
    assert track is not None  # noqa: S101 - for those that follow
    labels = dict(_labels(recipe))
    named = [check for check in recipe.checks if track.check in {None, check.name}]
    if not named:
        raise ConfigError(
            f"recipe.track.check: there is no check '{track.check}'; {_near(track.check, recipe)}"
        )
    finders = [check for check in named if check.name in labels]
    if not finders:
        raise ConfigError(
            f"recipe.track: {_whose(named)}: nothing is detected there, so nothing can be followed; a bundle with"
            " task 'detection' does: add a check with one, or take recipe.track out"
        )
    having = [check for check in finders if track.label in labels[check.name]]
    if not having:
        known = sorted({label for check in finders for label in labels[check.name]})
        raise ConfigError(f"{_whose(finders)}: {unknown_label('recipe.track.label', track.label, known)}")
    if len(having) > 1:
        names = ", ".join(check.name for check in having)
        raise ConfigError(f"recipe.track.check: {names} all find '{track.label}'; say which one to follow")
    return having[0]


def _labels(recipe: Recipe) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What each check that detects can find, by its name."""
    for check in recipe.checks:
        if is_taught(check.bundle):
            manifest = load(check.bundle).manifest
            if manifest.task == "detection":
                yield check.name, tuple(manifest.labels)


def _near(name: str | None, recipe: Recipe) -> str:
    names = [check.name for check in recipe.checks]
    near = difflib.get_close_matches(name or "", names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(names)}"


def _whose(checks: list[CheckConfig]) -> str:
    names = ", ".join(check.name for check in checks)
    return f"check {names}" if len(checks) == 1 else f"checks {names}"
