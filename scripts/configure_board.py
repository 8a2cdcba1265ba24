"""Set a Raspberry Pi or Jetson up for inspection, for years and without a person beside it.

What is asked for is what the board has afterwards; without options it is what was asked for before. A second run
changes nothing. Needs Python 3.10 and nothing else, so that it runs on a bare board.

Exit codes: 0 as it should be, or made so; 1 not as it should be (--check, --diff); 2 refused, and nothing changed.
"""

import argparse
import difflib
import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import board_tree
from board_refusal import Refusal
from board_table import (
    ACCELERATORS,
    CAMERAS,
    STATE_UNIT,
    Board,
    Wanted,
    Wishes,
    check_wishes,
    find_board,
    known,
    named_board,
    wanted,
)
from board_tree import Change, Record

AS_IT_SHOULD_BE, DIFFERENT, REFUSED = 0, 1, 2
STATE = "var/lib/edge-inspect"
MODEL = "proc/device-tree/model"

AT_A_RESTART = (
    "boot/",
    "etc/modprobe.d/",
    "etc/systemd/system.conf.d/",
    "etc/systemd/system/local-fs.target.d/",
)
AT_ONCE = {
    "etc/udev/": "udevadm control --reload && udevadm trigger",
    "etc/sysctl.d/": "sysctl --system",
    "etc/systemd/journald.conf.d/": "systemctl restart systemd-journald",
    "etc/chrony/": "systemctl restart chrony",
    "etc/systemd/system/": "systemctl daemon-reload",
}


class Asked(NamedTuple):
    """The command line."""

    how: Literal["apply", "check", "diff", "remove"]
    root: Path
    board: str
    wishes: Wishes | None
    """None: as before."""


def main() -> int:
    """Do what the command line asks for."""
    asked = read_options()
    try:
        return configure(asked)
    except Refusal as refusal:
        print(f"configure-board: {refusal}.", file=sys.stderr)
    except OSError as error:
        print(
            f"configure-board: {error.filename}: {error.strerror}. What has been done so far stays; run it again "
            "when that is mended.",
            file=sys.stderr,
        )
    return REFUSED


def read_options() -> Asked:
    """Return what the command line asks for."""
    words = argparse.ArgumentParser(
        prog="configure-board", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    how = words.add_mutually_exclusive_group()
    how.add_argument(
        "--check",
        action="store_true",
        help="change nothing; the exit code says whether it is as it should be",
    )
    how.add_argument("--diff", action="store_true", help="change nothing; print what would be changed")
    how.add_argument("--remove", action="store_true", help="take away all that it has put there")
    words.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="a mounted image instead of this board"
    )
    words.add_argument(
        "--board", default="", metavar="NAME", help=f"{known()}; default: what the board says it is"
    )
    words.add_argument("--plain", action="store_true", help="nothing but what every board gets")
    words.add_argument("--camera", choices=CAMERAS, help="the camera on the board's own connector")
    words.add_argument(
        "--connector", type=int, choices=(0, 1), help="which one, on boards with two; default: 1"
    )
    words.add_argument(
        "--trigger", action="store_true", help="it takes pictures when its trigger input says so (imx296)"
    )
    words.add_argument(
        "--accelerator", choices=ACCELERATORS, help="on the PCIe connector; one on USB needs no option"
    )
    words.add_argument(
        "--rtc-cell", action="store_true", help="charge the clock's cell: only with the rechargeable one!"
    )
    words.add_argument("--data", metavar="LABEL=…", help="the partition for outbox and evidence (ext4)")
    words.add_argument(
        "--read-only", action="store_true", help="nothing is written to the root; needs --data"
    )
    words.add_argument(
        "--ntp", action="append", metavar="HOST", help="a time server of the plant; again for more"
    )
    words.add_argument("--power-mode", metavar="NAME", help="of /etc/nvpmodel.conf, such as MAXN (Jetson)")
    words.add_argument("--fixed-clocks", action="store_true", help="run jetson_clocks at each start (Jetson)")
    given = vars(words.parse_args())
    asked = {name: given[name] for name in Wishes.__dataclass_fields__ if given[name]}
    if given["connector"] is not None:
        asked["connector"] = given["connector"]
        if not given["camera"]:
            words.error("--connector: say which camera it has, too: --camera NAME")
    wishes = _wishes(asked) if asked or given["plain"] or given["remove"] else None
    chosen = next((each for each in ("check", "diff", "remove") if given[each]), "apply")
    return Asked(cast("Any", chosen), given["root"], given["board"], wishes)


