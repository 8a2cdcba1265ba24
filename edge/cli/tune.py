"""`edge tune`: which delegate, precision and number of threads runs a bundle fastest on this device."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from edge import config as settings
from edge.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from edge.model.bundle import Bundle
    from edge.model.contenders import Contender
    from edge.model.delegates import DelegateConfig
    from edge.model.tuning import Winner


class Climate(NamedTuple):
    """How warm the board got, and why it slowed itself down meanwhile."""

    hottest_c: float | None
    throttled: tuple[str, ...]


class Target(NamedTuple):
    """A bundle to tune, the delegate that its check has, and the file that keeps the winner; None: nobody does."""

    bundle: Path
    delegate: "DelegateConfig"
    kept_at: Path | None = None


def tune(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="A model bundle; none: those of all checks that say 'auto'."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help='The station\'s TOML file: keeps the winner there, for delegate = "auto".'),
    ] = None,
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each way runs five times in each.")] = 20,
    if_needed: Annotated[
        bool, typer.Option("--if-needed", help="Only where nothing that was kept holds any more.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each bundle.")] = False,
) -> None:
    """Measure every way to run a bundle on this device: threads × delegate × precision, in turn.

    A way counts only where it answers the bundle's golden pictures as was taught.
    """
    from edge.model.bundle import load
    from edge.model.tuning import keep
    from edge.model.verify import verify

    for target in _targets(bundle, config):
        loaded, kept_at = load(target.bundle), target.kept_at
        if if_needed and kept_at is not None and _holds(kept_at, loaded, target.delegate):
            typer.echo(
                f"{target.bundle}: what is kept in {kept_at} still holds; nothing is measured", err=True
            )
            continue
        verify(loaded)
        contenders, climate = _measured(loaded, target.delegate, rounds)
        winner = _winner(contenders, climate, target.delegate)
        if kept_at is not None:
            keep(kept_at, loaded.digest, winner)
        figures = _figures(loaded, contenders, winner, climate)
        typer.echo(json.dumps(figures) if as_json else "\n".join(_lines(figures, kept_at)))


def _targets(bundle: Path | None, config: Path | None) -> list[Target]:
    """What is to be tuned. Raises `ConfigError`, `BundleError`."""
    from edge.model.bundle import load
    from edge.model.delegates import DelegateConfig
    from edge.model.tuning import FILE
    from edge.model.untaught import is_taught

    if config is None:
        if bundle is None:
            raise ConfigError("name a bundle, or the station's file with --config")
        return [Target(bundle, DelegateConfig())]
    station = settings.load(config)
    if bundle is not None:
        checks = [_check(station, load(bundle).folder)]
    else:
        checks = [check for check in station.recipe.checks if check.delegate == "auto"]
        if not checks:
            raise ConfigError(f'{config}: no check says delegate = "auto"; name a bundle, too')
    kept_at = station.station.state_dir / FILE
    return [
        Target(check.bundle, DelegateConfig.of(check), kept_at) for check in checks if is_taught(check.bundle)
    ]


def _measured(bundle: "Bundle", delegate: "DelegateConfig", rounds: int) -> tuple[list["Contender"], Climate]:
    import os

    from edge.cli.progress import bar
    from edge.health.board import Board
    from edge.model.contenders import enter, measure, ways

    board = Board()
    temperatures: list[float] = []
    throttled: dict[str, None] = {}

    def look() -> None:
        celsius = board.temperature_c()
        temperatures.extend([] if celsius is None else [celsius])
        throttled.update(dict.fromkeys(board.throttled() or ()))

    with bar() as progress:
        tried = ways(bundle, delegate, len(os.sched_getaffinity(0)))
        contenders = []
        for number, way in enumerate(tried):
            progress("opening", number, len(tried))
            contenders.append(enter(bundle, way, delegate))
        progress("opening", len(tried), len(tried))
        look()

        def after_round(number: int) -> None:
            progress("measuring", number + 1, rounds)
            look()

        measure(bundle, contenders, rounds, after_round)
    return contenders, Climate(max(temperatures, default=None), tuple(throttled))


def _winner(contenders: Sequence["Contender"], climate: Climate, delegate: "DelegateConfig") -> "Winner":
    from datetime import UTC, datetime

    from edge.message import timestamp
    from edge.model.contenders import fastest
    from edge.model.tuning import Surroundings, Winner

    best = fastest(contenders)
    now = timestamp(datetime.now(UTC))
    return Winner(best.way, Surroundings.here(delegate), round(best.p50_ms, 2), now, climate.throttled)


def _check(station: settings.Config, bundle: Path) -> settings.Check:
    """The check of the recipe that uses this bundle. Raises `ConfigError`."""
    from edge.model.versions import resolve

    for check in station.recipe.checks:
        with suppress(BundleError):  # of another check, whose product may not be taught yet
            if resolve(check.bundle).resolve() == bundle.resolve():
                return check
    used = ", ".join(str(check.bundle) for check in station.recipe.checks)
    raise ConfigError(f"{bundle}: no check of the station's recipe uses it; tune one of {used}")


def _holds(path: Path, bundle: "Bundle", delegate: "DelegateConfig") -> bool:
    from edge.model.tuning import Surroundings, recall

    try:
        recall(path, bundle.digest, Surroundings.here(delegate))
    except ConfigError:
        return False
    return True


def _figures(
    bundle: "Bundle", contenders: Sequence["Contender"], winner: "Winner", climate: Climate
) -> dict[str, Any]:
    return {
        "bundle": str(bundle.folder),
        "digest": bundle.digest,
        "device": winner.surroundings.device,
        "runtime": winner.surroundings.runtime,
        "fastest": {**vars(winner.way)},
        "ways": [_row(contender) for contender in contenders],
        "hottest_c": climate.hottest_c,
        "throttled": list(climate.throttled),
    }


def _row(contender: "Contender") -> dict[str, Any]:
    row: dict[str, Any] = {**vars(contender.way)}
    if contender.refused is not None:
        return {**row, "refused": contender.refused}
    return {**row, "p50_ms": round(contender.p50_ms, 2), "p95_ms": round(contender.p95_ms, 2)}


def _lines(figures: dict[str, Any], kept_at: Path | None) -> list[str]:
    """The table for a person."""
    lines = [f"{figures['device']}; {figures['runtime']}"]
    lines.append(f"{'delegate':<10}{'precision':<11}{'threads':>7}{'p50 ms':>9}{'p95 ms':>9}")
    for row in figures["ways"]:
        head = f"{row['delegate']:<10}{row['precision']:<11}{row['threads']:>7}"
        if "refused" in row:
            lines.append(f"{head}        –        –  {row['refused']}")
            continue
        best = all(row[key] == value for key, value in figures["fastest"].items())
        lines.append(f"{head}{row['p50_ms']:>9.2f}{row['p95_ms']:>9.2f}{'  ← taken' if best else ''}")
    if figures["hottest_c"] is not None:
        lines.append(f"the board got {figures['hottest_c']:.0f} °C warm")
    lines += [f"measured while throttled: {reason}; cool it, and repeat" for reason in figures["throttled"]]
    if kept_at is None:
        lines.append('nothing was kept; --config FILE keeps it for the checks that say delegate = "auto"')
    else:
        lines.append(f'kept in {kept_at}, for the checks that say delegate = "auto"')
    return lines
