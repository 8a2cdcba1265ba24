"""The settings of a station. Defaults stand here and nowhere else."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from edge.table import FilePath, Fraction, Segment, Table, read_table, read_text

Point = tuple[int, int]
Gain = Annotated[float, Field(gt=0, le=32)]


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


class FolderSource(Table):
    """Pictures from files, in the order of their names."""

    type: Literal["folder"]
    path: FilePath = Field(description="A folder, or a file name with * and ? in its last part.")
    rate_hz: float = Field(
        0.0, ge=0, le=1000, description="Pictures a second; 0 is as fast as they are judged."
    )
    loop: bool = Field(default=False, description="Start again after the last picture.")
    order: Literal["name", "modified", "shuffled"] = Field(
        "name", description="Order of the files; 'shuffled' is the same every time."
    )
    part_id_pattern: str = Field(
        r"(?P<part_id>.+)", description="Regular expression on the file name without its ending."
    )


class WatchSource(Table):
    """Pictures that arrive in a folder, by FTP or SMB say. Each is taken when complete, and then moved away."""

    type: Literal["watch"]
    path: FilePath = Field(description="The folder that pictures arrive in.")
    settle_s: float = Field(0.5, gt=0, le=60, description="A file is complete when unchanged for so long.")
    poll_s: float = Field(0.1, gt=0, le=60, description="How often the folder is looked at.")
    done: Literal["move", "delete"] = Field(
        "move",
        description="What happens to a picture whose result is safe: moved to 'done' below path, or deleted.",
    )
    part_id_pattern: str = Field(
        r"(?P<part_id>.+)", description="Regular expression on the file name without its ending."
    )


class SyntheticSource(Table):
    """A conveyor of rendered machined parts; the same seed renders the same parts."""

    type: Literal["synthetic"]
    rate_hz: float = Field(0.0, ge=0, le=1000, description="Parts a second; 0 is as fast as they are judged.")
    width: int = Field(1280, ge=64, le=4096, description="Frame width in pixels.")
    height: int = Field(960, ge=64, le=4096, description="Frame height in pixels.")
    defect_rate: Fraction = Field(0.1, description="Share of the parts that have a defect.")
    seed: int = Field(1, ge=0, description="Which parts are rendered.")
    count: int = Field(0, ge=0, description="Parts until the conveyor ends; 0 is never.")


class OpenCVSource(Table):
    """A V4L2 camera, an RTSP stream or a video file, read with OpenCV."""

    type: Literal["opencv"]
    device: str = Field(description="/dev/videoN, rtsp://… or a video file.")
    width: int = Field(0, ge=0, le=16384, description="Wanted frame width in pixels; 0 is the camera's own.")
    height: int = Field(
        0, ge=0, le=16384, description="Wanted frame height in pixels; 0 is the camera's own."
    )
    rate_hz: float = Field(0.0, ge=0, le=1000, description="Wanted frames a second; 0 is the camera's own.")
    pixel_format: str | None = Field(
        None,
        pattern=r"^[A-Z0-9 ]{4}$",
        description="Wanted pixel format, as V4L2 names it ('YUYV', 'MJPG'); none leaves it to OpenCV.",
    )
    exposure_time_us: int | None = Field(
        None, gt=0, description="Fixed exposure in microseconds; none locks what the camera has settled on."
    )
    white_balance_k: int | None = Field(
        None, ge=1000, le=20000, description="Fixed white balance in kelvin; none locks what the camera has."
    )
    lock_s: float = Field(2.0, ge=0, le=60, description="How long the camera may settle before it is locked.")
    timeout_s: float = Field(5.0, gt=0, le=120, description="No frame for so long is a fault.")
    reconnect_s: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="Longest pause between attempts to reconnect; 1 s at most at a local camera.",
    )
    triggered: bool = Field(
        default=False, description="Each frame is a part of its own, and none may be dropped."
    )

    @model_validator(mode="after")
    def _size_is_whole(self) -> Self:
        if bool(self.width) != bool(self.height):
            raise ValueError("width and height belong together: set both, or neither")
        return self


class Picamera2Source(Table):
    """A camera on a Raspberry Pi's ribbon cable: its image processor gives what is judged, in its size."""

    type: Literal["picamera2"]
    camera: str = Field(
        "", description="Part of the camera's model or id, such as imx296; empty: the first that there is."
    )
    width: int = Field(
        1280, ge=64, le=16384, description="Width in pixels of the picture for people, which evidence keeps."
    )
    height: int = Field(960, ge=64, le=16384, description="Its height in pixels.")
    lores_width: int = Field(
        224,
        ge=0,
        le=16384,
        description="Width in pixels of what is judged, and taught; 0: the large picture.",
    )
    lores_height: int = Field(
        224,
        ge=0,
        le=16384,
        description="Its height; 224 by 224 is what a model without tiles takes as it is.",
    )
    rate_hz: float = Field(
        0.0, ge=0, le=1000, description="Frames a second; 0 is 30, or less if exposed longer."
    )
    exposure_time_us: int | None = Field(
        None, gt=0, description="Fixed exposure in microseconds; none locks what the camera has settled on."
    )
    analogue_gain: float | None = Field(
        None, ge=1, le=256, description="Fixed gain of the sensor; none locks what the camera has settled on."
    )
    colour_gains: tuple[Gain, Gain] | None = Field(
        None,
        description="Fixed white balance, gains of red and blue; none locks what the camera has settled on.",
    )
    lens_position: float | None = Field(
        None,
        ge=0,
        le=32,
        description="Fixed focus in dioptres (1/metres); none locks what the camera has found.",
    )
    lock_s: float = Field(2.0, ge=0, le=60, description="How long the camera may settle before it is locked.")
    trigger: Literal["none", "software", "hardware"] = Field(
        "none",
        description="'software': a frame begun after it is asked for; 'hardware': the sensor's trigger wire.",
    )
    part_every_s: float | None = Field(
        None, gt=0, description="With 'hardware': no part for so long is a fault; none: parts may be rare."
    )
    timeout_s: float = Field(2.0, gt=0, le=120, description="No frame for so long is a fault.")
    reconnect_s: float = Field(
        2.0, gt=0, le=3600, description="Longest pause between attempts to open the camera again."
    )

    @property
    def triggered(self) -> bool:
        """Each frame is a part of its own, and none may be dropped."""
        return self.trigger != "none"

    @model_validator(mode="after")
    def _can_be_had(self) -> Self:
        if (self.lores_width == 0) != (self.lores_height == 0):
            raise ValueError("give lores_width and lores_height, or neither")
        if self.lores_width > self.width or self.lores_height > self.height:
            raise ValueError("lores_width and lores_height may not exceed width and height")
        if any(side % 2 for side in (self.width, self.height, self.lores_width, self.lores_height)):
            raise ValueError("width, height, lores_width and lores_height must be even")
        return self

    @model_validator(mode="after")
    def _can_be_held(self) -> Self:
        if self.trigger != "hardware":
            frame_s = max((self.exposure_time_us or 0) / 1e6, 1 / self.rate_hz if self.rate_hz else 0.0)
            if self.timeout_s < 2 * frame_s:
                raise ValueError(
                    f"timeout_s must be at least twice the time from frame to frame, {frame_s:g} s"
                )
            if self.part_every_s is not None:
                raise ValueError("part_every_s goes with trigger = 'hardware'")
        elif None in (self.exposure_time_us, self.analogue_gain, self.colour_gains):
            raise ValueError(
                "trigger = 'hardware' has no frames to settle on; "
                "give exposure_time_us, analogue_gain and colour_gains"
            )
        return self


