"""What the proofs in the virtual machine share: a line for each thing that is proven, and a daemon at work."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

CONTROL = Path(os.environ["CONTROL"])
failed: list[str] = []


def proven(what: str, *, ok: bool, found: object = "") -> None:
    """Print one line of the proof."""
    print(f"{'ok  ' if ok else 'FAIL'}  {what}{f': {found}' if found != '' else ''}", flush=True)
    if not ok:
        failed.append(what)


def end() -> None:
    """End the proof, with exit code 1 where something is not so."""
    print(f"{len(failed)} of the lines above are FAIL" if failed else "all is proven", flush=True)
    sys.exit(1 if failed else 0)


def until(true: Callable[[], object], timeout_s: float = 30.0) -> bool:
    """Wait until it is true; says whether it is."""
    end_s = monotonic() + timeout_s
    while monotonic() < end_s:
        if true():
            return True
        sleep(0.01)
    return bool(true())


def shell(command: str) -> str:
    """Run it; it has to work."""
    done = subprocess.run(["/bin/sh", "-ec", command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


class Station:
    """A station's settings, the daemon that runs with them, and what it has reported."""

    def __init__(self, folder: Path, text: str) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.settings = folder / "station.toml"
        self.settings.write_text(
            f'[station]\nstate_dir = "{folder / "state"}"\n{text}\n[outbox]\nmin_free_mb = 0\n'
            f'[evidence]\nenabled = false\n[[sinks]]\ntype = "jsonl"\npath = "reports.jsonl"\n'
        )
        self.log = folder / "log"

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The daemon, until it is told to stop."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "edge", "run", str(self.settings)]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()

    @property
    def reports(self) -> list[dict[str, Any]]:
        """What the daemon has said of each part."""
        path = self.folder / "reports.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [said for said in map(json.loads, lines) if "verdict" in said]

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-2000:]
