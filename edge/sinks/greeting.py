"""One short visit to a broker: is it there, is its certificate good, does it let us in? Nothing is published.

It comes with a client id of its own, without a will and without a session, so that it never ends another's.
"""

import re
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import MqttSink
from edge.errors import DeliveryError
from edge.sinks.client import new_client
from edge.sinks.reason import FIRST_FAILURE, UNSUPPORTED_VERSION, Version, meaning

# Validity in a certificate: a sequence of two times, each UTCTime or GeneralizedTime.
_VALIDITY = re.compile(
    rb"\x30[\x1e\x20\x22](?:\x17\x0d\d{12}|\x18\x0f\d{14})Z(?:\x17\x0d(\d{12})|\x18\x0f(\d{14}))Z", re.DOTALL
)


def reach(sink: MqttSink, timeout_s: float) -> None:
    """Open a TCP connection, and close it. Raises `OSError`."""
    socket.create_connection((sink.host, sink.port), timeout_s).close()


def shake_hands(sink: MqttSink, tls: ssl.SSLContext, timeout_s: float) -> datetime | None:
    """Speak TLS with the broker; until when its certificate holds. Raises `OSError`, `ssl.SSLError` among them."""
    with (
        socket.create_connection((sink.host, sink.port), timeout_s) as plain,
        tls.wrap_socket(plain, server_hostname=sink.host) as secured,
    ):
        return expiry(secured.getpeercert(binary_form=True) or b"")


def certificate_expiry(path: Path) -> datetime | None:
    """Until when the first certificate of a PEM file holds; None where it does not say.

    Raises `OSError`, and `ValueError` where it is no PEM file.
    """
    found = re.search(
        r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", path.read_text("ascii"), re.DOTALL
    )
    if found is None:
        raise ValueError("holds no PEM certificate")
    return expiry(ssl.PEM_cert_to_DER_cert(found[0]))


def expiry(certificate: bytes) -> datetime | None:
    """Until when a DER certificate holds."""
    found = _VALIDITY.search(certificate)
    if found is None:
        return None
    short, full = found.groups()
    # Two digits of a year mean 1950 to 2049 (RFC 5280).
    digits = full.decode() if full else ("19" if short[:1] >= b"5" else "20") + short.decode()
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def log_in(
    sink: MqttSink, client_id: str, password: str | None, tls: ssl.SSLContext | None, timeout_s: float
) -> Version:
    """Be let in, and leave at once; the version of MQTT that was spoken. Raises `DeliveryError`."""
    try:
        code = _answer(sink, client_id, password, tls, timeout_s, Version.V5)
        version = Version.V5
        if code in {1, UNSUPPORTED_VERSION}:
            version = Version.V3_1_1
            code = _answer(sink, client_id, password, tls, timeout_s, version)
    except OSError as err:
        raise DeliveryError(str(err)) from err
    if code >= FIRST_FAILURE:
        raise DeliveryError(f"it does not let us in: {meaning(code)}")
    return version


def _answer(
    sink: MqttSink,
    client_id: str,
    password: str | None,
    tls: ssl.SSLContext | None,
    timeout_s: float,
    version: Version,
) -> int:
    """The reason code of its CONNACK. Raises `OSError`."""
    codes: list[int] = []

    def hear(_client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _properties: Any) -> None:
        codes.append(code.value)

    client = new_client(sink, client_id, password, tls, version)
    client.on_connect = hear
    client.connect_timeout = timeout_s
    client.connect(sink.host, sink.port, keepalive=60)
    until_s = monotonic() + timeout_s
    try:
        while not codes:
            ended = client.loop(timeout=0.2)
            if not codes and ended != MQTTErrorCode.MQTT_ERR_SUCCESS:
                # A broker that speaks 3.1.1 only may hang up on MQTT 5 without an answer.
                if version is Version.V5:
                    return UNSUPPORTED_VERSION
                raise OSError("it hung up without an answer")
            if monotonic() > until_s:
                raise TimeoutError(f"no answer to CONNECT within {timeout_s:g} s; is it an MQTT broker?")
    finally:
        client.disconnect()
    return codes[0]
