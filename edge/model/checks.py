"""The checks of a recipe, opened: bundles loaded, proven, and ready to run."""

from collections.abc import Sequence
from pathlib import Path

from edge.config import Check as CheckConfig
from edge.config import Config
from edge.judge.rules import check_rules
from edge.model import golden
from edge.model.bundle import load
from edge.model.delegates import CPU, DelegateConfig
from edge.model.runner import open_model
from edge.model.standby import Standby
from edge.model.untaught import Untaught, is_taught
from edge.model.verify import verify
from edge.pipeline import Check, Inspector
from edge.preprocess.quality import QualityGate


def open_check(config: CheckConfig, verified: Path | None) -> Check:
    """Load a check's bundle, prove it in a child process unless `verified` remembers it, and open its model.

    Its golden pictures are then replayed as it will run here, on the CPU and on its delegate. A delegate that
    cannot be used leaves the CPU, and says why. A teachable check of which nothing is taught yet judges nothing.
    Raises `BundleError`.
    """
    if config.teachable and not is_taught(config.bundle):
        return Check(config, Untaught())
    bundle = load(config.bundle)
    verify(bundle, verified)
    model = open_model(bundle, threads=config.threads)
    golden.check(bundle, golden.replay(bundle, model))
    check_rules(config, model.limits, model.labels)
    delegate = DelegateConfig.of(config)
    if delegate.name == CPU.name:
        return Check(config, model)
    return Check(config, Standby(bundle, model, delegate, config.threads))


def probe_delegates(checks: Sequence[Check]) -> None:
    """Try those delegates again that were lost, and whose time has come. For one thread; it may take a minute."""
    for check in checks:
        if isinstance(check.model, Standby):
            check.model.probe()


def open_checks(config: Config, verified: Path | None) -> list[Check]:
    """Every check of the recipe. Raises `BundleError`."""
    return [open_check(check, verified) for check in config.recipe.checks]


def open_inspector(config: Config, verified: Path | None) -> Inspector:
    """Everything that looks at a frame. Raises `BundleError`."""
    checks = tuple(open_checks(config, verified))
    return Inspector(QualityGate(checks[0].model.quality, config.quality), checks)