class GStreamerSource(Table):
    """Any camera that GStreamer can read, by a `gst-launch-1.0` of its own."""

    type: Literal["gstreamer"]
    pipeline: str = Field(
        min_length=1,
        description="The source part of a pipeline, as gst-launch-1.0 takes it; the rest is added.",
    )
    width: int = Field(1280, ge=16, le=16384, description="Frame width in pixels.")
    height: int = Field(960, ge=16, le=16384, description="Frame height in pixels.")
    rate_hz: int = Field(0, ge=0, le=1000, description="Frames a second; 0 is the camera's own.")
    latency_ms: float = Field(
        100.0,
        ge=0,
        le=10000,
        description="So long before it comes, a frame was begun: three frames of 30 a second; more is safer.",
    )
    timeout_s: float = Field(5.0, gt=0, le=120, description="No frame for so long is a fault.")
    reconnect_s: float = Field(
        30.0, gt=0, le=3600, description="Longest pause between attempts to start it again."
    )
    triggered: bool = Field(
        default=False, description="Each frame is a part of its own, and none may be dropped."
    )


SourceConfig = Annotated[
    FolderSource | WatchSource | SyntheticSource | OpenCVSource | Picamera2Source | GStreamerSource,
    Field(discriminator="type"),
]


class Rectangle(Table):
    """A rectangle in frame pixels; the maximum is exclusive."""

    x_min: int = Field(ge=0, description="Left edge in pixels.")
    y_min: int = Field(ge=0, description="Upper edge in pixels.")
    x_max: int = Field(gt=0, description="First column to the right of it.")
    y_max: int = Field(gt=0, description="First row below it.")

    @model_validator(mode="after")
    def _holds_a_pixel(self) -> Self:
        if self.x_min >= self.x_max or self.y_min >= self.y_max:
            raise ValueError("x_min must be under x_max, and y_min under y_max")
        return self


