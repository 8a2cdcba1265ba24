"""Files in which the kernel speaks of the machine: any of them may be missing, or not for us."""

from pathlib import Path


def read_text(path: Path) -> str:
    """What it says, without blanks at its ends; empty where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # thermal zones that are switched off, for one
        return ""


def board_name(root: Path = Path("/")) -> str:
    """What a board calls itself in its device tree; empty on a machine without one."""
    return read_text(root / "proc/device-tree/model").strip("\0 \n")
