"""`docs/mqtt.md`, the schemas and what the code makes say the same."""

import json
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brokers import Heard, Listener, Mosquitto, eventually
from jsonschema import Draft202012Validator
from stations import HEIGHT, WIDTH, daemon, settings

from edge import message
from edge.config import Health as HealthConfig
from edge.geometry import Box
from edge.health import Health
from edge.message import Report, Stamp, encode
from edge.types import (
    Decision,
    Defect,
    Example,
    Finding,
    Frame,
    Inspection,
    Miss,
    ModelIdentity,
    Passage,
    Region,
    Verdict,
)

JSON = Mapping[str, Any]
DOC = (Path(__file__).parents[1] / "docs" / "mqtt.md").read_text()
SCHEMAS: dict[str, JSON] = {
    Path(file.name).stem: json.loads(file.read_text())
    for file in (files("edge") / "schemas").iterdir()
    if file.name.endswith(".json")
}
EXAMPLES = re.findall(r"```json (\w+)\n(.*?)```", DOC, re.DOTALL)
SECTIONS = {part.split("\n", 1)[0]: part for part in re.split(r"^###? ", DOC, flags=re.MULTILINE)}
NOW = datetime(2026, 5, 4, 6, 12, 9, 123456, tzinfo=UTC)
STAMP = Stamp("cam1", "01JD2Y6W", 4711, NOW, 5, synced=True)


def complaints(name: str, record: JSON) -> list[str]:
    """What is wrong with a message of ours; a field that no schema knows is wrong, too."""
    found = [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(SCHEMAS[name]).iter_errors(record)
    ]
    return found + [f"{path}: in no schema" for path in unknown(SCHEMAS[name], record, "$")]


def unknown(schema: JSON, value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict) and "properties" in schema:
        for name, inner in value.items():
            if name not in schema["properties"]:
                yield f"{path}.{name}"
            else:
                yield from unknown(schema["properties"][name], inner, f"{path}.{name}")
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        for name, inner in value.items():
            yield from unknown(schema["additionalProperties"], inner, f"{path}.{name}")
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, inner in enumerate(value):
            yield from unknown(schema["items"], inner, f"{path}[{index}]")


def fields(schema: JSON, path: str = "") -> Iterator[str]:
    """Every field of a schema, as the tables name it."""
    for name, inner in schema.get("properties", {}).items():
        yield path + name
        yield from fields(inner, f"{path}{name}.")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from fields(schema["additionalProperties"], f"{path}*.")
    if isinstance(schema.get("items"), dict):
        yield from fields(schema["items"], f"{path[:-1]}[].")


def wire(record: JSON) -> JSON:
    """As it arrives."""
    return json.loads(encode(record))


def a_model(fallback: str | None = None) -> ModelIdentity:
    return ModelIdentity("housing", 3, "ab" * 32, "cpu", 1, fallback)


def a_frame() -> Frame:
    image = np.zeros((8, 8, 3), np.uint8)
    truth = (Defect("scratch", Box(1, 2, 3, 4)),)
    return Frame(image, 7, 1, NOW, "synthetic", {"exposure_time_us": 800.0}, "gpio", "P7", truth)


def a_decision(verdict: Verdict) -> Decision:
    example = Example("good-07.jpg", Box(1, 2, 3, 4), Box(0, 0, 9, 9), b"JPEG")
    regions = (
        Region(Box(0, 0, 4, 4), 16.0, 2.0, (1.0, 3.0), example),
        Region(Box(5, 5, 6, 6), 1.0, 1.1, (5.5, 5.5)),
    )
    return Decision(verdict, ("because",), np.float32(1.5), "scratch", regions)  # type: ignore[arg-type]


def a_report(verdict: Verdict) -> JSON:
    decision = a_decision(verdict)
    finding = Finding("surface", decision, a_model("no delegate"))
    findings = (finding, Finding("edge", decision))
    inspection = Inspection(a_frame(), findings, decision, {"judge": 0.1}, passage=Passage(9, 3, 12))
    return Report(STAMP, message.describe(inspection, "housing")).to_json()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


def test_there_is_a_schema_for_each_name_that_a_message_may_have() -> None:
    named = {
        schema["properties"]["schema"]["const"]
        for schema in SCHEMAS.values()
        if "schema" in schema["properties"]
    }
    assert named == set(message.SCHEMAS)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_example_is_what_its_schema_says(name: str, example: str) -> None:
    assert complaints(name, json.loads(example)) == []


def test_every_schema_has_an_example() -> None:
    assert {name for name, _ in EXAMPLES} == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_table_of_a_message_has_exactly_the_fields_of_its_schema(name: str) -> None:
    rows = re.findall(r"^\| `([\w.\[\]*]+)` \|.*\|.*\|.*\|$", SECTIONS[name], re.MULTILINE)
    assert rows == list(fields(SCHEMAS[name]))


@pytest.mark.parametrize("verdict", Verdict)
def test_a_report_is_what_its_schema_says(verdict: Verdict) -> None:
    assert complaints("result", wire(a_report(verdict))) == []


