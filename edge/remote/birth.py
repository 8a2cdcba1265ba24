"""The birth message: who a station is, what it runs, and its settings."""

import json
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from edge import __version__, message
from edge.config import Config
from edge.message import JSON
from edge.types import ModelIdentity

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"]+@")
"""Addresses of cameras may hold a user's name and password."""


class Birth(NamedTuple):
    """The messages of topics `info`, `model` and `config`."""

    info: JSON
    model: JSON
    config: JSON


@dataclass(frozen=True)
class Station:
    """What a station knows of itself when it has opened everything."""

    identities: Sequence[ModelIdentity]
    runtime: str
    camera: str
    epoch: str
    capabilities: Sequence[str]


def birth(config: Config, known: Station) -> Birth:
    """What the station says at each start, and whenever any of it has changed."""
    now = message.timestamp(datetime.now(UTC))
    models = [message.model_fields(identity) for identity in known.identities]
    info: dict[str, Any] = {
        "schema": message.INFO,
        "ts": now,
        "software": f"edge-inspect {__version__}",
        "python": platform.python_version(),
        "runtime": known.runtime,
        "models": models,
        "camera": known.camera,
        "schemas": list(message.SCHEMAS),
        "epoch": known.epoch,
        "capabilities": list(known.capabilities),
    }
    settings = json.loads(_CREDENTIALS.sub("", config.model_dump_json()))
    return Birth(
        info,
        {"schema": message.MODEL, "ts": now, "active": models, "previous": [], "pinned": []},
        {"schema": message.CONFIG, "ts": now, "config": settings},
    )
