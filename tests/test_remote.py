"""A station and its plant, over a real broker: what it says of itself, and what it can be asked."""

import base64
import hashlib
import io
import json
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from brokers import Mosquitto, eventually
from PIL import Image
from stations import HEIGHT, WIDTH, daemon, settings

from edge.message import encode
from edge.remote.listener import Listener

CONVEYOR = f'type = "synthetic"\nwidth = {WIDTH}\nheight = {HEIGHT}\nrate_hz = 20\ndefect_rate = 0.5'
BASE = "edge/test/line/station"


class Plant:
    """Everything that a running station publishes."""

    def __init__(self, broker: Mosquitto) -> None:
        self.said: dict[str, list[bytes]] = defaultdict(list)
        self.records: list[dict[str, Any]] = []
        self.listener = Listener(
            "127.0.0.1", broker.port, BASE, other=lambda topic, body: self.said[topic].append(body)
        )
        self.listener.wait_until_connected()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        while True:
            self.records.append(self.listener.records.get())

    def ask(self, command: str, **request: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        topic = f"cmd/{command}/response"
        before = len(self.said[topic])
        self.listener.publish(f"cmd/{command}", encode({"transaction": f"t{before}", **request}))
        eventually(lambda: len(self.said[topic]) > before)
        answer: dict[str, Any] = json.loads(self.said[topic][-1])
        assert answer["transaction"] == f"t{before}"
        return answer

    def results(self) -> list[dict[str, Any]]:
        return [record for record in self.records if record["schema"] == "edge.result/1"]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record.get("kind") == kind]


@pytest.fixture
def plant(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(mosquitto)
    sink = f'[[sinks]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {mosquitto.port}\n'
    more = "[evidence]\npass_rate = 1.0\nmin_free_mb = 0\n[health]\ntelemetry_s = 0.5\n"
    with daemon(settings(tmp_path, CONVEYOR, sink, more)) as process:
        eventually(lambda: len(plant.results()) >= 5, 60)
        yield plant
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    plant.listener.close()


def test_everything_that_is_published_is_as_its_schema_says(plant: Plant) -> None:
    eventually(
        lambda: plant.said["telemetry"] and plant.said["result/last"] and plant.said["image/last_fail"]
    )
    plant.ask("ping")
    eventually(lambda: plant.events("audit"))
    bodies = [body for topic in plant.said.values() for body in topic if body.startswith(b'{"schema"')]
    messages = [*plant.records, *map(json.loads, bodies)]
    seen = set()
    for message in messages:
        name = message["schema"].removeprefix("edge.").split("/")[0]
        schema = json.loads(resources.files("edge").joinpath(f"schemas/{name}.json").read_bytes())
        jsonschema.validate(message, schema)
        seen.add(name)
    assert {"result", "last", "info", "status", "telemetry", "model", "config", "event", "reply"} <= seen


def test_availability_info_and_status_are_retained(plant: Plant) -> None:
    later: dict[str, bytes] = {}
    listener = Listener("127.0.0.1", plant.listener.port, BASE, other=later.__setitem__)
    eventually(lambda: {"availability", "info", "status", "model", "config"} <= later.keys())
    listener.close()
    assert later["availability"] == b"online"
    assert json.loads(later["info"])["capabilities"][:3] == ["ping", "replay", "image"]


def test_a_hole_is_filled_by_asking_again(plant: Plant) -> None:
    lost = plant.results()[2]
    _, epoch, seq = lost["id"].rsplit("/", 2)
    del plant.listener.seen[epoch][int(seq)]
    plant.records.remove(lost)
    assert (int(seq), int(seq)) in plant.listener.holes(epoch, int(seq))
    answer = plant.ask("replay", epoch=epoch, **{"from": int(seq), "to": int(seq)})
    assert answer["ok"]
    assert answer["count"] == 1
    eventually(lambda: any(record["id"] == lost["id"] for record in plant.results()))
    assert not plant.listener.holes(epoch, int(seq))


def test_the_picture_of_a_part_comes_in_pieces_that_fit_together(plant: Plant) -> None:
    wanted = plant.results()[0]["id"]
    answer = plant.ask("image", id=wanted, request="r1")
    assert answer["ok"], answer
    chunks = eventually(
        lambda: (
            plant.said["image/reply/r1"] if len(plant.said["image/reply/r1"]) == answer["chunks"] else None
        )
    )
    content = b"".join(base64.b64decode(json.loads(chunk)["data"]) for chunk in chunks)
    assert hashlib.sha256(content).hexdigest() == answer["sha256"]
    assert Image.open(io.BytesIO(content)).size == (WIDTH, HEIGHT)


def test_the_last_failure_is_a_small_picture(plant: Plant) -> None:
    picture = eventually(lambda: plant.said["image/last_fail"])[-1]
    assert len(picture) <= 100_000
    assert Image.open(io.BytesIO(picture)).format == "JPEG"


@pytest.mark.parametrize(
    ("command", "request_", "said"),
    [
        ("rewind", {}, "unknown command 'rewind'; this station knows image, ping, replay"),
        ("replay", {"epoch": "x", "from": 0, "to": 1}, "'from' must be a whole number of 1 or more, not 0"),
        ("replay", {"from": 1, "to": 1}, "'epoch' must be a text, not None"),
        ("image", {"id": "nobody/x/1", "request": "r"}, "there is no picture of nobody/x/1 here any more"),
        ("image", {"id": "../../etc/passwd", "request": "r"}, "there is no picture of"),
        ("image", {"id": "nobody/x/1", "request": "a/#"}, "'request' must be"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_and_is_audited(
    plant: Plant, command: str, request_: dict[str, Any], said: str
) -> None:
    answer = plant.ask(command, **request_)
    assert not answer["ok"]
    assert said in answer["error"]
    audit = eventually(lambda: plant.events("audit"))[0]
    assert audit["detail"]["ok"] is False
