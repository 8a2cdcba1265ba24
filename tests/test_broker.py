"""`edge broker`: the embedded broker for trying things out."""

import signal
import subprocess
import sys

import pytest
from brokers import EmbeddedBroker, Listener, eventually, free_port

pytest.importorskip("amqtt")


def edge_broker(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge", "broker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_says_one_line_when_it_is_ready_and_ends_when_it_is_told_to(how: signal.Signals) -> None:
    port = free_port()
    broker = edge_broker("--port", str(port))
    assert broker.stdout is not None
    assert broker.stdout.readline() == f"broker ready: mqtt://127.0.0.1:{port}\n"
    with Listener(port, version=4) as listener:
        listener.client.publish("a/b", b"hello", qos=1)
        eventually(lambda: listener.on("a/b"))
    broker.send_signal(how)
    said, complained = broker.communicate(timeout=10)
    assert (broker.returncode, said, complained) == (0, "", "")


def test_a_port_that_is_taken_is_named(embedded_broker: EmbeddedBroker) -> None:
    broker = edge_broker("--port", str(embedded_broker.port))
    _, complained = broker.communicate(timeout=30)
    assert broker.returncode == 69
    assert complained == (
        f"edge: the broker cannot listen on 127.0.0.1 port {embedded_broker.port}: "
        "Address already in use; choose another\n"
    )


def test_without_its_package_it_says_how_to_get_it() -> None:
    hide = "import sys, edge.cli.main as it; sys.modules['amqtt'] = None; sys.argv = ['edge', 'broker']; it.main()"
    ended = subprocess.run(
        [sys.executable, "-c", hide], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 69
    assert "pip install 'edge-inspect[broker]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_listens_on_this_machine_only(embedded_broker: EmbeddedBroker) -> None:
    assert embedded_broker.said == (
        f"broker ready: mqtt://127.0.0.1:{embedded_broker.port} and ws://127.0.0.1:{embedded_broker.websocket_port}\n"
    )


def test_what_is_retained_and_published_with_qos_1_arrives(embedded_broker: EmbeddedBroker) -> None:
    with Listener(embedded_broker.port, "embedded/#", version=4) as before:
        before.client.publish("embedded/kept", b"1", qos=1, retain=True).wait_for_publish(5)
        before.client.publish("embedded/kept", b"2", qos=1, retain=True).wait_for_publish(5)
        eventually(lambda: len(before.heard) == 2)
        with Listener(embedded_broker.port, "embedded/#", version=4) as after:
            eventually(lambda: after.heard)
            assert after.heard[-1].payload == b"2"
            assert after.heard[-1].retain
