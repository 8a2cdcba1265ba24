#!/usr/bin/python3
"""In the virtual machine of prove-deb: what a plant does to a package, over three boots; says what held.

Reports are read where the station's jsonl sink writes them: it gets what the outbox has committed, and no more.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

Record = dict[str, Any]
SHARE, CONTROL = Path("/share"), Path("/control")
NAME = "line-1"
UNIT = f"edge@{NAME}.service"
STATE = Path("/var/lib/edge-inspect") / NAME
SETTINGS = Path("/etc/edge-inspect") / f"{NAME}.toml"
SAMPLE = Path("/etc/edge-inspect/station.toml.sample")
SLOW = Path(f"/etc/systemd/system/{UNIT}.d/emulated.conf")
"""A start that takes a board seconds takes an emulated processor minutes, where the host is busy, too."""
JSONL = STATE / "reports.jsonl"
MINE = "# a line of the owner's\n"
PATIENCE_S = 300.0
"""An emulated processor is many times slower, and its host may be busy."""
SOME_PARTS = 5
# By its address: the machine has no /etc/hosts.
CONSUMER = ("mosquitto_sub", "-h", "127.0.0.1", "-i", "consumer", "-c", "-q", "1", "-t", "edge/#")
EXPOSURE = 2.0
"""What tests/test_systemd.py allows."""


def main() -> None:
    """Go on where the last boot ended."""
    boot = int(os.environ["BOOT"])
    try:
        (first_boot, second_boot, third_boot)[boot - 1]()
    except TimeoutError as late:
        check(str(late), held=False)
        show("journalctl", "--no-pager", "-n", "40", "-u", UNIT)
    sys.exit(1 if recall("failed") else 0)


def first_boot() -> None:
    """Install, judge, kill, hang, stop, start, reboot."""
    prepare_broker()
    SETTINGS.parent.mkdir(parents=True)
    shutil.copy(SHARE / SETTINGS.name, SETTINGS)
    shutil.copytree(SHARE / "part", STATE.parent / "bundles" / "part")
    SLOW.parent.mkdir(parents=True)
    SLOW.write_text("[Service]\nTimeoutStartSec=600\n")
    began = monotonic()
    installed = show("dpkg", "--install", package(1))
    check(f"dpkg installs it in {monotonic() - began:.0f} s", held=installed.returncode == 0)
    python = text("/opt/edge-inspect/bin/python3", "--version")
    check(f"the environment is {python}", held=python.startswith("Python 3"))
    check(
        "dpkg --verify finds every file as it was packed", held=text("dpkg", "--verify", "edge-inspect") == ""
    )
    groups = text("id", "-Gn", "edge-inspect").split()
    check(
        "the user is there, and in the groups of the devices", held={"video", "gpio", "apex"} <= set(groups)
    )
    check("the station that was configured is up, by systemd's Type=notify", held=active())
    enabled = text("systemctl", "is-enabled", UNIT)
    check("it will start at each boot", held=enabled == "enabled")
    wait("some parts are judged", lambda: len(judged()) >= SOME_PARTS)
    verdicts = sorted({each["verdict"] for each in judged()})
    check(f"parts are judged: {', '.join(verdicts)}", held=bool(verdicts) and "error" not in verdicts)
    security = text("systemd-analyze", "security", "--no-pager", UNIT).splitlines()[-1]
    check(
        security.lstrip("→ "), held=security.rstrip().endswith(("OK 🙂", "OK :-)", "OK")) or " OK" in security
    )

    epoch, before = epochs(), head()
    kill(signal.SIGKILL, "kill -9")
    wait("it judges again", lambda: head() > before)
    check(
        "the outbox goes on after kill -9: same epoch, no number missing", held=epochs() == epoch and whole()
    )

    before = head()
    took_s = kill(signal.SIGSTOP, "hanging (SIGSTOP)")
    journal = text("journalctl", "--no-pager", "-u", UNIT)
    check("it was systemd's watchdog that ended it", held="Watchdog timeout" in journal and took_s > 0)
    wait("it judges again", lambda: head() > before)
    check("the outbox goes on after it: same epoch, no number missing", held=epochs() == epoch and whole())

    began = monotonic()
    run("systemctl", "stop", UNIT)
    ended = text("systemctl", "show", "--property=Result,ExecMainStatus", "--value", UNIT).split()
    check(
        f"systemctl stop ends it in order, in {monotonic() - began:.0f} s",
        held=sorted(ended) == ["0", "success"],
    )
    accepted = committed()
    check(f"it drains: all {accepted} records it accepted are delivered to the file", held=head() == accepted)

    run("systemctl", "start", UNIT)
    wait("it judges again", lambda: head() > accepted)
    remember("epoch", epoch)
    run("systemctl", "reboot")
    sleep(600)


def second_boot() -> None:
    """What has waited is delivered; then the power is cut."""
    wait("the first part after the reboot is judged", lambda: bool(judged_since_boot()))
    first = judged_since_boot()[0]
    check("after a reboot the station is up by itself", held=active())
    started = time() - float(Path("/proc/uptime").read_text().split()[0])
    userspace, ready = (
        int(text("systemctl", "show", f"--property={name}", "--value", *unit)) / 1e6
        for name, unit in (("UserspaceTimestampMonotonic", []), ("ActiveEnterTimestampMonotonic", [UNIT]))
    )
    say(f"     boot to first verdict: {seconds_since(started, first['ts']):.1f} s after the kernel's start")
    say(f"     (systemd at {userspace:.1f} s, station ready at {ready:.1f} s; no KVM: an emulated processor)")
    check(
        "the outbox goes on over a reboot: same epoch, no number missing",
        held=epochs() == recall("epoch") and whole(),
    )

    run("systemctl", "start", "mosquitto")
    waiting = head()
    arrived: set[int] = set()

    def everything() -> bool:
        arrived.update(consumed())
        return set(range(1, waiting + 1)) <= arrived

    wait("the broker has all that waited", everything)
    held = set(range(1, waiting + 1)) <= arrived
    check(
        f"nothing is lost: records 1 to {waiting}, from before the reboot and after, reach the broker",
        held=held,
    )
    before = head()
    wait("it goes on judging", lambda: head() > before + 1)
    remember("before the power cut", head())
    say("     the power is cut")
    Path("/proc/sysrq-trigger").write_text("b")
    sleep(600)


def third_boot() -> None:
    """After the power cut: upgrade, remove, purge."""
    before = recall("before the power cut")
    wait("a part after the power cut is judged", lambda: bool(judged_since_boot()))
    same = epochs() == recall("epoch")
    check(f"after a power cut all {before} records are there, and the numbers go on", held=same and whole())

    with SAMPLE.open("a") as file:
        file.write(MINE)
    settings, pid, before = SETTINGS.read_text(), main_pid(), head()
    began = monotonic()
    upgraded = show("dpkg", "--install", package(2))
    check(
        f"an upgrade takes {monotonic() - began:.0f} s",
        held=upgraded.returncode == 0 and version().split("-")[1][0] == "2",
    )
    check("it has restarted the station", held=active() and main_pid() != pid)
    kept = SETTINGS.read_text() == settings and SAMPLE.read_text().endswith(MINE)
    check("it has kept the settings, and the sample that the owner has changed", held=kept)
    wait("it judges again", lambda: head() > before)
    check(
        "it has kept the state: same epoch, no number missing", held=epochs() == recall("epoch") and whole()
    )

    removed = show("dpkg", "--remove", "edge-inspect")
    gone = not active() and not Path("/opt/edge-inspect/bin/edge").exists()
    check("removing it stops the station", held=removed.returncode == 0 and gone)
    check("and keeps state and settings", held=JSONL.exists() and SETTINGS.read_text() == settings)

    purged = show("dpkg", "--purge", "edge-inspect")
    said = purged.stdout
    named = all(
        path in said for path in ("/etc/edge-inspect", "/var/lib/edge-inspect", "the user edge-inspect")
    )
    check("purging it says what it removes", held=purged.returncode == 0 and named)
    left = leftovers()
    left += [str(path) for path in (SLOW, SLOW.parent) if path.exists()]
    check(f"and leaves nothing{': ' + ', '.join(left) if left else ''}", held=not left)


def prepare_broker() -> None:
    """A broker that is not there until the second boot, with a consumer who has subscribed and gone away."""
    Path("/etc/mosquitto/conf.d/proof.conf").write_text(
        "listener 1883 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
    )
    run("systemctl", "restart", "mosquitto")
    subscribe = [*CONSUMER, "-E"]
    wait("the broker is there", lambda: run(*subscribe).returncode == 0)
    check("a broker has a consumer who is away", held=True)
    run("systemctl", "disable", "mosquitto")
    run("systemctl", "stop", "mosquitto")


def consumed() -> set[int]:
    """The numbers of the records that the consumer gets now."""
    listen = [*CONSUMER, "-W", "5", "-F", "%p"]
    found = set()
    for line in run(*listen).stdout.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict) and message.get("id"):
            found.add(number(message))
    return found


def kill(how: signal.Signals, what: str) -> float:
    """Do that to the station's process, and wait for systemd to bring another up. Returns the seconds it took."""
    pid, began = main_pid(), monotonic()
    os.kill(pid, how)
    wait(f"after {what} there is another process", lambda: main_pid() not in {0, pid})
    gone_s = monotonic() - began
    wait(f"after {what} it is up again", active)
    up_s = monotonic() - began
    check(f"after {what} it is replaced within {gone_s:.0f} s, and up again within {up_s:.0f} s", held=True)
    return gone_s


