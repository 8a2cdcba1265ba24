"""TLS, certificates, passwords and ACLs, with a real mosquitto."""

import json
import subprocess
from pathlib import Path

import pytest
from brokers import Authority, Listener, Mosquitto, eventually, free_port, program
from conftest import StartMosquitto
from mqtt_station import BASE, a_row, a_sink, patient, rows
from paho.mqtt.client import Client

from edge.errors import ConfigError, DeliveryError

EXAMPLE = Path(__file__).parents[1] / "firmware_config" / "mosquitto"
NAMES = "DNS:localhost,IP:127.0.0.1"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def device(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("cam1")


@pytest.fixture(scope="session")
def server(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("server", NAMES)


def tls_settings(authority: Authority, server: tuple[Path, Path], *more: str) -> str:
    lines = [f"cafile {authority.certificate}", f"certfile {server[0]}", f"keyfile {server[1]}", *more]
    return "\n".join(["allow_anonymous true", *lines, ""])


def test_over_tls_everything_arrives(
    start_mosquitto: StartMosquitto, authority: Authority, server: tuple[Path, Path]
) -> None:
    mosquitto = start_mosquitto(tls_settings(authority, server))
    with a_sink(mosquitto.port, tls=True, ca_file=authority.certificate) as sink:
        assert sink.write([a_row(seq, filler=3000) for seq in range(1, 101)]).delivered == frozenset(
            range(1, 101)
        )
        assert not sink.insecure


def test_a_certificate_of_an_unknown_authority_is_refused(
    start_mosquitto: StartMosquitto, authority: Authority, server: tuple[Path, Path], tmp_path: Path
) -> None:
    mosquitto = start_mosquitto(tls_settings(authority, server))
    other = Authority(tmp_path, "other")
    with a_sink(mosquitto.port, tls=True, ca_file=other.certificate) as sink:
        eventually(lambda: "its certificate is not accepted" in (sink.trouble or ""))
        assert "ca_file" in (sink.trouble or "")


def test_a_certificate_for_another_name_is_refused_unless_that_is_configured(
    start_mosquitto: StartMosquitto, authority: Authority
) -> None:
    mosquitto = start_mosquitto(tls_settings(authority, authority.issue("elsewhere", "DNS:elsewhere")))
    with a_sink(mosquitto.port, tls=True, ca_file=authority.certificate) as sink:
        eventually(lambda: "not valid for '127.0.0.1'" in (sink.trouble or ""))
    settings = {"ca_file": authority.certificate, "insecure_skip_hostname_check": True}
    with a_sink(mosquitto.port, tls=True, **settings) as sink:
        assert sink.write(rows(1)).delivered == {1}
        assert sink.insecure


def test_without_a_device_certificate_the_trouble_asks_for_one(
    start_mosquitto: StartMosquitto,
    authority: Authority,
    server: tuple[Path, Path],
    device: tuple[Path, Path],
) -> None:
    mosquitto = start_mosquitto(tls_settings(authority, server, "require_certificate true"))
    with a_sink(mosquitto.port, tls=True, ca_file=authority.certificate) as sink:
        eventually(lambda: "cert_file" in (sink.trouble or ""))
    certificate, key = device
    settings = {"ca_file": authority.certificate, "cert_file": certificate, "key_file": key}
    with a_sink(mosquitto.port, tls=True, **settings) as sink:
        assert sink.write(rows(1)).delivered == {1}


def test_a_plain_port_is_not_a_tls_port(mosquitto: Mosquitto, authority: Authority) -> None:
    with a_sink(mosquitto.port, tls=True, ca_file=authority.certificate) as sink:
        eventually(lambda: sink.trouble and "not connected yet" not in sink.trouble)
        assert not sink.connected


def test_websockets_over_tls(
    start_mosquitto: StartMosquitto, authority: Authority, server: tuple[Path, Path]
) -> None:
    port = free_port()
    listener = f"listener {port} 127.0.0.1\nprotocol websockets\n"
    start_mosquitto(listener + tls_settings(authority, server))
    with a_sink(port, tls=True, ca_file=authority.certificate, transport="websockets") as sink:
        eventually(lambda: sink.connected)
        assert sink.write(rows(100)).delivered == frozenset(range(1, 101))


def test_a_key_that_everybody_may_read_is_refused(device: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = device
    open_key = tmp_path / "open.key"
    open_key.write_bytes(key.read_bytes())
    open_key.chmod(0o644)
    with pytest.raises(ConfigError, match=r"open\.key: is readable by everyone; run 'chmod"):
        a_sink(1883, tls=True, cert_file=certificate, key_file=open_key)


def test_a_key_that_is_a_credential_is_found_by_its_name(
    device: tuple[Path, Path], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = device
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key.parent))
    a_sink(
        1883, tls=True, cert_file=certificate, key_file=f"/nowhere/{key.name}", ca_file=authority.certificate
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ca_file": "absent.crt"}, "absent.crt: cannot be read: No such file"),
        ({"cert_file": "cam1.crt"}, "key_file is missing"),
        ({"key_file": "cam1.key"}, "cert_file is missing"),
        ({"ca_file": "cam1.key"}, "holds no PEM certificate"),
        ({"cert_file": "server.crt", "key_file": "cam1.key"}, "no certificate with its own unencrypted key"),
    ],
)
@pytest.mark.usefixtures("server")
def test_wrong_files_are_named_at_the_start(
    device: tuple[Path, Path], settings: dict[str, str], words: str
) -> None:
    folder = device[0].parent
    with pytest.raises(ConfigError, match=words):
        a_sink(1883, tls=True, **{name: folder / file for name, file in settings.items()})


def test_a_password_from_a_file_opens_the_door_and_a_wrong_one_is_named(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    passwords.touch(0o600)
    run_mosquitto_passwd(passwords, "cam1", "right")
    mosquitto = start_mosquitto(f"allow_anonymous false\npassword_file {passwords}\n")
    secret.touch(0o600)
    secret.write_text("wrong\n")
    with a_sink(mosquitto.port, username="cam1", password_file=secret) as sink:
        eventually(lambda: "correct username and password_file" in (sink.trouble or ""))
        with pytest.raises(DeliveryError, match="password_file"):
            sink.write(rows(1))
    secret.write_text("right\n")
    with a_sink(mosquitto.port, username="cam1", password_file=secret) as sink:
        assert sink.write(rows(1)).delivered == {1}


def run_mosquitto_passwd(passwords: Path, user: str, password: str) -> None:
    subprocess.run(
        [program("mosquitto_passwd"), "-b", passwords, user, password], check=True, capture_output=True
    )


def test_an_acl_that_forbids_results_is_an_alarm(start_mosquitto: StartMosquitto, tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text(f"topic readwrite {BASE}/availability\ntopic readwrite {BASE}/event/#\n")
    mosquitto = start_mosquitto(f"allow_anonymous true\nacl_file {acl}\n")
    with a_sink(mosquitto.port, patient(longest_pause_s=60)) as sink:
        assert sink.write([a_row(1, "event/gap")]).delivered == {1}
        receipt = sink.write([a_row(2)])
        assert receipt.delivered == frozenset()
        assert "the broker's ACL forbids writing to result" in (receipt.trouble or "")


def test_without_tls_another_machine_is_insecure_and_this_one_is_not() -> None:
    assert not a_sink(1883).insecure
    assert a_sink(1883, host="broker.example").insecure
    assert not a_sink(8883, host="broker.example", tls=True).insecure


def test_the_shipped_broker_settings_keep_stations_apart_and_let_the_consumer_in(
    authority: Authority, server: tuple[Path, Path], device: tuple[Path, Path], tmp_path: Path
) -> None:
    mosquitto = ShippedBroker(authority, server, tmp_path).start()
    try:
        ours = {"ca_file": authority.certificate, "cert_file": device[0], "key_file": device[1]}
        certificate, key = authority.issue("cam2")
        theirs = ours | {"cert_file": certificate, "key_file": key}

        def as_consumer(client: Client) -> None:
            chain = authority.issue("mes")
            client.tls_set(str(authority.certificate), str(chain[0]), str(chain[1]))

        with (
            Listener(mosquitto.port, "edge/#", prepare=as_consumer) as mes,
            a_sink(mosquitto.port, tls=True, **ours) as sink,
        ):
            eventually(lambda: sink.connected)
            assert sink.write(rows(3)).delivered == {1, 2, 3}
            eventually(lambda: len(mes.on(f"{BASE}/result")) == 3)
            mes.client.publish(f"{BASE}/cmd/status", b"{}", qos=1)
            assert sink.commands.get(timeout_s=5).name == "status"
            mes.client.publish(f"{BASE}/cmd/teach/start", b"{}", qos=1)
            assert sink.commands.get(timeout_s=5).name == "teach/start"
            mes.client.publish(f"{BASE}/result", b"forged", qos=1)
            with a_sink(mosquitto.port, tls=True, **theirs) as intruder:
                eventually(lambda: intruder.connected)
                assert "ACL" in (intruder.write([a_row(9)]).trouble or "")
            assert sink.connected
            assert sink.reconnects == 0, (
                "a certificate of another station, with our client id, ends our session"
            )
            assert [json.loads(payload)["sequence"] for payload in mes.on(f"{BASE}/result")] == [1, 2, 3]
    finally:
        mosquitto.stop()


class ShippedBroker(Mosquitto):
    """The example of firmware_config, with its folders and its port changed to the test's."""

    def __init__(self, authority: Authority, server: tuple[Path, Path], folder: Path) -> None:
        super().__init__(folder)
        text = (EXAMPLE / "edge-inspect.conf").read_text()
        for there, here in {
            "/etc/mosquitto/certs/ca.crt": authority.certificate,
            "/etc/mosquitto/certs/server.crt": server[0],
            "/etc/mosquitto/certs/server.key": server[1],
            "/etc/mosquitto/edge-inspect.acl": EXAMPLE / "edge-inspect.acl",
            "/var/lib/mosquitto/": f"{folder}/",
            "listener 8883": f"listener {self.port} 127.0.0.1",
        }.items():
            assert there in text
            text = text.replace(there, str(here))
        first_line = self._file.read_text().splitlines()[0]
        self._file.write_text(f"{first_line}\n{text}")
