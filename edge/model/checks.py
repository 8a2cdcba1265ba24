"""The checks of a recipe, opened: bundles loaded, proven, and ready to run."""

from pathlib import Path

from edge.config import Check as CheckConfig
from edge.config import Config
from edge.judge.rules import check_rules
from edge.model import golden
from edge.model.bundle import load
from edge.model.interpreter import DelegateConfig
from edge.model.runner import open_model
from edge.model.untaught import Untaught, is_taught
from edge.model.verify import verify
from edge.pipeline import Check, Inspector
from edge.preprocess.quality import QualityGate


def open_check(config: CheckConfig, verified: Path | None) -> Check:
    """Load a check's bundle, prove it in a child process unless `verified` remembers it, and open its model.

    Its golden pictures are then replayed as it will run here, delegate and all. A teachable check of which nothing
    is taught yet judges nothing. Raises `BundleError`.
    """
    if config.teachable and not is_taught(config.bundle):
        return Check(config, Untaught())
    bundle = load(config.bundle)
    verify(bundle, verified)
    model = open_model(bundle, DelegateConfig.of(config), config.threads)
    golden.check(bundle, golden.replay(bundle, model))
    check_rules(config, model.limits, model.labels)
    return Check(config, model)


def open_checks(config: Config, verified: Path | None) -> list[Check]:
    """Every check of the recipe. Raises `BundleError`."""
    return [open_check(check, verified) for check in config.recipe.checks]


def open_inspector(config: Config, verified: Path | None) -> Inspector:
    """Everything that looks at a frame. Raises `BundleError`."""
    checks = tuple(open_checks(config, verified))
    return Inspector(QualityGate(checks[0].model.quality, config.quality), checks)
