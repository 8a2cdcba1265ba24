"""When a picture was exposed, on the clock that the daemon goes by."""

import time


def exposed_at_ns(sensor_ns: int, exposure_us: float, monotonic_ns: int, boottime_ns: int) -> int:
    """The start of the exposure on the monotonic clock; the last two are what both clocks show now.

    libcamera says that its stamp counts on CLOCK_BOOTTIME, and drivers stamp with CLOCK_MONOTONIC: they differ by
    the time that the machine has slept. That one is meant on which the picture is not from the future, and is
    younger. The stamp is of the first row as it is read out: its exposure has just ended.
    """
    ages_ns = [age for age in (monotonic_ns - sensor_ns, boottime_ns - sensor_ns) if age >= 0]
    age_ns = min(ages_ns, default=0)
    return monotonic_ns - age_ns - round(exposure_us * 1000)


def exposed_now_ns(sensor_ns: int, exposure_us: float) -> int:
    """The same for a picture that has just come."""
    boottime_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return exposed_at_ns(sensor_ns, exposure_us, time.monotonic_ns(), boottime_ns)
