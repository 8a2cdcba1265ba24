"""The disks: room, file systems and how they are mounted, and how worn an SD card or eMMC says it is."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge.cli.doctor.line import Line
from edge.config import Config
from edge.health.board import MB
from edge.kernel_file import read_text

IN_MEMORY = frozenset({"tmpfs", "ramfs", "overlay", "zram"})
WITHOUT_JOURNAL = frozenset({"vfat", "exfat", "msdos", "ext2", "ntfs", "ntfs3", "fuseblk"})
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p"})
WORN_TENTHS = 8
"""An eMMC counts its wear in tenths of its life; from here on it is old."""


class Mount(NamedTuple):
    """A line of /proc/self/mounts."""

    device: str
    point: Path
    kind: str
    options: frozenset[str]


def disk_lines(config: Config, root: Path = Path("/")) -> Iterator[Line]:
    """Where the station writes."""
    folder = config.station.state_dir
    yield from _folder(folder)
    present = next((path for path in (folder, *folder.parents) if _is_there(path)), root)
    yield _room(present, max(config.evidence.min_free_mb, config.outbox.min_free_mb))
    mounted = mounts(root)
    mount, top = mount_of(present.resolve(), mounted), mount_of(Path("/"), mounted)
    if mount is not None:
        yield from mount_lines(mount, folder)
        if top is not None and top != mount and ("ro" in top.options or top.kind == "overlay"):
            yield Line("ok", "root", f"read-only ({top.kind}), and the state lies on {mount.point}")
        yield from wear_lines(mount.device, root)


def mounts(root: Path) -> list[Mount]:
    """What is mounted; the last that fits a path counts."""
    try:
        lines = (root / "proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return [
        Mount(each[0], Path(each[1].replace("\\040", " ")), each[2], frozenset(each[3].split(",")))
        for each in fields
        if len(each) > 3  # noqa: PLR2004 - device, point, kind, options
    ]


def mount_of(path: Path, mounted: list[Mount]) -> Mount | None:
    """The file system that a path lies on."""
    fitting = [mount for mount in mounted if path.is_relative_to(mount.point)]
    return max(reversed(fitting), key=lambda mount: len(mount.point.parts), default=None)


def mount_lines(mount: Mount, folder: Path) -> Iterator[Line]:
    """Whether a file system keeps what it is told to keep."""
    found = f"{folder}: {mount.kind} on {mount.device}, mounted at {mount.point}"
    if "ro" in mount.options:
        remedy = "with a read-only root the state needs a data partition of its own: see docs/operations.md"
        yield Line("fail", "file system", f"{found}, read-only", remedy)
    elif mount.kind in IN_MEMORY:
        remedy = "results would be gone after a power cut: put state_dir on a data partition"
        yield Line("warn", "file system", f"{found}: it is lost when the power goes", remedy)
    elif mount.kind in NETWORK:
        remedy = "put state_dir on a disk of this machine: SQLite needs its locks and its syncs"
        yield Line("fail", "file system", f"{found}: a network", remedy)
    elif mount.kind in WITHOUT_JOURNAL:
        remedy = "a power cut may damage it: use ext4 or f2fs"
        yield Line("warn", "file system", f"{found}: has no journal", remedy)
    elif mount.kind == "ext4" and not mount.options & {"noatime", "relatime"}:
        yield Line("warn", "file system", found, "mount it with noatime: fewer writes, a longer life")
    else:
        yield Line("ok", "file system", found)


def wear_lines(device: str, root: Path) -> Iterator[Line]:
    """What the card itself says of its age, where it says so: eMMC does, most SD cards do not."""
    disk = Path(device).name.rsplit("p", 1)[0]
    if not disk.startswith("mmcblk"):
        return
    card = root / "sys/block" / disk / "device"
    made, kind = (read_text(card / name) for name in ("date", "type"))
    tenths = [int(word, 16) for word in read_text(card / "life_time").split() if word.startswith("0x")]
    if tenths and max(tenths) >= WORN_TENTHS:
        remedy = "replace it soon; copy the state folder first"
        yield Line("warn", "card", f"{kind} of {made}: {max(tenths) * 10} % of its life is used", remedy)
    elif tenths:
        yield Line("ok", "card", f"{kind} of {made}: at most {max(tenths) * 10} % of its life is used")
    else:
        remedy = "" if kind != "SD" else "cards wear out: an industrial one, or an SSD, lasts longer"
        yield Line(
            "ok", "card", f"{kind or 'card'} of {made or 'unknown date'}: does not say how worn it is", remedy
        )


def _folder(folder: Path) -> Iterator[Line]:
    if _is_folder(folder):
        if os.access(folder, os.W_OK | os.X_OK):
            yield Line("ok", "state", f"{folder}: may be written by this user")
        else:
            remedy = f"run the doctor as the station's user, or: chown -R edge-inspect {folder}"
            yield Line("fail", "state", f"{folder}: this user may not write there", remedy)
        return
    parent = next(path for path in folder.absolute().parents if _is_there(path))
    if _is_folder(parent) and os.access(parent, os.W_OK | os.X_OK):
        yield Line("ok", "state", f"{folder}: is not there yet; the station makes it")
    else:
        remedy = (
            f"make it, and give it to the station's user; systemd does both (StateDirectory=): mkdir {folder}"
        )
        yield Line("fail", "state", f"{folder}: is not there, and this user may not make it", remedy)


def _room(folder: Path, floor_mb: float) -> Line:
    try:
        disk = os.statvfs(folder)
    except OSError as err:
        return Line("fail", "room", f"{folder}: {err.strerror}", "is its disk still there?")
    free_mb, free_files = disk.f_bavail * disk.f_frsize / MB, disk.f_favail
    if free_mb < floor_mb:
        remedy = f"make room: under {floor_mb:,.0f} MB (min_free_mb) evidence and then results are given up"
        return Line("warn", "room", f"{free_mb:,.0f} MB free at {folder}", remedy)
    if disk.f_files and free_files < 1000:  # noqa: PLR2004 - a few hours of evidence
        return Line("warn", "room", f"only {free_files} more files at {folder}", "remove old files")
    return Line("ok", "room", f"{free_mb:,.0f} MB free")


def _is_there(path: Path) -> bool:
    """As far as this user can see; `Path.exists` raises below a folder that is closed to us."""
    return os.access(path, os.F_OK)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
