"""Secrets: files that the settings name, or credentials that systemd hands over; never values in the settings."""

import os
from pathlib import Path

from edge.errors import ConfigError


def read_secret(path: Path) -> str:
    """The first line of a secret's file.

    A bare name is looked for among systemd's credentials first. Raises `ConfigError` where the file is missing,
    or where others may read it.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / path.name).exists():
        path = Path(credentials) / path.name
    try:
        mode = path.stat().st_mode
        if mode & 0o007:
            raise ConfigError(f"{path}: is readable by everyone; run 'chmod o-rwx {path}'")
        return path.read_text().splitlines()[0].strip()
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror or err}") from err
    except (IndexError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: holds no text; put the secret on its first line") from err