def records() -> list[Record]:
    """What the file has; its last line may be half written."""
    try:
        lines = JSONL.read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def judged() -> list[Record]:
    """Judged parts."""
    return [each for each in records() if "verdict" in each]


def judged_since_boot() -> list[Record]:
    """Those of this start of the machine; what was judged while it went down is not among them."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return [each for each in judged() if each["boot_id"] == boot]


def number(record: Record) -> int:
    """A record's number in its epoch."""
    return int(record["id"].split("/")[-1])


def head() -> int:
    """The highest number."""
    return max((number(each) for each in records()), default=0)


def epochs() -> list[str]:
    """The epochs that there are: one, unless an outbox was begun anew."""
    return sorted({each["id"].split("/")[-2] for each in records()})


def whole() -> bool:
    """No number is missing."""
    return {number(each) for each in records()} == set(range(1, head() + 1))


def committed() -> int:
    """The highest number that was ever given; the station must not run."""
    with sqlite3.connect(STATE / "outbox.db") as database:
        return int(database.execute("SELECT seq FROM sqlite_sequence").fetchone()[0])


def seconds_since(start: float, stamp: str) -> float:
    """From a time to that of a record."""
    return datetime.fromisoformat(stamp).timestamp() - start


def leftovers() -> list[str]:
    """What still bears our name, outside of the journal and dpkg's diary."""
    look = "find / -xdev ( -path /proc -o -path /sys -o -path /share -o -path /control -o -path /var/log ) -prune"
    found = text(
        *look.split(), "-o", "(", "-name", "*edge-inspect*", "-o", "-name", "edge@*", ")", "-print"
    ).splitlines()
    if Path("/usr/bin/edge").is_symlink() or Path("/opt/edge-inspect").exists():
        found.append("/opt/edge-inspect")
    if run("getent", "passwd", "edge-inspect").returncode == 0:
        found.append("user edge-inspect")
    return found


