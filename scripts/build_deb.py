"""Build the Debian package: the environment with its wheels, units, rights on devices, and the board's set-up.

The wheels are unpacked here, and not by pip on the device: dpkg then knows every file (dpkg --verify), installing
needs no network, and the card holds them once. The same tree gives the same bytes.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.utils import formatdate
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path
from zipfile import Path as ZipPath

import deb_wheels
from deb_wheels import TARGETS, Missing, Target

PROJECT = Path(__file__).resolve().parent.parent
TEMPLATES = PROJECT / "scripts" / "deb"
PREFIX = "opt/edge-inspect"
"""Where systemd/edge@.service starts it from."""
FOR_DEVELOPERS = {"accuracy", "architecture", "delivery-proof", "limits-proof"}
"""Pages that nobody needs at the machine."""
MAINTAINER = "The edge-inspect authors <edge-inspect@localhost>"
CONFFILES = ("etc/edge-inspect/station.toml.sample",)

ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
"""As elf(5) numbers them."""
DEPENDS = ("libc6 (>= 2.28)", "libgcc-s1", "libstdc++6", "passwd", "systemd", "zlib1g")
"""The libraries are those that the wheels' own are linked against; the rest is for the package's scripts."""

CONTROL = """\
Package: edge-inspect
Version: {version}
Architecture: {target.architecture}
Maintainer: {maintainer}
Installed-Size: {size_kb}
Depends: python3 (>= {target.python}), python3 (<< {next_python}), {depends}
Recommends: chrony | time-daemon
Suggests: mosquitto, overlayroot
Section: science
Priority: optional
Description: visual inspection for production lines
 A daemon that takes pictures of parts, judges each with quantized TFLite
 models, keeps the evidence, and publishes every result over MQTT without
 losing one.
 .
 It holds its Python packages at the versions that were tested, and needs no
 network to be installed.
"""

WRAPPER = """\
#!/{prefix}/bin/python3 -s
import sys

from {module} import {attribute}

sys.exit({attribute}())
"""

ENVIRONMENT = """\
home = /usr/bin
include-system-site-packages = true
version = {python}
"""
"""Packages of the distribution can be seen, behind our own: libcamera's Python module comes with it alone."""


def main() -> None:
    """Build the package that the command line asks for, and print where it is."""
    options = read_options()
    target = TARGETS[options.arch, options.release]
    epoch = source_date()
    try:
        with tempfile.TemporaryDirectory(prefix="edge-deb-") as work:
            print(build(target, options.revision, epoch, Path(work), options.out))
    except Missing as missing:
        sys.exit(f"build-deb: {missing}")