class Rules(Table):
    """From scores to a verdict."""

    fail_at: float = Field(
        1.0, gt=0, description="Anomaly score at or over which a frame fails; 1.0 is as taught."
    )
    pass_below: float | None = Field(
        None,
        gt=0,
        description="Anomaly score under which a frame passes; none: as taught. Between: inconclusive.",
    )
    hysteresis: float = Field(
        0.0, ge=0, description="A part that has failed stays failed until its score is so far under fail_at."
    )
    min_area_px: float = Field(
        0.0,
        ge=0,
        description="Areas over pass_below that are smaller, in square frame pixels, are not defects.",
    )
    ignore: list[list[Point]] = Field([], description="Polygons in frame pixels where nothing counts.")
    good_labels: list[str] = Field([], description="For classification: the labels that pass.")
    min_probability: Fraction = Field(
        0.8, description="For classification: a winning label under it is inconclusive."
    )


class Check(Table):
    """One look at a part: where, with which model, under which rules."""

    name: Segment = Field(description="Name of the check, in every report.")
    bundle: FilePath = Field(description="Folder of the model bundle, or of a product's versions.")
    teachable: bool = Field(
        default=False,
        description="May be taught by cmd/teach; until it is, parts are inconclusive; its bundle may be missing.",
    )
    roi: Rectangle | None = Field(None, description="The rectangle to look at; none: as taught.")
    polygon: list[Point] = Field([], description="Polygon in frame pixels; nothing outside it counts.")
    rules: Rules = Field(Rules(), description="From scores to a verdict.")
    delegate: Literal["cpu", "edgetpu", "gpu", "npu", "auto"] = Field(
        "cpu",
        description="What runs the model; 'auto' is what 'edge tune' found. Whatever fails, the CPU takes over.",
    )
    delegate_library: FilePath | None = Field(
        None,
        description="For 'npu': the vendor's delegate library; for 'edgetpu' if it is not libedgetpu.so.1.",
    )
    delegate_options: dict[str, str] = Field(
        {}, description="For 'npu' and 'edgetpu': options, as the library names them."
    )
    delegate_deadline_ms: float = Field(
        500.0, ge=1, le=5000, description="A delegate that takes longer for a run has failed."
    )
    delegate_load_s: float = Field(
        60.0, ge=1, le=600, description="Loading a delegate, with its first run, may take so long."
    )
    delegate_retry_s: float = Field(
        60.0, ge=1, le=86_400, description="A delegate that has failed is tried again so often."
    )
    threads: int = Field(1, ge=1, le=64, description="Threads of the CPU delegate; 'auto' has its own.")


class Recipe(Table):
    """One product: its checks. The worst verdict of its checks is the verdict of a part."""

    name: Segment = Field("product", description="Name of the product, in every report.")
    checks: list[Check] = Field(min_length=1, description="What is looked at; at least one.")
    fail_frames: int = Field(1, ge=1, le=100, description="A part fails when so many of its frames fail …")
    of_frames: int = Field(1, ge=1, le=100, description="… of so many frames.")


