"""The doctor's visit to brokers: real ones, which refuse, expire, stay silent, or know the station."""

import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from brokers import Authority, EmbeddedBroker, Mosquitto, eventually, free_port
from conftest import StartMosquitto
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.cli.doctor.broker import broker_lines
from edge.cli.doctor.line import Line
from edge.config import Config, MqttSink, parse

NAMES = "DNS:localhost,IP:127.0.0.1"
RECIPE = '[source]\ntype = "synthetic"\n[recipe]\nchecks = [{ name = "a", bundle = "b" }]\n'


def visit(folder: Path, port: int, more: str = "", *, running: bool = False) -> dict[str, Line]:
    """The doctor's lines about a broker on this machine, by what they are about."""
    text = f'{RECIPE}[[sinks]]\ntype = "mqtt"\nhost = "localhost"\nport = {port}\n{more}\n'
    config: Config = parse(text, folder / "station.toml")
    (sink,) = config.sinks
    assert isinstance(sink, MqttSink)
    return {line.what: line for line in broker_lines(config, sink, running=running)}


def password_file(folder: Path, password: str) -> str:
    (folder / "password").write_text(password)
    (folder / "password").chmod(0o600)
    return 'username = "station"\npassword_file = "password"'


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def secured(start_mosquitto: StartMosquitto, authority: Authority) -> StartMosquitto:
    def start(names: str = NAMES, days: int = 100, more: str = "") -> Mosquitto:
        certificate, key = authority.issue("broker", names, days)
        lines = [f"cafile {authority.certificate}", f"certfile {certificate}", f"keyfile {key}", more]
        return start_mosquitto("\n".join(["allow_anonymous true", *lines]))

    return start


def tls(authority: Authority) -> str:
    return f'tls = true\nca_file = "{authority.certificate}"'


def test_a_broker_that_lets_us_in_is_fine(mosquitto: Mosquitto, tmp_path: Path) -> None:
    lines = visit(tmp_path, mosquitto.port)
    assert {line.state for line in lines.values()} == {"ok"}
    assert "MQTT 5, as client 'edge.site.line.station.doctor'" in lines["broker login"].found


def test_a_broker_that_speaks_the_older_version_only_is_fine(
    embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    assert visit(tmp_path, embedded_broker.port)["broker login"].found.startswith("MQTT 3.1.1")


def test_a_broker_is_visited_over_websockets(embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    line = visit(tmp_path, embedded_broker.websocket_port, 'transport = "websockets"')["broker login"]
    assert line.state == "ok", line


@pytest.mark.parametrize(("password", "state"), [("right", "ok"), ("wrong", "fail")])
def test_a_password_that_the_broker_refuses_is_named(
    start_mosquitto: StartMosquitto, tmp_path: Path, password: str, state: str
) -> None:
    users = tmp_path / "users"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", users, "station", "right"], check=True, capture_output=True
    )
    broker = start_mosquitto(f"allow_anonymous false\npassword_file {users}")
    line = visit(tmp_path, broker.port, password_file(tmp_path, password))["broker login"]
    assert line.state == state
    if state == "fail":
        assert "user 'station'" in line.found
        assert "not authorised" in line.found
        assert password not in line.found


def test_nobody_there_is_a_warning_because_results_are_kept(tmp_path: Path) -> None:
    lines = visit(tmp_path, free_port())
    assert [line.state for line in lines.values()] == ["warn"]
    assert "Connection refused" in lines["broker"].found


def test_something_that_never_answers_is_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.cli.doctor.broker.TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = visit(tmp_path, silent.getsockname()[1])["broker login"]
    assert line.state == "fail"
    assert "is it an MQTT broker?" in line.found


def test_something_that_hangs_up_is_no_broker(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    rude.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        line = visit(tmp_path, rude.getsockname()[1])["broker login"]
    assert line.state == "fail"


def test_a_certificate_that_expires_tomorrow_is_named(
    secured: StartMosquitto, authority: Authority, tmp_path: Path
) -> None:
    lines = visit(tmp_path, secured(days=1).port, tls(authority))
    assert lines["broker certificate"].state == "warn"
    assert "0 days" in lines["broker certificate"].found
    assert lines["broker login"].state == "ok"


def test_a_certificate_for_another_name_says_what_to_change(
    secured: StartMosquitto, authority: Authority, tmp_path: Path
) -> None:
    line = visit(tmp_path, secured(names="DNS:elsewhere.example").port, tls(authority))["broker TLS"]
    assert line.state == "fail"
    assert line.remedy == "set host to a name that stands in the broker's certificate"


def test_a_certificate_of_a_stranger_says_what_to_change(secured: StartMosquitto, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    line = visit(tmp_path, secured().port, tls(Authority(tmp_path / "other")))["broker TLS"]
    assert line.state == "fail"
    assert line.remedy.startswith("set ca_file")


def test_a_plain_port_is_not_a_tls_port(mosquitto: Mosquitto, authority: Authority, tmp_path: Path) -> None:
    line = visit(tmp_path, mosquitto.port, tls(authority))["broker TLS"]
    assert line.state == "fail"
    assert "no handshake" in line.found


def test_our_own_certificate_is_looked_at_and_wanted(
    secured: StartMosquitto, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("station", days=5)
    broker = secured(more="require_certificate true")
    lines = visit(tmp_path, broker.port, f'{tls(authority)}\ncert_file = "{certificate}"\nkey_file = "{key}"')
    assert lines["own certificate"].state == "warn"
    assert lines["broker login"].state == "ok"
    assert visit(tmp_path, broker.port, tls(authority))["broker login"].state == "fail"


def test_the_session_of_the_station_outlives_the_visit(mosquitto: Mosquitto, tmp_path: Path) -> None:
    station = Client(CallbackAPIVersion.VERSION2, "edge.site.line.station", reconnect_on_failure=False)
    station.connect("127.0.0.1", mosquitto.port)
    station.loop_start()
    eventually(station.is_connected)
    assert visit(tmp_path, mosquitto.port)["broker login"].state == "ok"
    log = mosquitto.log.read_text()
    assert "edge.site.line.station.doctor" in log
    assert "already connected" not in log
    assert station.is_connected()
    station.disconnect()
    station.loop_stop()


def test_no_login_is_tried_where_it_could_end_the_session_of_a_running_station(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    more = password_file(tmp_path, "any")
    assert "not tried" in visit(tmp_path, mosquitto.port, more, running=True)["broker login"].found
    assert ".doctor" not in mosquitto.log.read_text()


def test_a_secret_that_everybody_can_read_fails(mosquitto: Mosquitto, tmp_path: Path) -> None:
    more = password_file(tmp_path, "any")
    (tmp_path / "password").chmod(0o644)
    line = visit(tmp_path, mosquitto.port, more)["broker login"]
    assert line.state == "fail"
    assert "chmod o-rwx" in line.found


def test_a_secret_that_only_the_unit_sees_is_no_failure_and_the_network_is_tried(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    lines = visit(tmp_path, mosquitto.port, 'username = "station"\npassword_file = "a-credential"')
    assert lines["broker login"].state == "warn"
    assert lines["broker"].state == "ok"
