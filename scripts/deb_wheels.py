"""The wheels of a package: what the project needs, at the versions that were tested, for another machine.

pip can fetch for another machine, but resolves what is needed by the markers of its own. So this walks through
what each wheel asks for itself.
"""

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("codes", "gpio")
"""What a station may need beyond what every one does, and is light enough for all."""
OLDEST_GLIBC = 17
"""Minor number: manylinux2014. Wheels for an older one run, too, and go by that name."""


@dataclass(frozen=True)
class Target:
    """The machine that the package is for."""

    architecture: str
    machine: str
    release: str
    python: str
    glibc: int
    number: str

    @property
    def pip_options(self) -> tuple[str, ...]:
        """What tells pip about it."""
        platforms = [
            f"manylinux_2_{minor}_{self.machine}" for minor in range(self.glibc, OLDEST_GLIBC - 1, -1)
        ]
        options = ["--only-binary=:all:", "--implementation", "cp", "--python-version", self.python]
        for platform in (*platforms, f"manylinux2014_{self.machine}"):
            options += ["--platform", platform]
        return tuple(options)

    @property
    def markers(self) -> dict[str, str]:
        """What `; python_version …` and the like are compared with."""
        return {
            "extra": "",
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


TARGETS = {
    (architecture, release): Target(architecture, machine, release, python, glibc, number)
    for architecture, machine in (("amd64", "x86_64"), ("arm64", "aarch64"))
    for release, python, glibc, number in (("bookworm", "3.11", 36, "12"), ("trixie", "3.13", 41, "13"))
}


class Missing(Exception):
    """A wheel that is needed cannot be had; the text says which."""


def build_project(project: Path, folder: Path, epoch: int) -> Path:
    """Build the project's own wheel; the same tree gives the same bytes."""
    constraints = project / "scripts" / "constraints.txt"
    _pip(
        ["wheel", "--no-deps", "--wheel-dir", str(folder), str(project)],
        {"SOURCE_DATE_EPOCH": str(epoch), "PIP_CONSTRAINT": str(constraints)},
    )
    (wheel,) = folder.glob("edge_inspect-*.whl")
    return wheel


def gather(project: Path, target: Target, pins: Mapping[str, str], cache: Path) -> tuple[Path, ...]:
    """Return the wheels that the project's needs on that machine, fetched into `cache` where they are not."""
    cache.mkdir(parents=True, exist_ok=True)
    found: dict[str, Path] = {}
    wanted = needs(project, target, EXTRAS)
    while missing := sorted(wanted - found.keys()):
        unpinned = [name for name in missing if name not in pins]
        if unpinned:
            raise Missing(f"scripts/constraints.txt has no version of {', '.join(unpinned)}")
        fetch([(name, pins[name]) for name in missing], target, cache)
        for name in missing:
            found[name] = _wheel(name, pins[name], cache)
            wanted |= needs(found[name], target)
    return tuple(found[name] for name in sorted(found))


def needs(wheel: Path, target: Target, extras: Sequence[str] = ()) -> set[str]:
    """Return the names of the packages that a wheel asks for on that machine, with these extras."""
    asked = [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist", ())]
    return {
        canonicalize_name(each.name)
        for extra in ("", *extras)
        for each in asked
        if each.marker is None or each.marker.evaluate({**target.markers, "extra": extra})
    }


def fetch(pinned: Iterable[tuple[str, str]], target: Target, cache: Path) -> None:
    """Fetch those that are not there yet."""
    absent = [f"{name}=={version}" for name, version in pinned if not _wheels(name, version, cache)]
    if absent:
        _pip(["download", "--no-deps", "--dest", str(cache), *target.pip_options, *absent])


def unpack(wheels: Iterable[Path], target: Target, folder: Path) -> None:
    """Install these wheels into a folder, for that machine, without a look at the network."""
    wheels = tuple(wheels)
    named = [f"{name}=={version}" for name, version in (name_and_version(wheel) for wheel in wheels)]
    places = [
        option for place in {wheel.parent for wheel in wheels} for option in ("--find-links", str(place))
    ]
    how = ["--no-index", *places, "--no-deps", "--no-compile", "--target", str(folder)]
    _pip(["install", *how, *target.pip_options, *named])


def read_pins(constraints: Path, target: Target) -> dict[str, str]:
    """Return the tested version of each package, by its canonical name."""
    pins: dict[str, str] = {}
    for line in constraints.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            each = Requirement(line)
            if each.marker is None or each.marker.evaluate(target.markers):
                pins[canonicalize_name(each.name)] = str(each.specifier).removeprefix("==")
    return pins


def listing(wheels: Iterable[Path]) -> str:
    """Return a line for each wheel: name, version, SHA-256."""
    return "".join(
        f"{name} {version} sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
        for wheel in sorted(wheels)
        for name, version in (name_and_version(wheel),)
    )


def metadata(wheel: Path) -> Message:
    """Return a wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
        return message_from_string(archive.read(name).decode())


def name_and_version(wheel: Path) -> tuple[str, str]:
    """Return both, from the wheel itself."""
    found = metadata(wheel)
    return canonicalize_name(found["Name"]), found["Version"]


def _wheels(name: str, version: str, cache: Path) -> list[Path]:
    return [
        wheel
        for wheel in cache.glob("*.whl")
        if canonicalize_name(wheel.name.split("-")[0]) == name and wheel.name.split("-")[1] == version
    ]


def _wheel(name: str, version: str, cache: Path) -> Path:
    found = _wheels(name, version, cache)
    if len(found) != 1:
        raise Missing(f"{name} {version}: {len(found)} wheels in {cache}; remove that folder and try again")
    return found[0]


def _pip(arguments: list[str], more: Mapping[str, str] | None = None) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    answer = subprocess.run(
        command, env={**os.environ, **(more or {})}, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise Missing(f"pip {arguments[0]} failed:\n{answer.stderr[-3000:]}")
