"""Another processor's Debian, run on this one by qemu-user in a chroot. Root only; puts all back as it was."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

BINFMT = Path("/proc/sys/fs/binfmt_misc")
OLDEST_GLIBC, NEWEST_GLIBC = 17, 36
"""Debian 12 has glibc 2.36: wheels for newer ones do not run there. The oldest are called manylinux2014."""
# Any ABI byte, and programs (2) as well as position-independent ones (3).
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"


@dataclass(frozen=True)
class Machine:
    """A kind of board, by what pip, Debian and qemu call it, and how its ELF files begin."""

    wheels: str
    debian: str
    qemu: str
    bits: int
    elf_machine: int
    packages: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def magic(self) -> str:
        """A line for the kernel: which files qemu is to run."""
        elf = rf"\x7fELF\x{self.bits // 32:02x}\x01\x01\x00"
        head = rf"{elf}\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x{self.elf_machine:02x}\x00"
        return f":{self.qemu}:M::{head}:{MASK}:/usr/bin/{self.qemu}-static:F"

    @property
    def pip_options(self) -> list[str]:
        """Make pip, on this machine, install what it would install on a Debian 12 of that one."""
        tags = [f"manylinux_2_{minor}_{self.wheels}" for minor in range(OLDEST_GLIBC, NEWEST_GLIBC + 1)]
        tags.append(f"manylinux2014_{self.wheels}")
        options = ["--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]
        for tag in tags:
            options += ["--platform", tag]
        for abi in ("cp311", "abi3", "none"):
            options += ["--abi", abi]
        return options


class Run(NamedTuple):
    """Where a program of another machine runs: its Debian, then what is /opt and /mnt there."""

    root: Path
    wheels: Path
    """With `unpacked`, which is on Python's path."""
    work: Path


@contextmanager
def emulated(machines: Sequence[Machine]) -> Iterator[None]:
    """The kernel runs these machines' programs as long as the block lasts."""
    mounted = not (BINFMT / "register").exists()
    if mounted:
        subprocess.run(["/usr/bin/mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)], check=True)
    registered = [machine for machine in machines if not (BINFMT / machine.qemu).exists()]
    try:
        for machine in registered:
            (BINFMT / "register").write_text(machine.magic)
        yield
    finally:
        for machine in registered:
            (BINFMT / machine.qemu).write_text("-1")
        if mounted:
            subprocess.run(["/usr/bin/umount", str(BINFMT)], check=True)


def make_root(machine: Machine, cache: Path) -> Path:
    """Debian 12 of that machine: packages unpacked, nothing configured. Made once."""
    key = sha256(" ".join(machine.packages).encode()).hexdigest()[:8]
    root = cache / f"bookworm-{machine.debian}-{key}"
    if root.exists():
        return root
    making = cache / f"making-{machine.debian}"
    shutil.rmtree(making, ignore_errors=True)
    # Nobody reaches what runs in there, so the archive of security updates is left out.
    no_updates = """sed -i /security/d "$1/etc/apt/sources.list\""""
    command = ["/usr/bin/mmdebstrap", "--quiet", f"--arch={machine.debian}", "--variant=extract"]
    command += [
        f"--setup-hook={no_updates}",
        f"--include={','.join(machine.packages)}",
        "bookworm",
        str(making),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    for name in ("proc", "mnt", "opt"):
        (making / name).mkdir(exist_ok=True)
    making.rename(root)
    return root


def run(
    machine: Machine, where: Run, arguments: Sequence[str], limit_s: float
) -> "subprocess.CompletedProcess[str]":
    """Python of that machine, in its /mnt; its mounts end with it. Raises `TimeoutExpired`."""
    script = (
        'mount -t proc proc "$1/proc" && mount --bind "$2" "$1/opt" && mount --bind "$3" "$1/mnt" && '
        "root=$1 && shift 3 && exec chroot $root /usr/bin/python3.11 -c "
        '\'import os, sys; os.chdir("/mnt"); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\' "$@"'
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": "/mnt/app:/opt/unpacked",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.run(
        [
            "/usr/bin/unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            "sh",
            *map(str, where),
            *arguments,
        ],
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1", **machine.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=limit_s,
    )
