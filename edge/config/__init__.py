"""The settings of a station. Defaults stand here and nowhere else.

A table of edge.toml is a class; what belongs together is in a file of its own.
"""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from edge.config.correction import Correction
from edge.config.gpio import Gpio, LineId, Output
from edge.config.privacy import Privacy
from edge.config.recipe import Check, Point, Quality, Recipe, Rectangle, Rules
from edge.config.sinks import JsonlSink, MqttSink, SinkConfig
from edge.config.sources import (
    FolderSource,
    Gain,
    GStreamerSource,
    OpenCVSource,
    Picamera2Source,
    SourceConfig,
    SyntheticSource,
    WatchSource,
)
from edge.config.station import Health, Station, Teaching
from edge.config.storage import Evidence, Outbox
from edge.config.track import Track
from edge.table import Table, read_table, read_text

__all__ = [
    "Check",
    "Config",
    "Correction",
    "Evidence",
    "FolderSource",
    "GStreamerSource",
    "Gain",
    "Gpio",
    "Health",
    "JsonlSink",
    "LineId",
    "MqttSink",
    "OpenCVSource",
    "Outbox",
    "Output",
    "Picamera2Source",
    "Point",
    "Privacy",
    "Quality",
    "Recipe",
    "Rectangle",
    "Rules",
    "SinkConfig",
    "SourceConfig",
    "Station",
    "SyntheticSource",
    "Teaching",
    "Track",
    "WatchSource",
    "changed",
    "load",
    "parse",
]


class Config(Table):
    """All of a station's settings."""

    station: Station = Station()
    source: SourceConfig
    correction: Correction = Correction()
    recipe: Recipe
    quality: Quality = Quality()
    outbox: Outbox = Outbox()
    evidence: Evidence = Evidence()
    privacy: Privacy = Privacy()
    sinks: list[SinkConfig] = Field([], description="Where reports go.")
    teaching: Teaching = Teaching()
    gpio: Gpio = Gpio()
    health: Health = Health()

    @model_validator(mode="after")
    def _can_be_triggered(self) -> Self:
        by_line, source = self.gpio.trigger_line is not None, self.source
        if by_line and isinstance(source, WatchSource):
            raise ValueError("gpio.trigger_line cannot trigger a watched folder; leave one of them out")
        if by_line and isinstance(source, Picamera2Source) and source.trigger == "hardware":
            raise ValueError(
                "gpio.trigger_line and trigger = 'hardware' would both announce each part; leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _can_be_followed(self) -> Self:
        why = None if self.recipe.track is None else _not_followed(self.source, self.gpio)
        if why is not None:
            raise ValueError(why)
        return self


def _not_followed(source: SourceConfig, gpio: Gpio) -> str | None:
    """Why parts cannot be followed through what this source gives."""
    match source:
        case WatchSource():
            return "recipe.track follows parts through a film, which a watched folder is not; take one of them out"
        case FolderSource(rate_hz=0.0) | SyntheticSource(rate_hz=0.0):
            return "recipe.track goes by the time between pictures; set source.rate_hz to what they were taken at"
        case FolderSource() | SyntheticSource():
            triggered = False
        case Picamera2Source():
            triggered = source.trigger != "none"
        case _:
            triggered = source.triggered
    if triggered or gpio.trigger_line is not None:
        return (
            "recipe.track follows parts from frame to frame, but each trigger is a part; take one of them out"
        )
    return None


def load(path: Path) -> Config:
    """Read and check a file. Raises `ConfigError` that names the file, the key, and what to do."""
    return parse(read_text(path), path)


def parse(text: str, path: Path) -> Config:
    """Check the text of a file that lies, or would lie, at `path`. Raises `ConfigError`."""
    return read_table(Config, text, path)


def changed(config: Config) -> dict[str, Any]:
    """The settings that are not at their defaults, nested as in the file."""
    return config.model_dump(mode="json", exclude_defaults=True)
