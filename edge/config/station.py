"""The station itself: who it is, and how it teaches and watches itself."""

import os
from pathlib import Path

from pydantic import Field

from edge.table import FilePath, Segment, Table


class Station(Table):
    """Who this device is."""

    prefix: list[Segment] = Field(["edge"], min_length=1, description="Topic segments before the site.")
    site: Segment = Field("site", description="Plant; a segment of every topic.")
    line: Segment = Field("line", description="Production line; a segment of every topic.")
    device: Segment = Field("station", description="This station; unique on its line.")
    state_dir: FilePath = Field(
        default_factory=lambda: Path(os.environ.get("STATE_DIRECTORY", "/var/lib/edge-inspect")),
        description="Folder for the outbox and the evidence; systemd's StateDirectory where it gives one.",
    )

    @property
    def base_topic(self) -> str:
        """The segments of every topic of this station, from the prefix to the device."""
        return "/".join([*self.prefix, self.site, self.line, self.device])

    @property
    def client_id(self) -> str:
        """How this station calls itself at a broker."""
        return self.base_topic.replace("/", ".")


class Teaching(Table):
    """Teaching by commands, without a display."""

    limit_s: float = Field(
        1800.0,
        gt=0,
        description="Nothing done for so long: teaching is given up, and its pictures are removed.",
    )
    capture_s: float = Field(5.0, gt=0, le=60, description="How long cmd/teach/capture waits for a picture.")
    memory_mb: float = Field(3000.0, ge=500, description="Address space that the lesson's process may use.")
    lesson_s: float = Field(900.0, gt=0, description="A lesson that takes longer is stopped.")


class Health(Table):
    """How the daemon watches itself."""

    telemetry_s: float = Field(10.0, gt=0, le=3600, description="Seconds between telemetry messages.")
    stage_limit_s: float = Field(
        10.0, gt=0, le=600, description="A stage busy for longer is stuck: systemd restarts us."
    )
    drain_s: float = Field(
        5.0, ge=0, le=300, description="On stopping: how long reports may still be delivered."
    )
    max_capture_errors: int = Field(
        0, ge=0, description="So many faults of the camera in a row end the process; 0: never."
    )
    max_inference_errors: int = Field(
        5, ge=1, description="So many faults of the model in a row end the process."
    )
    max_temperature_c: float = Field(80.0, gt=0, le=120, description="Hotter than this is degraded.")
    prometheus_port: int = Field(
        0, ge=0, le=65535, description="Metrics on this port of 127.0.0.1; 0 is off."
    )