class Quality(Table):
    """What a picture must be to be judged. Limits that are not set come from the first check's bundle."""

    min_brightness: float | None = Field(None, ge=0, le=255, description="Mean grey level, 0 to 255.")
    max_brightness: float | None = Field(None, ge=0, le=255, description="Mean grey level, 0 to 255.")
    min_sharpness: float | None = Field(
        None, ge=0, description="How fine the detail is, in any light: 1 is sharp, 0.2 is blurred."
    )
    min_contrast: float | None = Field(
        None, ge=0, description="Standard deviation of grey levels; less is a blocked lens."
    )
    frozen_after: int = Field(
        2, ge=0, description="So many pictures in a row without any difference: frozen. 0 is off."
    )
    enabled: bool = Field(default=True, description="Off: every picture is judged.")


class Outbox(Table):
    """The durable queue of what has to leave the device."""

    max_mb: float = Field(512.0, gt=0, description="Records not yet delivered may use so many megabytes.")
    max_age_h: float = Field(720.0, gt=0, description="… and be so many hours old.")
    min_free_mb: float = Field(
        200.0, ge=0, description="… and must leave so many megabytes of the disk free."
    )
    keep_acknowledged_mb: float = Field(
        64.0, ge=0, description="Delivered records are kept for replay up to so many megabytes …"
    )
    keep_acknowledged_h: float = Field(24.0, ge=0, description="… and so many hours.")
    backlog_rate_hz: float = Field(
        200.0, gt=0, description="Old records are sent at most so many a second, after live ones."
    )


class Evidence(Table):
    """Pictures that are kept."""

    enabled: bool = Field(default=True, description="Off: no pictures are kept.")
    budget_mb: float = Field(2048.0, gt=0, description="All evidence together may use so many megabytes.")
    min_free_mb: float = Field(
        500.0, ge=0, description="… and must leave so many megabytes of the disk free."
    )
    pass_rate: Fraction = Field(0.05, description="Share of passed parts that are kept, drawn at random.")
    jpeg_quality: int = Field(90, ge=30, le=100, description="Of the picture of the part.")


class MqttSink(Table):
    """An MQTT broker: MQTT 5, falling back to 3.1.1."""

    type: Literal["mqtt"]
    host: str = Field("localhost", min_length=1, description="Name or address of the broker.")
    port: int = Field(1883, ge=1, le=65535, description="1883, or 8883 with TLS.")
    transport: Literal["tcp", "websockets"] = Field("tcp", description="How the broker is reached.")
    keepalive_s: int = Field(
        30, ge=5, le=3600, description="The broker misses us after one and a half of it."
    )
    username: str | None = Field(None, description="User name at the broker.")
    password_file: FilePath | None = Field(
        None, description="File that holds the password, or a credential's name."
    )
    tls: bool = Field(default=False, description="Encrypt, and check the broker's certificate and name.")
    ca_file: FilePath | None = Field(
        None, description="Certificates that sign the broker's; none: the system's."
    )
    cert_file: FilePath | None = Field(None, description="Certificate of this device.")
    key_file: FilePath | None = Field(None, description="Private key of this device; not readable by others.")
    insecure_skip_hostname_check: bool = Field(
        default=False, description="Accept any name in the broker's certificate."
    )
    window: int = Field(
        8, ge=1, le=64, description="Unacknowledged messages at most; the broker may want fewer."
    )
    batch: int = Field(1, ge=1, le=500, description="Results in one message; over 1 the payload is an array.")
    ack_timeout_s: float = Field(20.0, gt=0, le=300, description="No acknowledgement for so long: reconnect.")
    commands: bool = Field(default=True, description="Listen to commands on cmd/…")
    last_fail_image: bool = Field(
        default=True, description="Publish a small picture of the last part that failed."
    )


class JsonlSink(Table):
    """A file with a JSON object a line."""

    type: Literal["jsonl"]
    path: FilePath = Field(description="The file; lines are appended.")


SinkConfig = Annotated[MqttSink | JsonlSink, Field(discriminator="type")]


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


LineId = Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)]
"""A GPIO line: its offset on the chip, or its name."""
Output = Literal["lamp", "pass", "fail", "ready", "busy"]


