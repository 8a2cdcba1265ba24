"""Proof of the Debian package: built twice, installed and booted in a virtual machine with a release of Debian.

What is done in the machine is in prove_deb_guest.py. A fault is said, and the exit code is 1.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

import cv2

from edge.config import SyntheticSource
from edge.sources.synthetic import Synthetic
from edge.teach.lesson import Wishes, teach

SCRIPTS = Path(__file__).resolve().parent
LIMIT_S = 900
"""The whole proof of a release, with its packages, takes under 20 minutes."""
PARTS = 12
SETTINGS = """\
[station]
site = "proof"
device = "line-1"
[source]
type = "synthetic"
width = 320
height = 240
rate_hz = 0.5
defect_rate = 0.3
[recipe]
name = "part"
checks = [{ name = "surface", bundle = "/var/lib/edge-inspect/bundles/part" }]
[outbox]
min_free_mb = 0
[evidence]
min_free_mb = 0
[[sinks]]
type = "jsonl"
path = "/var/lib/edge-inspect/line-1/reports.jsonl"
[[sinks]]
type = "mqtt"
host = "127.0.0.1"
"""


def main() -> None:
    """Prove each release that is asked for."""
    words = argparse.ArgumentParser(prog="prove-deb", description=__doc__)
    words.add_argument(
        "--release",
        choices=("bookworm", "trixie"),
        action="append",
        help="default: trixie; give both for both",
    )
    releases = words.parse_args().release or ["trixie"]
    if os.geteuid() != 0:
        sys.exit("prove-deb: only root can make the root of another system; run it with sudo")
    if platform.machine() != "x86_64":
        sys.exit("prove-deb: the virtual machine is an x86_64 one; build-deb alone works here")
    proven = [prove(release) for release in releases]
    sys.exit(0 if all(proven) else 1)


def prove(release: str) -> bool:
    """Prove the package of one release."""
    began = monotonic()
    print(f"== {release}", flush=True)
    with tempfile.TemporaryDirectory(prefix="edge-prove-deb-") as work:
        share = Path(work) / "share"
        good = lay_out(share, release)
        image = output(
            "vm-build", release, "mosquitto", "mosquitto-clients", "init-system-helpers", "passwd", "zlib1g"
        )
        guest = SCRIPTS / "prove_deb_guest.py"
        run = [str(SCRIPTS / "vm-run"), "--limit", str(LIMIT_S), image, str(guest), str(share)]
        good &= subprocess.run(run, check=False).returncode == 0
    print(f"== {release}: {'proven' if good else 'NOT proven'} in {monotonic() - began:.0f} s", flush=True)
    return good


def lay_out(share: Path, release: str) -> bool:
    """Lay out what the machine gets to see: two packages, settings, and a product that was taught here."""
    share.mkdir()
    first = build(release, 1, share)
    again = build(release, 1, share / "again")
    same = digest(first) == digest(again)
    shutil.rmtree(share / "again")
    build(release, 2, share)
    other = build(release, 1, share, arch="arm64")
    print(f"ok   the package for arm64, of aarch64 libraries alone: {other.stat().st_size / 1e6:.0f} MB")
    print(
        f"{'ok  ' if same else 'FAIL'} the same tree gives the same bytes, {first.stat().st_size / 1e6:.0f} MB"
    )
    (share / "line-1.toml").write_text(SETTINGS, encoding="utf-8")
    teach_product(share)
    return same


def build(release: str, revision: int, folder: Path, arch: str = "amd64") -> Path:
    """Build a package."""
    how = ["--arch", arch, "--release", release, "--revision", str(revision), "--out", str(folder)]
    return Path(output("build-deb", *how))


def teach_product(folder: Path) -> None:
    """Teach a product from rendered parts, as few and small as an emulated processor likes them."""
    config = SyntheticSource(type="synthetic", width=320, height=240, defect_rate=0.0, seed=100, count=PARTS)
    pictures = []
    (folder / "good").mkdir()
    with Synthetic(config) as conveyor:
        for number in range(PARTS):
            pictures.append(folder / "good" / f"{number:02}.png")
            cv2.imwrite(str(pictures[-1]), conveyor.read().image[:, :, ::-1])
    teach("part", pictures, folder / "part", wishes=Wishes(false_reject=0.2, confidence=0.5, force=True))


def output(script: str, *arguments: str) -> str:
    """Run one of our scripts; return the last line that it prints."""
    answer = subprocess.run(
        [str(SCRIPTS / script), *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if answer.returncode:
        sys.exit(f"prove-deb: {script} failed: see above")
    return answer.stdout.splitlines()[-1]


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
