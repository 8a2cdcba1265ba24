"""A camera that adjusts itself judges no two parts alike: its exposure and white balance are locked.

Works on what OpenCV's V4L2 back end calls properties. Values are read back: many cameras ignore what is set.
"""

from typing import Protocol

import cv2

# V4L2_EXPOSURE_MANUAL; V4L2 counts exposure in units of 100 us.
MANUAL = 1
UNIT_US = 100
TOLERANCE = 0.05
"""Cameras round to what they can do: up to so much off is as wanted."""


class Camera(Protocol):
    """As much of `cv2.VideoCapture` as is used here."""

    def get(self, propId: int, /) -> float:  # noqa: N803 - OpenCV's name
        """0 or -1 where there is no such property."""
        ...

    def set(self, propId: int, value: float, /) -> bool:  # noqa: N803
        """True says little: cameras accept what they then ignore."""
        ...


def lock_exposure(camera: Camera, wanted_us: float | None) -> str | None:
    """Hold the exposure time: the wanted one, or what it is now. Returns what is wrong, None where it holds."""
    exposure = wanted_us / UNIT_US if wanted_us else camera.get(cv2.CAP_PROP_EXPOSURE)
    if camera.get(cv2.CAP_PROP_AUTO_EXPOSURE) < 0:
        return "exposure cannot be locked: the driver has no switch for it"
    camera.set(cv2.CAP_PROP_AUTO_EXPOSURE, MANUAL)
    if camera.get(cv2.CAP_PROP_AUTO_EXPOSURE) != MANUAL:
        return "automatic exposure cannot be switched off"
    if exposure > 0:
        camera.set(cv2.CAP_PROP_EXPOSURE, exposure)
    actual = camera.get(cv2.CAP_PROP_EXPOSURE)
    if wanted_us and abs(actual - exposure) > max(1.0, TOLERANCE * exposure):
        return f"exposure is {actual * UNIT_US:.0f} us, not {wanted_us:.0f}"
    return None


def lock_white_balance(camera: Camera, wanted_k: float | None) -> str | None:
    """Hold the white balance: the wanted one, or what it is now. Returns what is wrong, None where it holds."""
    kelvin = wanted_k or camera.get(cv2.CAP_PROP_WB_TEMPERATURE)
    if camera.get(cv2.CAP_PROP_AUTO_WB) < 0:
        return "white balance cannot be locked: the driver has no switch for it"
    camera.set(cv2.CAP_PROP_AUTO_WB, 0)
    if camera.get(cv2.CAP_PROP_AUTO_WB) != 0:
        return "automatic white balance cannot be switched off"
    if kelvin > 0:
        camera.set(cv2.CAP_PROP_WB_TEMPERATURE, kelvin)
    actual = camera.get(cv2.CAP_PROP_WB_TEMPERATURE)
    if wanted_k and abs(actual - kelvin) > TOLERANCE * kelvin:
        return f"white balance is {actual:.0f} K, not {wanted_k:.0f}"
    return None


def adjusts_itself(camera: Camera) -> bool:
    """Whether there is anything to wait for: a camera without these switches does not settle."""
    return camera.get(cv2.CAP_PROP_AUTO_EXPOSURE) not in {-1, MANUAL} or camera.get(cv2.CAP_PROP_AUTO_WB) > 0


def controls(camera: Camera) -> dict[str, float]:
    """What the camera says of itself, for `Frame.controls`; what it does not know is left out."""
    said = {
        "exposure_time_us": camera.get(cv2.CAP_PROP_EXPOSURE) * UNIT_US,
        "colour_temperature_k": camera.get(cv2.CAP_PROP_WB_TEMPERATURE),
    }
    return {name: round(value) for name, value in said.items() if value > 0}
