"""Where frames come from: a table for each kind of source."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge.table import FilePath, Fraction, Table

Gain = Annotated[float, Field(gt=0, le=32)]


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


class Belt(Table):
    """A film of a belt that carries the parts through the view, from left to right."""

    speed_px_s: float = Field(200.0, gt=0, le=10_000, description="Its speed in pixels a second.")
    lanes: int = Field(1, ge=1, le=8, description="Parts that lie side by side.")
    overlap_rate: Fraction = Field(0.0, description="Share of the parts that lie on the one before in part.")
    steady: bool = Field(
        default=True, description="Off: it changes its speed, stops, and runs back a little."
    )


class SyntheticSource(Table):
    """A conveyor of rendered machined parts; the same seed renders the same parts."""

    type: Literal["synthetic"]
    rate_hz: float = Field(
        0.0, ge=0, le=1000, description="Pictures a second; 0 is as fast as they are judged."
    )
    width: int = Field(1280, ge=64, le=4096, description="Frame width in pixels.")
    height: int = Field(960, ge=64, le=4096, description="Frame height in pixels.")
    defect_rate: Fraction = Field(0.1, description="Share of the parts that have a defect.")
    seed: int = Field(1, ge=0, description="Which parts are rendered.")
    count: int = Field(0, ge=0, description="Parts until the conveyor ends; 0 is never.")
    belt: Belt | None = Field(
        None, description="A belt that moves; none: each picture shows one part, in the middle."
    )

    @model_validator(mode="after")
    def _belt_has_time(self) -> Self:
        if self.belt is not None and not self.rate_hz:
            raise ValueError("a belt moves from picture to picture; set rate_hz to the pictures a second")
        return self


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
