"""The broker, step by step: the network, its certificate, our certificate, and whether it lets us in."""

import os
import ssl
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

from edge.cli.doctor.line import Line
from edge.config import Config, MqttSink
from edge.errors import ConfigError, DeliveryError

TIMEOUT_S = 5.0
SOON_DAYS = 30


def broker_lines(config: Config, sink: MqttSink, *, running: bool) -> Iterator[Line]:
    """Each step as far as it goes. `running`: the station is up, and may have the session that we would take."""
    from edge.secret import read_secret
    from edge.sinks import tls
    from edge.sinks.greeting import reach

    where, secrets = f"{sink.host}:{sink.port}", True
    try:
        context = tls.context(sink)
        password = None if sink.password_file is None else read_secret(sink.password_file)
    except (ConfigError, OSError) as err:
        yield _unreadable(sink, err)
        context = password = None
        secrets = False
    try:
        reach(sink, TIMEOUT_S)
    except OSError as err:
        remedy = "is it running, and does the firewall let us through? Results are kept until it answers"
        yield Line("warn", "broker", f"{where}: {err.strerror or err}", remedy)
        return
    yield Line("ok", "broker", f"{where} takes connections")
    if not secrets:
        return
    if context is None:
        if sink.username is not None and sink.host not in {"localhost", "127.0.0.1", "::1"}:
            remedy = "set tls = true: the password crosses the network in the open"
            yield Line("warn", "broker TLS", "off", remedy)
    elif not (yield from _handshake(sink, context)):
        return
    if running and (sink.username is not None or sink.cert_file is not None):
        found = (
            "not tried while the station runs: a broker that names clients by their user would end its "
            "session; its status says how it is connected"
        )
        yield Line("ok", "broker login", found)
        return
    yield _login(config, sink, password, context)


def _handshake(sink: MqttSink, context: ssl.SSLContext) -> Generator[Line, None, bool]:
    """Lines; its value is whether it is worth going on."""
    from edge.sinks.greeting import shake_hands

    if sink.insecure_skip_hostname_check:
        yield Line("warn", "broker TLS", "any name is accepted", "remove insecure_skip_hostname_check")
    if sink.cert_file is not None:
        yield from _own_certificate(sink.cert_file)
    try:
        until = shake_hands(sink, context, TIMEOUT_S)
    except ssl.SSLCertVerificationError as err:
        yield Line("fail", "broker TLS", err.verify_message, _certificate_remedy(err))
        return False
    except OSError as err:
        remedy = "is this the TLS port (8883), and is tls right? The broker's log says more"
        yield Line("fail", "broker TLS", f"no handshake: {getattr(err, 'reason', None) or err}", remedy)
        return False
    yield expiry_line("broker certificate", until, datetime.now(UTC))
    return True


def _unreadable(sink: MqttSink, err: Exception) -> Line:
    """A file that cannot be used. Where it cannot be read it may be a credential, which no shell sees."""
    files = (sink.password_file, sink.ca_file, sink.cert_file, sink.key_file)
    hidden = any(path is not None and not os.access(path, os.R_OK) for path in files)
    if hidden and "CREDENTIALS_DIRECTORY" not in os.environ:
        remedy = (
            "if it is a credential of the unit, all is well: the station's status says how the login goes"
        )
        return Line("warn", "broker login", f"not tried: {err}", remedy)
    return Line("fail", "broker login", str(err), "correct the file, or the sink's settings")


def expiry_line(what: str, until: datetime | None, now: datetime) -> Line:
    """How long a certificate still holds."""
    if until is None:
        return Line("warn", what, "does not say until when it holds", "renew it")
    days = (until - now).days
    found = f"holds until {until:%Y-%m-%d %H:%M} UTC, {days} days"
    if until <= now:
        return Line(
            "fail", what, f"expired on {until:%Y-%m-%d %H:%M} UTC", "renew it; or is the clock wrong?"
        )
    return Line("warn", what, found, "renew it in time") if days < SOON_DAYS else Line("ok", what, found)


def _own_certificate(path: Path) -> Iterator[Line]:
    from edge.sinks.greeting import certificate_expiry
    from edge.sinks.tls import found

    try:
        until = certificate_expiry(found(path))
    except (OSError, ValueError, ConfigError) as err:
        yield Line("fail", "own certificate", str(err), "correct cert_file")
        return
    yield expiry_line("own certificate", until, datetime.now(UTC))


def _certificate_remedy(err: ssl.SSLCertVerificationError) -> str:
    reason = err.verify_message.lower()
    if "expired" in reason:
        return "renew the broker's certificate; or is the clock of this machine wrong?"
    if "not yet valid" in reason:
        return "set the clock of this machine"
    if "hostname" in reason or "ip address" in reason:
        return "set host to a name that stands in the broker's certificate"
    return "set ca_file to the certificate that signs the broker's"


def _login(config: Config, sink: MqttSink, password: str | None, context: ssl.SSLContext | None) -> Line:
    from edge.sinks.greeting import log_in

    client_id = f"{config.station.client_id}.doctor"
    who = f"as client '{client_id}'" + (f", user '{sink.username}'" if sink.username else "")
    try:
        version = log_in(sink, client_id, password, context, TIMEOUT_S)
    except DeliveryError as err:
        remedy = "correct username, password_file or the certificate; the broker's log names the reason"
        return Line("fail", "broker login", f"{who}: {err}", remedy)
    return Line("ok", "broker login", f"{version}, {who}; the station itself comes without '.doctor'")
