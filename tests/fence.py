"""The system call filter of a unit, put around a program: what systemd does, without a systemd that runs.

`fence.py "CALL CALL …" PROGRAM ARGUMENT…` runs PROGRAM with these calls only; all others fail with EPERM.
"""

import ctypes
import errno
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache

LIBRARY = "libseccomp.so.2"
ALLOW, FAIL = 0x7FFF0000, 0x00050000 | errno.EPERM


def allowed(filters: Sequence[str]) -> set[str]:
    """The calls that are left after each `SystemCallFilter=` line in turn."""
    calls: set[str] = set()
    for line in filters:
        named = {call for word in line.lstrip("~").split() for call in _calls(word)}
        calls = calls - named if line.startswith("~") else calls | named
    return calls


@cache
def _calls(word: str) -> frozenset[str]:
    return frozenset(_members(word)) if word.startswith("@") else frozenset({word})


def _members(name: str) -> Iterator[str]:
    listing = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True
    )
    for line in listing.stdout.splitlines()[1:]:
        word = line.strip()
        if word and not word.startswith("#"):
            yield from _calls(word)


def enclose(calls: Sequence[str]) -> None:
    """From now on, this process and its children may use these calls only."""
    seccomp = ctypes.CDLL(LIBRARY)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    fence = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(FAIL)))
    for call in calls:
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # others belong to other machines
            seccomp.seccomp_rule_add(fence, ctypes.c_uint32(ALLOW), number, 0)
    if seccomp.seccomp_load(fence) != 0:
        sys.exit("the filter cannot be loaded")


if __name__ == "__main__":
    enclose(sys.argv[1].split())
    os.execv(sys.argv[2], sys.argv[2:])