def test_the_report_of_a_part_that_was_missed_is_what_its_schema_says() -> None:
    decision = Decision(Verdict.ERROR, ("no picture",))
    missed = Inspection(Miss(7, 1, NOW, "synthetic", "no picture"), (), decision, {})
    assert complaints("result", wire(Report(STAMP, message.describe(missed, "housing")).to_json())) == []


def test_the_latest_result_is_what_its_schema_says() -> None:
    assert complaints("last", wire(message.flat(a_report(Verdict.FAIL)))) == []


def test_events_are_what_their_schemas_say() -> None:
    for kind in SCHEMAS["event"]["properties"]["kind"]["enum"]:
        assert complaints("event", wire(message.event(STAMP, kind, "something", detail=1))) == []
    assert complaints("gap", wire(message.gap(STAMP, "01JD", [(1, 3), (5, 5)], "disk full"))) == []


def test_status_and_telemetry_are_what_their_schemas_say(tmp_path: Path) -> None:
    health = Health(HealthConfig(), tmp_path, 0)
    health.trouble("camera", "unplugged", fault=True)
    health.count("parts", "pass")
    health.count("drops", "frames")
    health.observe_all({"judge": 0.2})
    assert complaints("status", wire(health.status())) == []
    sent = {"accepted": 1, "published": 1, "acknowledged": 1}
    assert complaints("telemetry", wire({**health.telemetry(), "delivery": sent})) == []


def test_a_station_at_work_says_nothing_else(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = settings(
        tmp_path,
        f'type = "synthetic"\nwidth = {WIDTH}\nheight = {HEIGHT}\nrate_hz = 20\ndefect_rate = 0.5',
        sinks=f'[[sinks]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {mosquitto.port}\n',
        more="[health]\ntelemetry_s = 0.5\n[evidence]\nmin_free_mb = 0\n",
    )
    base = "edge/test/line/station"
    with Listener(mosquitto.port, f"{base}/#") as plant, daemon(path) as process:
        failed = eventually(
            lambda: [r for r in decoded(plant, f"{base}/result") if r["verdict"] == "fail"], 60
        )[0]
        eventually(lambda: plant.on(f"{base}/image/last_fail"), 30)
        epoch = failed["id"].split("/")[1]
        ask(plant, f"{base}/cmd/ping", {"transaction": 1})
        ask(plant, f"{base}/cmd/replay", {"epoch": epoch, "from": 1, "to": 2})
        ask(plant, f"{base}/cmd/image", {"id": failed["id"], "request": "r1"})
        ask(plant, f"{base}/cmd/image", {"id": "none", "request": "r2"})
        ask(plant, f"{base}/cmd/reboot", {})
        eventually(lambda: plant.on(f"{base}/image/reply/r1") and len(responses(plant)) == 5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        eventually(lambda: plant.on(f"{base}/availability")[-1:] == [b"stopped"])
    heard = {heard.topic.removeprefix(f"{base}/"): heard for heard in plant.heard}
    assert {
        "info",
        "status",
        "model",
        "config",
        "result",
        "result/last",
        "telemetry",
        "event/audit",
    } <= heard.keys()
    assert heard["image/last_fail"].payload[:2] == b"\xff\xd8"
    assert len(heard["image/last_fail"].payload) <= 100_000
    wrong = {
        h.topic: found for h in plant.heard if (found := misfits(h.topic.removeprefix(f"{base}/"), h.payload))
    }
    assert wrong == {}
    numbers = {
        int(record["id"].split("/")[2]) for record in decoded(plant, f"{base}/result", f"{base}/event/audit")
    }
    assert numbers == set(range(1, max(numbers) + 1)), "results and events count together, without a hole"


def decoded(plant: Listener, *topics: str) -> list[JSON]:
    return [json.loads(payload) for topic in topics for payload in plant.on(topic)]


def responses(plant: Listener) -> list[Heard]:
    return [heard for heard in list(plant.heard) if heard.topic.endswith("/response")]


def ask(plant: Listener, topic: str, request: JSON) -> None:
    assert complaints("request", request) == []
    plant.client.publish(topic, encode(request), qos=1)


def misfits(topic: str, payload: bytes) -> list[str]:
    """What is wrong with a message that was heard on a topic of the table."""
    if topic in ("availability", "image/last_fail") or (topic.startswith("cmd/") and topic.count("/") == 1):
        return []
    record = json.loads(payload)
    name = record["schema"].removeprefix("edge.").removesuffix("/1")
    return complaints(name, record) + ([] if BELONGS[name](topic) else [f"{name} on {topic}"])


BELONGS: dict[str, Callable[[str], bool]] = {
    **{name: name.__eq__ for name in ("result", "info", "status", "telemetry", "model", "config")},
    "last": "result/last".__eq__,
    "event": lambda topic: topic.startswith("event/") and topic != "event/gap",
    "gap": "event/gap".__eq__,
    "reply": lambda topic: re.fullmatch("cmd/[a-z]+/response", topic) is not None,
    "image": lambda topic: topic.startswith("image/reply/"),
}