def package(revision: int) -> str:
    """The package of that revision."""
    (path,) = SHARE.glob(f"edge-inspect_*-{revision}+deb*_amd64.deb")
    return str(path)


def version() -> str:
    """The version that is installed."""
    return text("dpkg-query", "--show", "--showformat=${Version}", "edge-inspect")


def active() -> bool:
    """Whether the station has said READY and runs."""
    return text("systemctl", "is-active", UNIT) == "active"


def main_pid() -> int:
    """The station's process; 0 where there is none."""
    return int(text("systemctl", "show", "--property=MainPID", "--value", UNIT) or 0)


def wait(what: str, true: Callable[[], bool]) -> None:
    """Wait until that is true."""
    until = monotonic() + PATIENCE_S
    while not true():
        if monotonic() > until:
            raise TimeoutError(f"{what}: not within {PATIENCE_S:.0f} s")
        sleep(1)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program and wait for its end. What is no text (pictures on MQTT are not) is replaced."""
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def show(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program, and show what it says while it says it."""
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            said.append(line)
            say(f"     | {line.rstrip()}")
    return subprocess.CompletedProcess(command, process.returncode, "".join(said))


def text(*command: str) -> str:
    """What a program prints."""
    return run(*command).stdout.strip()


def check(what: str, *, held: bool) -> None:
    """Say whether it held."""
    say(f"{'ok  ' if held else 'FAIL'} {what}")
    if not held:
        remember("failed", [*(recall("failed") or []), what])


def say(line: str) -> None:
    """Print it at once: the power may be cut."""
    print(line, flush=True)


def remember(name: str, value: object) -> None:
    """Keep something over the next boot, on the host."""
    notes = json.loads(_notes().read_text()) if _notes().exists() else {}
    _notes().write_text(json.dumps({**notes, name: value}))


def recall(name: str) -> Any:
    """What was kept."""
    return json.loads(_notes().read_text()).get(name) if _notes().exists() else None


def _notes() -> Path:
    return CONTROL / "notes.json"


if __name__ == "__main__":
    main()
