"""Proof of delivery: SIGKILLs of daemon and broker at random moments, then a count of every accepted report.

Accepted is what the outbox has committed (its highest sequence number) and what the `jsonl` sink, which gets only
committed reports, has written. Present is what a consumer of the broker has, who follows docs/mqtt.md: drops what
he has already, finds holes by sequence number, and asks for them with cmd/replay.
"""

import argparse
import json
import random
import signal
import sqlite3
import subprocess
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

from edge.cli.bench_runs import taught_bundle
from edge.cli.peers import edge_command, free_port, mosquitto_command, wait_for_port
from edge.cli.progress import bar
from edge.remote.listener import Listener

BASE = "edge/proof/line/station"
SHARE_OF_DAEMON = 0.6
SHARE_IN_FULL_FLOW = 0.8
"""The other kills come at any moment: while a daemon starts, while a broker is away."""
FLOW_S = 30.0
QUIET_S = 60.0
"""How long the last holes may take to be filled."""


class Peer:
    """A program that is killed and started again."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._command, self._log = command, log
        self.kills = 0
        self.start()

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as said:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def kill(self) -> None:
        """Kill it without warning, and start it again, as systemd would."""
        self.process.kill()
        self.process.wait()
        self.kills += 1
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it in peace."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself: it must not."""
        return self.process.poll() is not None


def main() -> None:
    """Run the proof; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs in all")
    parser.add_argument("--seed", type=int, default=1, help="which moments")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-proof-", ignore_cleanup_errors=True) as folder:
        figures = prove(Path(folder), options.kills, random.Random(options.seed))  # noqa: S311 - moments, not secrets
    text = (
        json.dumps(figures)
        if options.json
        else "\n".join(f"{key:>18}  {value}" for key, value in figures.items())
    )
    print(text)
    if figures["lost"] or figures["duplicates"] or figures["unexplained_gaps"]:
        raise SystemExit(1)


def prove(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill, wait for quiet, count."""
    began = monotonic()
    folder.chmod(0o755)
    port = free_port()
    command = mosquitto_command(folder, port)
    if command is None:
        raise SystemExit("mosquitto is missing; run: sudo apt-get install mosquitto")
    with bar() as progress, ExitStack() as peers:
        bundle = taught_bundle(folder, progress)
        broker = peers.enter_context(Peer(command, folder / "broker.log"))
        wait_for_port(port, broker.process, folder / "broker.log")
        listener = Listener("127.0.0.1", port, BASE)
        peers.callback(listener.close)
        listener.wait_until_connected()
        with Peer(run(settings(folder, bundle, port, idle=False)), folder / "station.log") as station:
            for number in range(kills):
                progress("killing", number, kills)
                if rng.random() < SHARE_IN_FULL_FLOW:
                    wait_for_flow(listener)
                sleep(rng.uniform(0.0, 2.0))
                if station.ended:
                    raise SystemExit(f"the daemon gave up: {(folder / 'station.log').read_text()[-2000:]}")
                (station if rng.random() < SHARE_OF_DAEMON else broker).kill()
            progress("killing", kills, kills)
            wait_for_flow(listener)
        with Peer(run(settings(folder, bundle, port, idle=True)), folder / "idle.log"):
            replays = fill_holes(listener, folder / "state" / "outbox.db")
    return count(listener, folder) | {
        "kills": station.kills + broker.kills,
        "kills_of_daemon": station.kills,
        "kills_of_broker": broker.kills,
        "replayed_ranges": replays,
        "seconds": round(monotonic() - began),
    }


def run(config: Path) -> list[str]:
    """The command that systemd runs."""
    return edge_command("run", str(config))


def wait_for_flow(listener: Listener) -> None:
    """Return when another record has arrived."""
    before = len(listener.records)
    until = monotonic() + FLOW_S
    while len(listener.records) == before and monotonic() < until:
        sleep(0.02)


def fill_holes(listener: Listener, outbox: Path) -> int:
    """Ask for holes until there are none, or nothing more comes. Gives how many ranges were asked for."""
    asked = 0
    until = monotonic() + QUIET_S
    while monotonic() < until:
        sleep(2)
        holes = [(epoch, listener.holes(epoch, last)) for epoch, last in accepted(outbox)]
        if not any(ranges for _, ranges in holes):
            return asked
        for epoch, ranges in holes:
            listener.ask_again(epoch, ranges)
            asked += len(ranges)
    return asked


def accepted(outbox: Path) -> list[tuple[str, int]]:
    """The epoch and the highest sequence number that was ever committed in it."""
    with sqlite3.connect(f"file:{outbox}?mode=ro", uri=True) as database:
        (epoch,) = database.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        (last,) = database.execute("SELECT seq FROM sqlite_sequence").fetchone()
    return [(epoch, last)]


def count(listener: Listener, folder: Path) -> dict[str, Any]:
    """Accepted on the device against present at the consumer."""
    written = Counter(json.loads(line)["id"] for line in (folder / "reports.jsonl").read_text().splitlines())
    present = {f"station/{epoch}/{seq}" for epoch, seen in listener.seen.items() for seq in seen}
    gaps = [listener.holes(epoch, last) for epoch, last in accepted(folder / "state" / "outbox.db")]
    in_outbox = sum(last for _, last in accepted(folder / "state" / "outbox.db"))
    return {
        "accepted": in_outbox,
        "lost": sum(last - first + 1 for ranges in gaps for first, last in ranges)
        + len(written.keys() - present),
        "duplicates": listener.conflicts + sum(times - 1 for times in written.values()),
        "unexplained_gaps": sum(len(ranges) for ranges in gaps),
        "redelivered_and_dropped": listener.redelivered,
        "written_by_jsonl": len(written),
    }


def settings(folder: Path, bundle: Path, port: int, *, idle: bool) -> Path:
    """The station's settings: parts that flow, or a line that is idle."""
    (folder / "drop").mkdir(exist_ok=True)
    source = (
        'type = "watch"\npath = "drop"'
        if idle
        else 'type = "synthetic"\nrate_hz = 40\nwidth = 320\nheight = 240'
    )
    config = folder / ("idle.toml" if idle else "station.toml")
    config.write_text(
        f'[station]\nsite = "proof"\ndevice = "station"\nstate_dir = "state"\n[source]\n{source}\n'
        f'[recipe]\nchecks = [{{ name = "surface", bundle = "{bundle.name}" }}]\n'
        "[quality]\nenabled = false\n[evidence]\nenabled = false\n[outbox]\nmin_free_mb = 0\n"
        f'[[sinks]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {port}\n'
        '[[sinks]]\ntype = "jsonl"\npath = "reports.jsonl"\n'
    )
    return config


if __name__ == "__main__":
    main()
