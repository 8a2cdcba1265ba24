"""What the plant may ask: commands from the broker, their answers, and a record of each."""

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from edge.errors import EdgeError
from edge.mailbox import Closed, Mailbox
from edge.message import IMAGE_CHUNK, JSON, REPLY, encode

log = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
SEGMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")

Handler = Callable[[Mapping[str, Any]], JSON]
"""Takes the request, gives what goes into the reply; raises `Refused`."""


class Refused(EdgeError):
    """A command that cannot be done, and why."""


class Command(Protocol):
    """A request as the MQTT sink decoded it."""

    @property
    def name(self) -> str:
        """What is asked for: its topic below `cmd/`, of one segment or two."""
        ...

    @property
    def request(self) -> Mapping[str, Any]:
        """The payload."""
        ...


C = TypeVar("C", bound=Command)


class Desk(Protocol[C]):
    """Where commands come in and answers go out."""

    commands: Mailbox[C]

    def reply(self, command: C, payload: JSON) -> None:
        """Answer the one who asked."""
        ...


def serve(desk: Desk[C], handlers: Mapping[str, Handler], audit: Callable[[str, JSON], None]) -> None:
    """Answer commands until the desk closes. The body of a thread."""
    while True:
        try:
            command = desk.commands.get()
        except Closed:
            return
        answer = _answer(command, handlers)
        audit(
            command.name, {"request": dict(command.request), "ok": answer["ok"], "error": answer.get("error")}
        )
        desk.reply(command, {"schema": REPLY, "command": command.name, **answer})


def _answer(command: Command, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    handler = handlers.get(command.name)
    if handler is None:
        known = ", ".join(sorted(handlers))
        return {"ok": False, "error": f"unknown command '{command.name}'; this station knows {known}"}
    try:
        return {"ok": True, **handler(command.request)}
    except Refused as err:
        return {"ok": False, "error": str(err)}


def whole_number(request: Mapping[str, Any], key: str) -> int:
    """A number of 1 or more from a request. Raises `Refused`."""
    value = request.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Refused(f"'{key}' must be a whole number of 1 or more, not {value!r:.40}")
    return value


def text(request: Mapping[str, Any], key: str) -> str:
    """A text from a request. Raises `Refused`."""
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise Refused(f"'{key}' must be a text, not {value!r:.40}")
    return value


def segment(request: Mapping[str, Any], key: str) -> str:
    """A text that can be a segment of a topic. Raises `Refused`."""
    value = text(request, key)
    if not SEGMENT.fullmatch(value):
        raise Refused(f"'{key}' must be of letters, digits, '_' and '-', at most 64, not {value!r:.40}")
    return value


def send_picture(content: bytes, request: str, publish: Callable[[str, bytes], bool]) -> JSON:
    """Publish a picture in chunks below `image/reply/`; gives what the reply says of it. Raises `Refused`."""
    digest = hashlib.sha256(content).hexdigest()
    total = -(-len(content) // CHUNK_BYTES)
    for index in range(total):
        chunk = content[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        message = {
            "schema": IMAGE_CHUNK,
            "request": request,
            "index": index,
            "total": total,
            "sha256": digest,
            "data": base64.b64encode(chunk).decode(),
        }
        if not publish(f"image/reply/{request}", encode(message)):
            raise Refused(f"the connection broke after {index} of {total} chunks; ask again")
    return {"size": len(content), "sha256": digest, "chunks": total}
