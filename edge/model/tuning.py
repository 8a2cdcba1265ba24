"""What `edge tune` has found: the fastest way to run a bundle on this device, kept in the state folder."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge.durable import replace_file
from edge.errors import ConfigError
from edge.kernel_file import board_name, read_text
from edge.model.content import Precision
from edge.model.delegates import DELEGATES, DelegateConfig
from edge.model.runtime import runtime

FILE = "tuned.json"
SCHEMA = "edge.tuned/1"
MOST_KEPT = 64
"""Bundles; the oldest measurement goes first."""


@dataclass(frozen=True)
class Way:
    """How a bundle may be run."""

    delegate: str
    precision: Precision
    threads: int

    def __str__(self) -> str:
        """As people call it."""
        return f"{self.delegate}, {self.precision}, {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclass(frozen=True)
class Surroundings:
    """What a measurement holds for: on anything else it is to be repeated."""

    device: str
    runtime: str
    library: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def here(cls, delegate: DelegateConfig) -> "Surroundings":
        """This machine and its software; of the settings' delegate, the library and its options."""
        library = None if delegate.library is None else str(delegate.library)
        return cls(this_device(), runtime(), library, tuple(sorted(delegate.options.items())))


@dataclass(frozen=True)
class Winner:
    """The fastest way, and how it was measured. `throttled` says why the board was slower than it could be."""

    way: Way
    surroundings: Surroundings
    p50_ms: float
    measured_at: str
    throttled: tuple[str, ...] = ()


def keep(path: Path, digest: str, winner: Winner) -> None:
    """Remember the winner of a bundle, in the place of an earlier one. Raises `ConfigError`."""
    winners = {key: kept for key, kept in _winners(path).items() if key != digest}
    latest = dict(list(winners.items())[1 - MOST_KEPT :])
    content = json.dumps({"schema": SCHEMA, "winners": {**latest, digest: asdict(winner)}}, indent=1)
    try:
        replace_file(path, content.encode())
    except OSError as err:
        raise ConfigError(f"{path}: cannot be written: {err.strerror or err}") from err


def recall(path: Path | None, digest: str, now: Surroundings) -> Winner:
    """What was kept for this bundle. Raises `ConfigError`, which says why it is not to be used."""
    kept = None if path is None else _winners(path).get(digest)
    if kept is None:
        raise ConfigError("has not been tuned on this device since it was taught; run 'edge tune'")
    try:
        winner = _winner(kept)
    except (KeyError, TypeError, ValueError) as err:
        raise ConfigError(f"{path}: is damaged; run 'edge tune'") from err
    then = winner.surroundings
    for what, before, after in (
        ("on another device", then.device, now.device),
        ("with another runtime", then.runtime, now.runtime),
        ("with another delegate_library", then.library, now.library),
        ("with other delegate_options", dict(then.options), dict(now.options)),
    ):
        if before != after:
            raise ConfigError(f"was tuned {what} ({before}; now {after}); run 'edge tune' again")
    return winner


def this_device(root: Path = Path("/")) -> str:
    """What this machine is: board or processor, and the number of its cores."""
    board = board_name(root)
    if not board:
        lines = read_text(root / "proc/cpuinfo").splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        board = named[0] if named else platform.machine()
    return f"{board}, {os.cpu_count() or 1} cores"


def _winners(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        winners = content["winners"] if content["schema"] == SCHEMA else {}
    except FileNotFoundError:
        return {}
    except OSError as err:
        raise ConfigError(
            f"{path}: cannot be read: {err.strerror or err}; it must belong to the station's user"
        ) from err
    except (ValueError, KeyError, TypeError) as err:
        raise ConfigError(f"{path}: is damaged; remove it, and run 'edge tune' again ({err})") from err
    return winners if isinstance(winners, dict) else {}


def _winner(kept: dict[str, Any]) -> Winner:
    way, surroundings = Way(**kept["way"]), dict(kept["surroundings"])
    options = tuple((str(key), str(value)) for key, value in surroundings.pop("options"))
    if way.delegate not in DELEGATES or way.precision not in {"int8", "float16"} or way.threads < 1:
        raise ValueError(str(way))
    return Winner(
        way,
        Surroundings(**surroundings, options=options),
        float(kept["p50_ms"]),
        str(kept["measured_at"]),
        tuple(map(str, kept["throttled"])),
    )
