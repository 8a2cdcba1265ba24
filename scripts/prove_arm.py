"""Proof for 64-bit and 32-bit ARM: the wheels install, a line runs, and the verdicts are those of this machine.

A bundle is taught here, on rendered parts. The same pictures then go through `edge score` and `edge run` on each
machine, emulated; how long that takes says nothing about a board.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import cv2
import numpy as np
from foreign_machine import Machine, Run, emulated, make_root, run

from edge.config import SyntheticSource
from edge.model.bundle import load
from edge.model.versions import resolve
from edge.sources.synthetic import Synthetic

PROJECT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("EDGE_CACHE", Path.home() / ".cache/edge-inspect")) / "arm"
TOLERANCE = 0.05
"""Of a score, whose limit is 1. Other processors resize and round otherwise: 0.03 was seen."""
GOOD, PARTS = 30, 24
UNPACKED = "unpacked"
LIMIT_S = 600

AARCH64 = Machine(
    "aarch64", "arm64", "qemu-aarch64", 64, 0xB7, ("python3", "python3-pip", "libstdc++6", "libgomp1")
)
# PyPI has no wheels of NumPy, Pillow and OpenCV for 32-bit ARM; Debian has packages.
FROM_DEBIAN = ("numpy", "opencv-python-headless", "pillow")
ARMV7L = Machine(
    *("armv7l", "armhf", "qemu-arm", 32, 0x28),
    (
        *("python3", "python3-pip", "libatomic1"),
        *("fonts-dejavu-core", "python3-numpy", "python3-opencv", "python3-pil"),
    ),
    {"LD_LIBRARY_PATH": "/usr/lib/arm-linux-gnueabihf/blas:/usr/lib/arm-linux-gnueabihf/lapack"},
)
NO_ARM = ("ai-edge-litert", "backports.strenum", "flatbuffers", "ml_dtypes", "protobuf", "tqdm")
"""Needed by ai-edge-litert alone, which has no wheel for 32-bit ARM."""

STATION = """\
[station]
state_dir = "state-{machine}"
[source]
type = "folder"
path = "parts"
[recipe]
checks = [{{ name = "surface", bundle = "bundle" }}]
[quality]
frozen_after = 0
[outbox]
min_free_mb = 0
[evidence]
min_free_mb = 0
[[sinks]]
type = "jsonl"
path = "run-{machine}.jsonl"
"""


class Scored(NamedTuple):
    """What a machine says of a part."""

    score: float
    verdict: str


@dataclass
class Proof:
    """Lines that say what holds; `failed` counts those that do not."""

    failed: int = 0

    def say(self, what: str, *, holds: bool) -> None:
        """One line, at once."""
        self.failed += not holds
        print("ok  " if holds else "FAIL", what, flush=True)


def main() -> None:
    """Prove, and end with 1 where something does not hold."""
    proof = Proof()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edge-prove-arm-") as scratch, emulated((AARCH64, ARMV7L)):
        work = Path(scratch)
        wheel = prepare_line(work)
        on_host(work, "-m", "edge", "score", "bundle", "parts", "--jsonl", "score-here.jsonl")
        told = on_host(work, "features.py", "here.npz")
        here = scored(work / "score-here.jsonl")
        print(f"     here, x86-64: {told.strip()}; {tally(here)}", flush=True)
        for machine in (AARCH64, ARMV7L):
            with complaint(proof, machine.wheels):
                prove(machine, work, wheel, here, proof)
    sys.exit(proof.failed > 0)


@contextmanager
def complaint(proof: Proof, name: str) -> Iterator[None]:
    """A step that cannot be done is a line of the proof, and the next machine is tried."""
    try:
        yield
    except (subprocess.SubprocessError, OSError) as err:
        proof.say(f"{name}: {err} {getattr(err, 'stderr', None) or ''}".strip(), holds=False)


def prepare_line(work: Path) -> Path:
    """Parts, a bundle taught on others, and the wheel of this working copy, which is returned."""
    render(work / "good", GOOD, defect_rate=0.0, seed=1)
    render(work / "parts", PARTS, defect_rate=0.5, seed=2)
    shutil.copy(PROJECT / "scripts/arm_features.py", work / "features.py")
    on_host(work, "-m", "edge", "teach", "part", "--good", "good", "--out", "shelf", "--force")
    shutil.copytree(resolve(work / "shelf"), work / "bundle")
    on_host(work, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", ".", str(PROJECT))
    (wheel,) = work.glob("edge_inspect-*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(work / "app")
    return wheel


def render(folder: Path, count: int, *, defect_rate: float, seed: int) -> None:
    """Rendered parts as files, named by their part ids."""
    folder.mkdir()
    config = SyntheticSource(
        type="synthetic", width=640, height=480, defect_rate=defect_rate, seed=seed, count=count
    )
    with Synthetic(config) as conveyor:
        for _ in range(count):
            frame = conveyor.read()
            cv2.imwrite(str(folder / f"{frame.part_id}.png"), frame.image[:, :, ::-1])


def prove(machine: Machine, work: Path, wheel: Path, here: dict[str, Scored], proof: Proof) -> None:
    """Everything about one machine."""
    name = machine.wheels
    root, wheels = make_root(machine, CACHE), download(machine, wheel)
    proof.say(f"{name}: {versions(wheels / UNPACKED)}: wheels, none built from source", holds=True)

    def there(*arguments: str) -> str:
        said = run(machine, Run(root, wheels, work), arguments, LIMIT_S)
        if said.returncode:
            last = "; ".join(said.stderr.strip().splitlines()[-2:])
            raise OSError(f"{' '.join(arguments[:4])} ended with {said.returncode}: {last}")
        return said.stdout

    # Isolated: what lies unpacked on the path is not installed yet.
    pip = (
        "-I",
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--no-index",
        "--find-links=/opt",
        "--break-system-packages",
    )
    would = there(*pip, wheel.name)
    taken = re.findall(
        r"Requirement already satisfied: (\S+?)[<>=,.0-9]* in \S+dist-packages.*\((\S+)\)", would
    )
    found = [
        line.split(maxsplit=2)[2].split() for line in would.splitlines() if line.startswith("Would install")
    ]
    proof.say(
        f"{name}: pip there would install {len(found[0]) if found else 0} packages with edge-inspect, "
        f"and take of Debian {', '.join(' '.join(each) for each in taken) or 'nothing'}",
        holds=bool(found),
    )
    runs_on = there("-c", "import platform as p; print(p.machine(), 'Python', p.python_version())").strip()
    told = there("features.py", f"{name}.npz", "here.npz").strip()
    proof.say(f"{name}: {runs_on}, {told}: the backbone runs", holds=True)
    for line in differences(np.load(work / "here.npz"), np.load(work / f"{name}.npz")):
        print(f"     {name}: {line}", flush=True)
    there("-m", "edge", "score", "bundle", "parts", "--jsonl", f"score-{name}.jsonl")
    compare(name, here, scored(work / f"score-{name}.jsonl"), limits(work), proof)
    (work / f"{name}.toml").write_text(STATION.format(machine=name))
    there("-m", "edge", "run", f"{name}.toml")
    compare_run(name, work, proof)


def download(machine: Machine, wheel: Path) -> Path:
    """The pinned wheels of that machine in a folder of the cache, and all of them unpacked beside."""
    wanted = (PROJECT / "scripts/constraints.txt").read_bytes() + (PROJECT / "pyproject.toml").read_bytes()
    folder = CACHE / f"wheels-{machine.wheels}-{sha256(wanted).hexdigest()[:12]}"
    if folder.exists():
        return folder
    making = CACHE / f"making-wheels-{machine.wheels}"
    shutil.rmtree(making, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--dest", str(making), *machine.pip_options]
    command += ["--constraint", str(PROJECT / "scripts/constraints.txt")]
    command += ["--no-deps", *without_litert()] if machine is ARMV7L else [str(wheel)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_S)
    for path in making.glob("*.whl"):
        if path.name == wheel.name:
            path.unlink()  # each run brings its own
            continue
        with ZipFile(path) as archive:
            archive.extractall(making / UNPACKED)
    making.rename(folder)
    return folder


def without_litert() -> list[str]:
    """What 32-bit ARM takes from PyPI. pip judges markers by this machine, so it cannot say so itself."""
    aarch64 = [path.name for path in CACHE.glob(f"wheels-aarch64-*/{UNPACKED}/*.dist-info")]
    names = {name.rsplit("-", 1)[0].replace("_", "-").lower() for name in (entry[:-10] for entry in aarch64)}
    left_out = {name.replace("_", "-").lower() for name in (*FROM_DEBIAN, *NO_ARM, "edge-inspect")}
    return [*sorted(names - left_out), "tflite-runtime"]


def versions(packages: Path) -> str:
    """How many wheels there are, and which of them hold machine code."""
    found = sorted(path.name.removesuffix(".dist-info") for path in packages.glob("*.dist-info"))
    found = [entry for entry in found if not entry.startswith("edge_inspect")]
    native = [
        entry.replace("-", " ")
        for entry in found
        if "Root-Is-Purelib: false" in (packages / f"{entry}.dist-info/WHEEL").read_text()
    ]
    return f"{len(found)} packages, with machine code {', '.join(native)}"


def differences(here: dict[str, np.ndarray], there: dict[str, np.ndarray]) -> Iterator[str]:
    """How far apart what the model sees is, and what the backbone makes of the same tensors."""
    names = [name for name in here if name != "features"]
    seen = np.concatenate([steps(here[name], there[name]) for name in names])
    features = steps(here["features"], there["features"])
    for what, apart in (("tensors from the same pictures", seen), ("features of the same tensors", features)):
        yield f"{what}: {(apart > 0).mean():.0%} differ, by {apart.max()} of 255 steps at most"


def steps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Differences of int8 numbers, flat."""
    return np.abs(one.astype(np.int16) - other.astype(np.int16)).ravel()