class Gpio(Table):
    """Digital lines to the machine: a trigger in; a lamp and the answers out. Those without a line are off."""

    chip: str = Field("/dev/gpiochip0", description="The GPIO chip that all these lines belong to.")
    trigger_line: LineId | None = Field(
        None, description="Input: each of its edges is a part. A line is an offset on the chip, or a name."
    )
    trigger_edge: Literal["rising", "falling"] = Field("rising", description="Which change is a part.")
    trigger_bias: Literal["as-is", "pull-up", "pull-down", "disabled"] = Field(
        "as-is", description="The chip's own resistor on the trigger."
    )
    debounce_ms: float = Field(
        1.0, ge=0, le=1000, description="A level of the trigger that holds for less is bouncing."
    )
    delay_ms: float = Field(
        0.0,
        ge=0,
        le=10000,
        description="From the edge until the part is in place: no earlier frame shows it.",
    )
    lamp_line: LineId | None = Field(None, description="Output: the light.")
    lamp: Literal["strobe", "steady"] = Field(
        "strobe", description="On for the frames of a part, or as long as the station runs."
    )
    lamp_lead_ms: float = Field(
        0.0, ge=0, le=10000, description="A strobe is on for so long before a frame of the part may begin."
    )
    pass_line: LineId | None = Field(None, description="Output: the part passed.")
    fail_line: LineId | None = Field(
        None, description="Output: any other verdict, be it fail, inconclusive or error."
    )
    ready_line: LineId | None = Field(None, description="Output: parts that come now are inspected.")
    busy_line: LineId | None = Field(None, description="Output: a part has come that has no verdict yet.")
    pulse_ms: float = Field(
        50.0,
        ge=0,
        le=10000,
        description="Pass and fail are on for so long, and then off as long; 0: on until the next verdict.",
    )
    active_low: list[Output] = Field([], description="Outputs that are on when their level is low.")

    @property
    def outputs(self) -> dict[Output, int | str]:
        """The outputs that have a line."""
        lines: dict[Output, int | str | None] = {
            "lamp": self.lamp_line,
            "pass": self.pass_line,
            "fail": self.fail_line,
            "ready": self.ready_line,
            "busy": self.busy_line,
        }
        return {name: line for name, line in lines.items() if line is not None}

    @property
    def steady_lamp(self) -> "Gpio":
        """The lamp alone, always on: for pictures that nothing triggers."""
        if self.lamp_line is None:
            return Gpio()
        low: list[Output] = ["lamp"] if "lamp" in self.active_low else []
        return Gpio(chip=self.chip, lamp_line=self.lamp_line, lamp="steady", active_low=low)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        lines = [*self.outputs.values(), *([] if self.trigger_line is None else [self.trigger_line])]
        twice = next((line for line in lines if lines.count(line) > 1), None)
        if twice is not None:
            raise ValueError(f"line {twice!r} has two uses; give each a line of its own")
        if self.trigger_line is None:
            if self.busy_line is not None:
                raise ValueError("busy_line needs a trigger_line: without one, no part is ever awaited")
            if self.lamp_line is not None and self.lamp == "strobe":
                raise ValueError("a strobe needs a trigger_line; name one, or set lamp = 'steady'")
        unused = next((name for name in self.active_low if name not in self.outputs), None)
        if unused is not None:
            raise ValueError(f"active_low names {unused!r}, which has no line; set {unused}_line")
        return self


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


class Config(Table):
    """All of a station's settings."""

    station: Station = Station()
    source: SourceConfig
    recipe: Recipe
    quality: Quality = Quality()
    outbox: Outbox = Outbox()
    evidence: Evidence = Evidence()
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


def load(path: Path) -> Config:
    """Read and check a file. Raises `ConfigError` that names the file, the key, and what to do."""
    return parse(read_text(path), path)


def parse(text: str, path: Path) -> Config:
    """Check the text of a file that lies, or would lie, at `path`. Raises `ConfigError`."""
    return read_table(Config, text, path)


def changed(config: Config) -> dict[str, Any]:
    """The settings that are not at their defaults, nested as in the file."""
    return config.model_dump(mode="json", exclude_defaults=True)
