"""Is this machine set up for pictures that are triggered by a wire to the sensor?"""

import os
import re
from pathlib import Path

from edge.errors import ConfigError

TRIGGER_MODE = Path("/sys/module/imx296/parameters/trigger_mode")
"""Of the global-shutter camera's driver: 1 where its trigger input counts."""
PATIENCE_MS = 3_600_000
"""For so long libcamera must not give up on a sensor that sends nothing: by default it does after a second."""
_PATIENCE = re.compile(r'^\s*"camera_timeout_value_ms"\s*:\s*(\d+)', re.MULTILINE)


def require_trigger(parameter: Path = TRIGGER_MODE) -> None:
    """Raises `ConfigError` where the global-shutter camera would run free, or be given up between two parts.

    Other sensors have no such parameter, and nothing is known of their triggers.
    """
    if not parameter.exists():
        return
    if parameter.read_text().strip() == "0":
        raise ConfigError(
            "source.trigger: 'hardware', but the driver imx296 runs free; put 'options imx296 trigger_mode=1' "
            "into /etc/modprobe.d/edge-inspect-trigger.conf, and reboot"
        )
    named = os.environ.get("LIBCAMERA_RPI_CONFIG_FILE", "")
    patience_ms = _patience_ms(Path(named)) if named else 0
    if patience_ms < PATIENCE_MS:
        raise ConfigError(
            f"source.trigger: 'hardware', but libcamera gives up on a sensor that sends nothing, and no part "
            f"would be seen after that; name a file in LIBCAMERA_RPI_CONFIG_FILE whose camera_timeout_value_ms is "
            f"{PATIENCE_MS} or more (it is {named or 'not set'}; docs/operations.md shows how)"
        )


def _patience_ms(file: Path) -> int:
    try:
        found = _PATIENCE.findall(file.read_text())
    except OSError as err:
        raise ConfigError(f"LIBCAMERA_RPI_CONFIG_FILE: {file}: cannot be read: {err.strerror}") from err
    return int(found[-1]) if found else 0
