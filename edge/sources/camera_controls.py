"""What a libcamera camera is set to: asked for, held once it has settled, and written down with every frame.

A camera that adjusts itself judges no two parts alike. Names and units are libcamera's. Pure functions of what the
camera offers, and of what it says of a frame.
"""

from collections.abc import Collection, Mapping
from typing import Any

from edge.config import Picamera2Source

Controls = dict[str, Any]

AF_MANUAL, AF_AUTO, AF_START = 0, 1, 0
AF_SCANNING = 1
SLOWEST_US = 33_333
"""Frames come at least so often where no rate is set: longer ones would let the exposure grow while it settles."""
TOLERANCE = 0.05
"""Sensors round to their rows and gain steps: up to so much off is as wanted."""

_AUTOMATIC = {
    "ExposureTime": "AeEnable",
    "AnalogueGain": "AeEnable",
    "ColourGains": "AwbEnable",
    "LensPosition": "AfMode",
}
"""What a camera may adjust by itself, and what switches that."""


def fixed(config: Picamera2Source) -> Controls:
    """What the settings fix."""
    wanted = {
        "ExposureTime": config.exposure_time_us,
        "AnalogueGain": config.analogue_gain,
        "ColourGains": config.colour_gains,
        "LensPosition": config.lens_position,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def at_start(config: Picamera2Source, held: Controls, offered: Collection[str]) -> Controls:
    """What the camera is started with: its rate, what is fixed or `held`, and the rest on automatic."""
    period_us = round(1e6 / config.rate_hz) if config.rate_hz else SLOWEST_US
    # A frame is at least as long as its exposure.
    period_us = max(period_us, (config.exposure_time_us or 0) + 1000)
    start: Controls = {"FrameDurationLimits": (period_us, period_us), **hold(held, offered)}
    if "LensPosition" not in held:
        start |= {"AfMode": AF_AUTO, "AfTrigger": AF_START}
    return {name: value for name, value in start.items() if name in offered}


def to_settle(held: Controls, offered: Collection[str]) -> bool:
    """Whether the camera still adjusts anything by itself."""
    return any(name in offered and name not in held for name in _AUTOMATIC)


def settled(held: Controls, said: Mapping[str, Any], offered: Collection[str]) -> Controls:
    """What is to be held from now on: what was so before, and the rest as the camera says that it is."""
    found = {name: said[name] for name in _AUTOMATIC if name in said and name in offered}
    return {**found, **held}


def hold(held: Controls, offered: Collection[str]) -> Controls:
    """What makes a camera hold these. Exposure and gain are switched together: only both end the automatic."""
    off: Controls = {}
    if {"ExposureTime", "AnalogueGain"} <= held.keys():
        off["AeEnable"] = False
    if "ColourGains" in held:
        off["AwbEnable"] = False
    if "LensPosition" in held:
        off["AfMode"] = AF_MANUAL
    return {name: value for name, value in {**off, **held}.items() if name in offered}


def complaints(held: Controls, said: Mapping[str, Any], offered: Collection[str]) -> list[str]:
    """Where the camera is not as it should be held, as sentences."""
    wrong = [f"has no control {name}; its setting counts for nothing" for name in held if name not in offered]
    known = [name for name in held if name in offered and name in said]
    return wrong + [
        f"{name} is {_shown(said[name])}, not {_shown(held[name])}"
        for name in known
        if not _close(said[name], held[name])
    ]


def recorded(said: Mapping[str, Any]) -> dict[str, float]:
    """How a frame was taken, for `Frame.controls`; what the camera does not say is left out."""
    red_blue = said.get("ColourGains", (None, None))
    values = {
        "exposure_time_us": said.get("ExposureTime"),
        "analogue_gain": said.get("AnalogueGain"),
        "digital_gain": said.get("DigitalGain"),
        "colour_gain_red": red_blue[0],
        "colour_gain_blue": red_blue[1],
        "colour_temperature_k": said.get("ColourTemperature"),
        "lens_position": said.get("LensPosition"),
        "frame_duration_us": said.get("FrameDuration"),
    }
    return {name: round(float(value), 4) for name, value in values.items() if value is not None}


def _close(actual: Any, wanted: Any) -> bool:
    pairs = zip(actual, wanted, strict=False) if isinstance(wanted, tuple) else [(actual, wanted)]
    return all(abs(is_now - ought) <= TOLERANCE * abs(ought) + 1e-3 for is_now, ought in pairs)


def _shown(value: Any) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return " and ".join(f"{part:g}" for part in parts)
