"""What a broker's reason codes mean for us, as MQTT 5 numbers them."""

from enum import Enum, IntEnum


class Version(IntEnum):
    """Of MQTT, by the number in its CONNECT packet."""

    V3_1_1 = 4
    V5 = 5

    def __str__(self) -> str:
        return "MQTT 5" if self is Version.V5 else "MQTT 3.1.1"


FIRST_FAILURE = 0x80
"""Codes from here on say no."""
NO_SUBSCRIBERS = 0x10
UNSUPPORTED_VERSION = 0x84
NOT_AUTHORISED = 0x87
SESSION_TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95


class Outcome(Enum):
    """What is to be done with a message that was answered."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """Not taken this time: offer it again later."""
    PAUSE = "pause"
    """Not taken until somebody changes the broker's rules: raise the alarm, and offer it again later."""
    REFUSED = "refused"
    """Never taken: put it aside, so that it does not block the rest."""


_REFUSED = frozenset({0x90, PACKET_TOO_LARGE, 0x99})

_MEANINGS = {
    0x00: "without saying why",
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "the broker's own policy",
    UNSUPPORTED_VERSION: "it does not speak this version of MQTT",
    0x85: "it does not accept our client id",
    0x86: "wrong user name or password; correct username and password_file",
    NOT_AUTHORISED: "not authorised; correct username and password_file, or the broker's ACL",
    0x88: "the broker is unavailable",
    0x89: "the broker is busy",
    0x8A: "this client is banned",
    0x8B: "the broker is shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timeout",
    SESSION_TAKEN_OVER: "another client took over the session; no two stations may have the same prefix, site, "
    "line and device",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x93: "receive maximum exceeded",
    PACKET_TOO_LARGE: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "it does not support retained messages",
    0x9B: "it does not support QoS 1",
    0x9C: "use another server",
    0x9D: "the server has moved",
    0x9F: "connection rate exceeded",
}


def outcome(code: int) -> Outcome:
    """What the reason code of a PUBACK (0…255) asks for. A code that nobody knows is worth another try."""
    if code < FIRST_FAILURE:  # 0x10, nobody subscribed, among them
        return Outcome.DELIVERED
    if code == NOT_AUTHORISED:
        return Outcome.PAUSE
    return Outcome.REFUSED if code in _REFUSED else Outcome.RETRY


def meaning(code: int) -> str:
    """A few words for a person, with the number for the broker's manual."""
    return f"{_MEANINGS.get(code, 'unknown reason')} (0x{code:02x})"
