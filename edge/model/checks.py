"""The checks of a recipe, opened: bundles loaded, proven, and ready to run."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge.config import Check as CheckConfig
from edge.config import Config
from edge.errors import ConfigError, DeviceError, InferenceError
from edge.judge.rules import check_rules
from edge.model import golden
from edge.model.bundle import Bundle, load
from edge.model.delegates import CPU, DelegateConfig
from edge.model.instrument import Instrument
from edge.model.measurement import read_calibration
from edge.model.runner import Model, open_any, open_model
from edge.model.standby import Standby
from edge.model.tuning import FILE as TUNED
from edge.model.tuning import Surroundings, recall
from edge.model.untaught import Untaught, is_taught
from edge.model.verify import verify
from edge.pipeline import Check, Inspector
from edge.preprocess.quality import QualityGate

log = logging.getLogger(__name__)

AUTO = "auto"
"""The delegate that stands for whatever `edge tune` has found."""


def open_check(config: CheckConfig, verified: Path | None, tuned: Path | None = None) -> Check:
    """Load a check's bundle, prove it in a child process unless `verified` remembers it, and open its model.

    Its golden pictures are then replayed as it will run here, on the CPU and on its delegate. A delegate that
    cannot be used leaves the CPU, and says why; so does `auto` where the file `tuned` has nothing that holds. A
    teachable check of which nothing is taught yet judges nothing. Raises `BundleError`.
    """
    if config.teachable and not is_taught(config.bundle):
        return Check(config, Untaught())
    bundle = load(config.bundle)
    verify(bundle, verified)
    model = open_any(bundle, config.threads)
    golden.check(bundle, golden.replay(bundle, model))
    check_rules(config, model.limits, model.task, model.labels)
    _check_scores(config, bundle)
    delegate = DelegateConfig.of(config)
    if isinstance(model, Instrument):
        if delegate.name not in {CPU.name, AUTO}:
            raise ConfigError(
                f"check {config.name}: delegate: is '{delegate.name}', but {bundle.folder} has no network;"
                " take it out"
            )
        if config.polygon:
            raise ConfigError(
                f"check {config.name}: polygon: is for networks; {bundle.folder} looks at its roi, a rectangle"
            )
        if config.enhance:
            raise ConfigError(
                f"check {config.name}: enhance: is for networks, but {bundle.folder} has none; take it out"
            )
        return Check(config, model)
    if delegate.name == AUTO:
        return Check(config, _as_tuned(bundle, model, delegate, tuned))
    if delegate.name == CPU.name:
        return Check(config, model)
    return Check(config, Standby(bundle, model, delegate, config.threads))


def _check_scores(config: CheckConfig, bundle: Bundle) -> None:
    """What a detector never looks at must not count as absent. Raises `ConfigError`."""
    table, doubt_from = bundle.manifest.detection, config.rules.detection.doubt_from
    if table is not None and doubt_from < table.min_score:
        raise ConfigError(
            f"check {config.name}: rules.detection.doubt_from: {doubt_from:g} is under detection.min_score of"
            f" {bundle.folder}, which is {table.min_score:g}: nothing so faint is ever found; raise the one, or"
            " lower the other"
        )


def _as_tuned(bundle: Bundle, cpu: Model, delegate: DelegateConfig, tuned: Path | None) -> Model | Standby:
    """What `edge tune` has found; where that does not hold now, the CPU, and the reason in every report."""
    try:
        winner = recall(tuned, bundle.digest, Surroundings.here(delegate))
        way = winner.way
        if winner.throttled:
            log.warning(
                "%s: was tuned while the board was throttled; cool it, and run 'edge tune'", bundle.folder
            )
        if way.delegate != CPU.name:
            chosen = replace(delegate, name=way.delegate)
            return Standby(bundle, cpu, chosen, way.threads, way.precision)
        model = open_model(bundle, CPU, way.threads, way.precision)
        golden.check(bundle, golden.replay(bundle, model))
    except (ConfigError, DeviceError, InferenceError) as err:
        reason = f"delegate 'auto': {bundle.folder}: {err}"
        log.warning("%s", reason)
        cpu.identity = replace(cpu.identity, fallback=reason)
        return cpu
    return model


def probe_delegates(checks: Sequence[Check]) -> None:
    """Try those delegates again that were lost, and whose time has come. For one thread; it may take a minute."""
    for check in checks:
        if isinstance(check.model, Standby):
            check.model.probe()


def open_checks(config: Config, verified: Path | None) -> list[Check]:
    """Every check of the recipe. Raises `BundleError`."""
    tuned = config.station.state_dir / TUNED
    checks = [open_check(check, verified, tuned) for check in config.recipe.checks]
    if config.correction.lens is not None:
        for check in checks:
            _complain_of_a_second_lens(check)
    return checks


def _complain_of_a_second_lens(check: Check) -> None:
    """A lens that is corrected in the frame is not to be corrected in what is measured. Raises `ConfigError`."""
    if not isinstance(check.model, Instrument):
        return
    bundle = load(check.config.bundle)
    table = bundle.manifest.measurement
    if table is None or table.calibration is None:
        return
    if read_calibration(bundle, table.calibration).lens is not None:
        raise ConfigError(
            f"correction.lens: check {check.config.name} corrects the lens itself, in {bundle.folder}; take out"
            " correction.lens, or calibrate the check on corrected pictures"
        )


def open_inspector(config: Config, verified: Path | None) -> Inspector:
    """Everything that looks at a frame. Raises `BundleError`."""
    checks = tuple(open_checks(config, verified))
    return Inspector(QualityGate(checks[0].model.quality, config.quality), checks)
