"""Programs that the demo, the benchmark and the proof of delivery run beside themselves."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from edge.errors import DeviceError

START_S = 30.0
"""A program that does not listen after so long has failed."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program as long as the block lasts; what it says goes to `log`. Ended by SIGTERM, then SIGKILL."""
    with log.open("ab") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the program listens. Raises `DeviceError` with the end of its log."""
    until = monotonic() + START_S
    while monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    last = " ".join(log.read_text(errors="replace").splitlines()[-3:])
    raise DeviceError(f"the program that should listen on port {port} does not: {last}")


def edge_command(*arguments: str) -> list[str]:
    """The same `edge` as this one, with other arguments."""
    return [sys.executable, "-m", "edge", *arguments]


def mosquitto_command(folder: Path, port: int) -> list[str] | None:
    """Mosquitto on loopback with its settings in `folder`; None where it is not installed."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        return None
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n"
    )
    return [program, "-c", str(settings)]