def configure(asked: Asked) -> int:
    """Look at the board, and bring it to where it should be, or say how far it is from there."""
    record = board_tree.read_record(asked.root)
    board = which_board(asked, record)
    wishes = _wishes(dict(record.wishes)) if asked.wishes is None else asked.wishes
    check_wishes(board, wishes)
    remove = asked.how == "remove"
    goal = Wanted() if remove else wanted(board, wishes)
    changes = board_tree.compare(asked.root, board, goal, record)
    trouble = "" if remove else board_tree.unsafe(asked.root, board, wishes, changes)
    if asked.how in {"check", "diff"}:
        return report(changes, trouble, show=asked.how == "diff")
    if trouble:
        raise Refusal(trouble)
    if not remove:
        check_surroundings(asked.root, board, wishes)
    new = Record() if remove else board_tree.next_record(board, wishes, goal)
    gone = [f"--{name.replace('_', '-')}" for name in record.wishes if name not in new.wishes]
    if gone:
        print(f"no longer: {' '.join(gone)}")
    tell(board_tree.apply(asked.root, changes, record, new))
    return AS_IT_SHOULD_BE


def which_board(asked: Asked, record: Record) -> Board:
    """Return the board: what it says it is, what the command line says, or what it was last time."""
    try:
        model = (asked.root / MODEL).read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        model = ""
    if asked.board:
        board = named_board(asked.board)
        if model and find_board(model) != board:
            raise Refusal(f"--board {board.name}: this is a {model} ({find_board(model).name})")
        return board
    return find_board(model) if model or not record.board else named_board(record.board)


def check_surroundings(root: Path, board: Board, wishes: Wishes) -> None:
    """Refuse what would be gone after the next start, or what this very board could not carry out then."""
    if any(line.startswith("overlayroot / overlay ") for line in lines_of(root / "proc/mounts")):
        raise Refusal(
            "the root is read-only, and what is written to it is gone after a restart: sudo overlayroot-chroot, "
            "then again"
        )
    state = root / STATE
    if wishes.data and state.is_dir() and any(state.iterdir()) and not is_on_its_own(root, state):
        raise Refusal(
            f"--data: /{STATE} has results and pictures already, which the partition would hide. Stop the "
            f"stations (sudo systemctl stop 'edge@*'), mount the partition at /mnt, sudo mv /{STATE}/* /mnt/, "
            "and try again"
        )
    if wishes.read_only and not (root / "usr/share/initramfs-tools/scripts/init-bottom/overlayroot").exists():
        raise Refusal("--read-only: the package is missing; sudo apt-get install overlayroot, then again")
    if wishes.power_mode:
        modes = power_modes(root)
        if wishes.power_mode not in modes:
            raise Refusal(
                f"--power-mode {wishes.power_mode}: {board.name} has {', '.join(modes) or 'no nvpmodel.conf'}"
            )


def is_on_its_own(root: Path, state: Path) -> bool:
    """Whether the state is on a partition of its own already, or will be at the next start."""
    return state.is_mount() or (root / f"etc/systemd/system/{STATE_UNIT}.mount").exists()


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file; none where it is not there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def power_modes(root: Path) -> tuple[str, ...]:
    """Return the names of the power modes of a Jetson."""
    heads = (
        line
        for line in lines_of(root / "etc/nvpmodel.conf")
        if line.strip().startswith("<") and "POWER_MODEL" in line
    )
    return tuple(word[5:] for line in heads for word in line.split() if word.startswith("NAME="))


def report(changes: tuple[Change, ...], trouble: str, *, show: bool) -> int:
    """Say what is not as it should be, and change nothing."""
    for change in changes:
        if show:
            sys.stdout.writelines(_difference(change))
        else:
            print(f"differs: /{change.path}{_bracketed(change.note)}")
    if trouble:
        print(f"wrong: {trouble}")
    if not changes and not trouble:
        print("everything is as it should be")
        return AS_IT_SHOULD_BE
    return DIFFERENT


def tell(changes: tuple[Change, ...]) -> None:
    """Say what has been changed, and what is still to be done for it to count."""
    for change in changes:
        print(f"{change.verb:<7} /{change.path}{_bracketed(change.note)}")
    print(f"{len(changes)} files changed{'' if changes else ': everything is as it should be'}")
    paths = [change.path for change in changes]
    if any(path.startswith(AT_A_RESTART) for path in paths):
        print("Counts from the next restart: sudo reboot")
    elif commands := [do for start, do in AT_ONCE.items() if any(path.startswith(start) for path in paths)]:
        print(f"Counts after: sudo sh -c '{' && '.join(commands)}'")


def _difference(change: Change) -> list[str]:
    before, after = (
        (content or b"").decode("utf-8", errors="replace").splitlines(keepends=True)
        for content in (change.before, change.after)
    )
    lines = difflib.unified_diff(before, after, f"/{change.path} (is)", f"/{change.path} (should be)")
    return [line if line.endswith("\n") else f"{line}\n" for line in lines]


def _bracketed(note: str) -> str:
    return f"  ({note})" if note else ""


def _wishes(asked: dict[str, Any]) -> Wishes:
    if "ntp" in asked:
        asked["ntp"] = tuple(asked["ntp"])
    try:
        return Wishes(**asked)
    except TypeError as error:
        raise Refusal(f"the record is of another version ({error}); say again what the board has") from error


if __name__ == "__main__":
    sys.exit(main())