def read_options() -> argparse.Namespace:
    """Return the command line's options."""
    words = argparse.ArgumentParser(
        prog="build-deb", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--arch", choices=("amd64", "arm64"), default="arm64", help="default: arm64")
    words.add_argument("--release", choices=("bookworm", "trixie"), default="trixie", help="default: trixie")
    words.add_argument("--revision", type=int, default=1, metavar="N", help="of the package; default: 1")
    words.add_argument("--out", type=Path, default=PROJECT / "dist", metavar="FOLDER", help="default: dist/")
    return words.parse_args()


def source_date() -> int:
    """Return SOURCE_DATE_EPOCH, or the time of the last commit: what is built now and later is the same."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(PROJECT), "log", "-1", "--format=%ct"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return int((PROJECT / "CHANGELOG.md").stat().st_mtime)
    return int(answer.stdout)


def build(target: Target, revision: int, epoch: int, work: Path, out: Path) -> Path:
    """Lay the package's files out below `work`, pack them, and return the package."""
    cache = Path(os.environ.get("EDGE_CACHE") or Path.home() / ".cache" / "edge-inspect") / "wheels"
    project = deb_wheels.build_project(PROJECT, work, epoch)
    pins = deb_wheels.read_pins(PROJECT / "scripts" / "constraints.txt", target)
    folder = cache / f"{target.machine}-{target.python}"
    wheels = (project, *deb_wheels.gather(project, target, pins, folder))

    root = work / "root"
    lay_out_environment(root / PREFIX, wheels, target)
    lay_out_system(root)
    foreign = [path for path, machine in libraries(root / PREFIX) if machine != ELF_MACHINES[target.machine]]
    if foreign:
        raise Missing(f"{foreign[0].relative_to(root)} is not for {target.machine}")
    version = f"{deb_wheels.name_and_version(project)[1]}-{revision}+deb{target.number}"
    lay_out_documents(root / "usr/share/doc/edge-inspect", wheels, version, epoch)
    lay_out_control(root, target, version)
    settle(root, epoch)
    name = f"edge-inspect_{version}_{target.architecture}.deb"
    # zstd unpacks in a fifteenth of xz's time (0.3 s, 4.3 s), while stations stand still, and takes 8 % more room.
    # One thread: with several, how the input is cut into blocks would depend on the machine.
    how = ["--root-owner-group", "-Zzstd", "-z12", "--threads-max=1"]
    subprocess.run(
        ["dpkg-deb", *how, "--build", str(root), str(work / name)],  # noqa: S607 - scripts/build-deb looked for it
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    out.mkdir(parents=True, exist_ok=True)
    # Half a package under its name would be taken for one.
    part = shutil.copy(work / name, out / f".{name}.part")
    return Path(part).replace(out / name)


def lay_out_environment(folder: Path, wheels: tuple[Path, ...], target: Target) -> None:
    """Lay out the virtual environment, as python3 -m venv and pip would leave it on the device."""
    site = folder / "lib" / f"python{target.python}" / "site-packages"
    deb_wheels.unpack(wheels, target, site)
    # Made for the Python that built it; ours follow.
    shutil.rmtree(site / "bin", ignore_errors=True)
    write(folder / "pyvenv.cfg", ENVIRONMENT.format(python=target.python))
    programs = folder / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(f"/usr/bin/python{target.python}")
    (programs / "python").symlink_to("python3")
    for entry in entry_points(wheels[0]):
        text = WRAPPER.format(prefix=PREFIX, module=entry.module, attribute=entry.attr)
        write(programs / entry.name, text, mode=0o755)


def libraries(folder: Path) -> Iterator[tuple[Path, int]]:
    """Give each library and native program, with the number of the machine that it is for."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                head = file.read(20)
            if head[:4] == b"\x7fELF":
                yield path, int.from_bytes(head[18:20], "little")


def entry_points(wheel: Path) -> list[EntryPoint]:
    """Return the programs that a wheel brings."""
    (folder,) = (each for each in ZipPath(wheel).iterdir() if each.name.endswith(".dist-info"))
    return [entry for entry in PathDistribution(folder).entry_points if entry.group == "console_scripts"]


def lay_out_system(root: Path) -> None:
    """Lay out what others read: systemd, udev, the person at the machine."""
    copy(PROJECT / "systemd/edge@.service", root / "usr/lib/systemd/system/edge@.service")
    copy(PROJECT / "systemd/edge-inspect.sysusers", root / "usr/lib/sysusers.d/edge-inspect.conf")
    boards = PROJECT / "firmware_config/boards"
    rules = "70-edge-inspect.rules"
    copy(boards / "common/etc/udev/rules.d" / rules, root / "usr/lib/udev/rules.d" / rules)
    copy(PROJECT / "firmware_config/edge.toml", root / CONFFILES[0])
    secrets = root / "etc/edge-inspect/secrets"
    secrets.mkdir(parents=True)
    secrets.chmod(0o700)

    shared = root / "usr/share/edge-inspect"
    copy(PROJECT / "systemd/drop-ins", shared / "drop-ins")
    copy(PROJECT / "firmware_config/mosquitto", shared / "mosquitto")
    copy(boards, shared / "firmware_config/boards")
    for script in (PROJECT / "scripts").glob("board_*.py"):
        copy(script, shared / "scripts" / script.name)
    for name in ("configure_board.py", "configure-board"):
        copy(PROJECT / "scripts" / name, shared / "scripts" / name)
    link(root / "usr/sbin/edge-configure-board", "../share/edge-inspect/scripts/configure-board")
    link(root / "usr/bin/edge", f"/{PREFIX}/bin/edge")


def lay_out_documents(folder: Path, wheels: tuple[Path, ...], version: str, epoch: int) -> None:
    """Lay out what Debian wants to be told, and which wheels are inside."""
    copy(TEMPLATES / "copyright", folder / "copyright")
    write(folder / "wheels.txt", deb_wheels.listing(wheels))
    for page in sorted((PROJECT / "docs").glob("*.md")):
        if page.stem not in FOR_DEVELOPERS:
            copy(page, folder / page.name)
    entry = (
        f"edge-inspect ({version}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n"
        f" -- {MAINTAINER}  {formatdate(epoch)}\n"
    )
    for name, text in (
        ("changelog.Debian.gz", entry),
        ("changelog.gz", (PROJECT / "CHANGELOG.md").read_text()),
    ):
        (folder / name).write_bytes(gzip.compress(text.encode(), mtime=0))
    overrides = folder.parents[1] / "lintian/overrides/edge-inspect"
    copy(TEMPLATES / "lintian-overrides", overrides)


def lay_out_control(root: Path, target: Target, version: str) -> None:
    """Lay out what dpkg reads."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]  # noqa: S324 - as dpkg wants them
    size_kb = sum(-(-path.stat().st_size // 1024) for path in files)
    major, minor = target.python.split(".")
    control = root / "DEBIAN"
    text = CONTROL.format(
        version=version,
        target=target,
        maintainer=MAINTAINER,
        size_kb=size_kb,
        depends=", ".join(DEPENDS),
        next_python=f"{major}.{int(minor) + 1}",
    )
    write(control / "control", text)
    write(control / "md5sums", "".join(sums))
    write(control / "conffiles", "".join(f"/{path}\n" for path in CONFFILES))
    for name in ("postinst", "prerm", "postrm"):
        copy(TEMPLATES / name, control / name)


def settle(root: Path, epoch: int) -> None:
    """Give each file the rights and the time that it will have; what pip left of this machine goes."""
    for path in root.rglob("direct_url.json"):
        path.unlink()
    programs = {root / "DEBIAN", root / PREFIX / "bin", root / "usr/share/edge-inspect/scripts"}
    for path in (root, *root.rglob("*")):
        if path.is_symlink():
            continue
        # Some wheels call every file a program.
        program = path.parent in programs and path.stat().st_mode & 0o100
        path.chmod(0o700 if path.name == "secrets" else 0o755 if path.is_dir() or program else 0o644)
    for path in (*root.rglob("*"), root):
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file, with the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder with all in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def link(path: Path, target: str) -> None:
    """Make a symbolic link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


if __name__ == "__main__":
    main()
