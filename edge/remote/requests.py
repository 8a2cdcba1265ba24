"""What every station can be asked: its status, records again, and the picture of a part."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from edge.errors import EdgeError
from edge.message import JSON
from edge.remote.commands import Handler, Refused, segment, send_picture, text, whole_number

NAMES = ("ping", "replay", "image")


class Lane(Protocol):
    """A sink's place in the outbox, as far as it can deliver again."""

    def replay(self, epoch: str, first: int, last: int) -> int:
        """Deliver records again; says how many."""
        ...


def handlers(
    status: Callable[[], JSON],
    lane: Lane,
    find: Callable[[str], Path | None],
    read: Callable[[Path], bytes],
    publish: Callable[[str, bytes, int], bool],
) -> dict[str, Handler]:
    """The commands that need no state of their own.

    `find` knows where the picture of a record is, and `read` what may be seen of it (raises `OSError`
    and `EdgeError`).
    """

    def ping(_request: Mapping[str, Any]) -> JSON:
        return {"status": status()}

    def replay(request: Mapping[str, Any]) -> JSON:
        first, last = whole_number(request, "from"), whole_number(request, "to")
        return {"count": lane.replay(text(request, "epoch"), first, last)}

    def image(request: Mapping[str, Any]) -> JSON:
        record, name = text(request, "id"), segment(request, "request")
        path = find(record)
        if path is None:
            raise Refused(f"there is no picture of {record} here any more, or there never was one")
        try:
            content = read(path)
        except OSError as err:
            raise Refused(f"the picture of {record} cannot be read: {err.strerror or err}") from err
        except EdgeError as err:
            raise Refused(f"the picture of {record} stays here: {err}") from err
        return send_picture(content, name, lambda topic, payload: publish(topic, payload, 1))

    return dict(zip(NAMES, (ping, replay, image), strict=True))