def compare(
    name: str, here: dict[str, Scored], there: dict[str, Scored], limits: Sequence[float], proof: Proof
) -> None:
    """Scores within the tolerance; verdicts equal, but where a limit lies between the two scores."""
    apart = {part: abs(here[part].score - there[part].score) for part in here}
    largest = max(apart.values())
    proof.say(
        f"{name}: edge score, {len(there)} parts: scores differ by {largest:.4f} at most (allowed: {TOLERANCE})",
        holds=here.keys() == there.keys() and largest <= TOLERANCE,
    )
    other = [part for part in here if here[part].verdict != there[part].verdict]
    between = [
        part
        for part in other
        if any(
            min(here[part].score, there[part].score) < limit <= max(here[part].score, there[part].score)
            for limit in limits
        )
    ]
    escaped = [part for part in other if {here[part].verdict, there[part].verdict} == {"pass", "fail"}]
    proof.say(
        f"{name}: {tally(there)}; {len(there) - len(other)} of {len(there)} verdicts equal, "
        f"{len(between)} differ because a limit lies between the two scores",
        holds=other == between and not escaped,
    )


def compare_run(name: str, work: Path, proof: Proof) -> None:
    """`edge run` reports every picture, in order, with the verdict that `edge score` gives there."""
    records = [json.loads(line) for line in (work / f"run-{name}.jsonl").read_text().splitlines()]
    results = [record for record in records if record["schema"] == "edge.result/1"]
    parts = [record["part_id"] for record in results]
    said = {record["part_id"]: Scored(record["score"], record["verdict"]) for record in results}
    kept = sum(1 for _ in (work / f"state-{name}" / "evidence").glob("*/*.jpg"))
    proof.say(
        f"{name}: edge run, folder to jsonl: {len(results)} results, {tally(said)}, as edge score says; "
        f"{kept} pictures of evidence",
        holds=parts == sorted(said) and said == scored(work / f"score-{name}.jsonl") and kept > 0,
    )


def limits(work: Path) -> tuple[float, float]:
    """Scores at which a verdict changes: that of `pass_below`, and 1."""
    taught = load(work / "bundle").manifest.limits
    return (1.0 if taught.pass_below is None else taught.pass_below, 1.0)


def scored(path: Path) -> dict[str, Scored]:
    """What `edge score --jsonl` wrote, by the name of the part."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {Path(line["path"]).stem: Scored(line["score"], line["verdict"]) for line in lines}


def tally(parts: dict[str, Scored]) -> str:
    """How many of each verdict."""
    verdicts = [part.verdict for part in parts.values()]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts)))


def on_host(work: Path, *arguments: str) -> str:
    """Python of this machine, in the folder. Raises `CalledProcessError`."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=work, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S
    ).stdout


if __name__ == "__main__":
    main()
