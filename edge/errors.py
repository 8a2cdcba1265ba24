"""Every error that the package raises, and the exit code that it ends the process with.

    EdgeError
    ├── ConfigError     78  a setting is wrong: systemd does not restart
    │   └── BundleError 78  a model bundle is wrong
    ├── DeviceError     69  a camera, delegate or disk cannot be used: systemd restarts
    ├── CaptureError     –  this frame could not be taken
    ├── NothingToMeasureError – a measuring tool found nothing: its measurement says so
    ├── InferenceError   –  this part could not be judged
    │   ├── NotTaughtError –  … because nothing is taught yet
    │   └── DelegateError  –  … because its delegate failed; the CPU judges the next
    └── DeliveryError    –  this record could not be handed over; it is kept and offered again

The text of an error is for the person at the machine: what, where, and what to do. Anything else that
ends the process is a bug: exit code 70 and a traceback.
"""

EXIT_UNAVAILABLE = 69
EXIT_SOFTWARE = 70
EXIT_CONFIG = 78


class EdgeError(Exception):
    """What a user, a device or a network can cause; never a bug of ours."""

    exit_code = EXIT_UNAVAILABLE


class ConfigError(EdgeError):
    """A setting is wrong. Raised at load time only; names the file and the key."""

    exit_code = EXIT_CONFIG


class BundleError(ConfigError):
    """A model bundle is incomplete, damaged, or not what its manifest says. Raised at load time only."""


class DeviceError(EdgeError):
    """A camera, delegate or disk cannot be opened, or failed too many times in a row."""


class CaptureError(EdgeError):
    """No frame this time.

    `part_unseen` is set where the source knows that a part went by, and `part_id` where it also knows which: that
    part is then reported as `error`.
    """

    def __init__(self, message: str, part_id: str | None = None, *, part_unseen: bool = False) -> None:
        super().__init__(message)
        self.part_id = part_id
        self.part_unseen = part_unseen or part_id is not None


class NothingToMeasureError(EdgeError):
    """A measuring tool found no edge, or several, or lies outside of the picture. Never leaves `edge.gauge`."""


class InferenceError(EdgeError):
    """The model could not judge this part."""


class NotTaughtError(InferenceError):
    """There is no model yet that could judge: the part is inconclusive, and nothing is broken."""


class DelegateError(InferenceError):
    """The delegate failed, hung or crashed: it is not asked again until it has proven itself."""


class DeliveryError(EdgeError):
    """A sink or the evidence store could not take a record now."""
