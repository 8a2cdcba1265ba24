"""The TLS that a broker is spoken to with: 1.2 or newer, certificates always checked."""

import os
import ssl
from pathlib import Path

from edge.config import MqttSink
from edge.errors import ConfigError


def context(config: MqttSink) -> ssl.SSLContext | None:
    """What paho wraps its socket with; None without TLS. Raises `ConfigError` where a file is wrong."""
    if not config.tls:
        return None
    ca_file = None if config.ca_file is None else found(config.ca_file)
    try:
        tls = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as err:
        raise ConfigError(f"ca_file {ca_file}: holds no PEM certificate: {err.reason or err}") from err
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.check_hostname = not config.insecure_skip_hostname_check
    if config.cert_file is not None or config.key_file is not None:
        _present_certificate(tls, config)
    return tls


def _present_certificate(tls: ssl.SSLContext, config: MqttSink) -> None:
    if config.cert_file is None or config.key_file is None:
        missing = "cert_file" if config.cert_file is None else "key_file"
        raise ConfigError(f"sinks: {missing} is missing: a client certificate needs cert_file and key_file")
    cert_file, key_file = found(config.cert_file), found(config.key_file)
    if key_file.stat().st_mode & 0o007:
        raise ConfigError(f"key_file {key_file}: is readable by everyone; run 'chmod o-rwx {key_file}'")
    try:
        tls.load_cert_chain(
            cert_file, key_file, password=""
        )  # a password, even none: OpenSSL must not ask for one
    except ssl.SSLError as err:
        raise ConfigError(
            f"cert_file {cert_file}, key_file {key_file}: no certificate with its own unencrypted key, "
            f"both PEM: {err.reason or err}"
        ) from err


def found(path: Path) -> Path:
    """The file, or systemd's credential of that name. Raises `ConfigError` where it cannot be read."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / path.name).exists():
        path = Path(credentials) / path.name
    try:
        with path.open("rb"):
            return path
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror or err}") from err
