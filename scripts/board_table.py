"""The boards that are known, what each can be given, and which files that makes.

A layer is a folder of firmware_config/boards/: what lies in etc/ or usr/ goes to that place, config.txt and
cmdline.txt are fragments of those of the boot partition. @NAME@ in a layer is filled in.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from board_boot_files import words_in
from board_refusal import Refusal

LAYERS = Path(__file__).resolve().parent.parent / "firmware_config" / "boards"
STATE_UNIT = r"var-lib-edge\x2dinspect"
"""The name that systemd gives to the mount of /var/lib/edge-inspect."""

RASPBERRY_PI = "raspberry-pi"
JETSON = "jetson"
CAMERAS = ("imx219", "imx296", "imx477", "imx708", "ov9281")
ACCELERATORS = ("coral", "hailo")
DATA_FOLDERS = {"LABEL": "label", "UUID": "uuid", "PARTLABEL": "partlabel", "PARTUUID": "partuuid"}


@dataclass(frozen=True)
class Board:
    """A kind of board. `model` is a regular expression for the start of /proc/device-tree/model."""

    name: str
    model: str
    family: str
    options: frozenset[str]
    connectors: tuple[int, ...] = ()


_PI = frozenset({"camera", "trigger", "data", "read_only", "ntp"})
_ORIN = frozenset({"data", "ntp", "power_mode", "fixed_clocks"})
_PI_5 = _PI | {"accelerator", "rtc_cell"}

BOARDS = (
    Board("pi4", r"Raspberry Pi 4 Model\b", RASPBERRY_PI, _PI, connectors=(1,)),
    Board("pi5", r"Raspberry Pi 5 Model\b", RASPBERRY_PI, _PI_5, connectors=(0, 1)),
    Board("cm4", r"Raspberry Pi Compute Module 4\b", RASPBERRY_PI, _PI, connectors=(0, 1)),
    Board("cm5", r"Raspberry Pi Compute Module 5\b", RASPBERRY_PI, _PI_5, connectors=(0, 1)),
    Board("jetson-orin", r"(NVIDIA )?Jetson (AGX )?Orin\b", JETSON, _ORIN),
)


@dataclass(frozen=True)
class Wishes:
    """What was asked for beyond what every board gets. The names are those of the options on the command line."""

    camera: str = ""
    connector: int = 1
    trigger: bool = False
    accelerator: str = ""
    rtc_cell: bool = False
    data: str = ""
    read_only: bool = False
    ntp: tuple[str, ...] = ()
    power_mode: str = ""
    fixed_clocks: bool = False

    def asked(self) -> tuple[str, ...]:
        """Return the names of what was asked for."""
        return tuple(name for name, value in vars(self).items() if name != "connector" and value)


@dataclass(frozen=True)
class Wanted:
    """How the board should be. Files go by their path below the root."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    config_txt: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def find_board(model: str) -> Board:
    """Return the board of that model; unknown ones are refused."""
    for board in BOARDS:
        if re.match(board.model, model):
            return board
    raise Refusal(
        f"{model or 'a board without a model'}: not known. Known are {known()}; --board takes one of them"
    )


def named_board(name: str) -> Board:
    """Return the board of that name; unknown ones are refused."""
    for board in BOARDS:
        if board.name == name:
            return board
    raise Refusal(f"--board {name}: not known. Known are {known()}")


def known() -> str:
    """Return the names of all boards, as part of a sentence."""
    return ", ".join(board.name for board in BOARDS)


def check_wishes(board: Board, wishes: Wishes) -> None:
    """Refuse what this board has not, and what cannot go together."""
    for name in wishes.asked():
        if name not in board.options:
            offered = ", ".join(f"--{each.replace('_', '-')}" for each in sorted(board.options))
            raise Refusal(f"--{name.replace('_', '-')}: not for {board.name}, which takes {offered}")
    if wishes.trigger and wishes.camera != "imx296":
        raise Refusal(
            "--trigger: the trigger input is that of the global-shutter camera; add --camera imx296"
        )
    if wishes.camera and wishes.connector not in board.connectors:
        raise Refusal(f"--connector {wishes.connector}: {board.name} has one camera connector; leave it out")
    if wishes.read_only and not wishes.data:
        raise Refusal(
            "--read-only: every result that waits would be lost at a restart. Make a partition for the state "
            "(mkfs.ext4 -L edge-data /dev/…), and name it: --data LABEL=edge-data"
        )
    if wishes.data:
        _data_device(wishes.data)
    for server in wishes.ntp:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:-]*", server):
            raise Refusal(f"--ntp {server}: give the name or the address of a time server")
    if wishes.power_mode and not re.fullmatch(
        r"[A-Za-z0-9_.-]*[A-Za-z_.-][A-Za-z0-9_.-]*", wishes.power_mode
    ):
        raise Refusal(
            f"--power-mode {wishes.power_mode}: give a name of /etc/nvpmodel.conf, such as MAXN; numbers differ "
            "from module to module"
        )


def wanted(board: Board, wishes: Wishes) -> Wanted:
    """Return how that board should be, with these wishes (which must have been checked)."""
    values = _values(wishes)
    files: dict[str, bytes] = {}
    fragments: list[str] = []
    words: list[str] = []
    for layer in _layers(board, wishes):
        folder = LAYERS / layer
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            name, text = path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8")
            if name == "config.txt":
                fragments.append(_fill(text, values))
            elif name == "cmdline.txt":
                words.extend(words_in(_fill(text, values)))
            else:
                files[_fill(name, values)] = _fill(text, values).encode()
    return Wanted(files, tuple(fragments), tuple(words))


def _layers(board: Board, wishes: Wishes) -> Iterator[str]:
    yield "common"
    yield board.family
    for name in wishes.asked():
        value = getattr(wishes, name)
        folder = name.replace("_", "-")
        yield f"{folder}/{value}" if name in {"camera", "accelerator"} else folder


def _values(wishes: Wishes) -> dict[str, str]:
    device = _data_device(wishes.data) if wishes.data else ""
    return {
        # Connector 1 is the overlays' own choice.
        "CONNECTOR": "" if wishes.connector == 1 else f",cam{wishes.connector}",
        "ALWAYS_ON": ",always-on" if wishes.trigger else "",
        "DATA_DEVICE": device,
        "DATA_UNIT": unit_name(device),
        "POWER_MODE": wishes.power_mode,
        "SERVERS": "\n".join(f"server {server} iburst" for server in wishes.ntp),
        "STATE_UNIT": STATE_UNIT,
    }


def _fill(text: str, values: Mapping[str, str]) -> str:
    return re.sub("@([A-Z_]+)@", lambda found: values[found[1]], text)


def _data_device(name: str) -> str:
    kind, _, value = name.partition("=")
    if kind not in DATA_FOLDERS or not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        raise Refusal(
            f"--data {name}: give the file system's name, as LABEL=edge-data, or UUID=…, as blkid prints it"
        )
    return f"/dev/disk/by-{DATA_FOLDERS[kind]}/{value}"


def unit_name(path: str) -> str:
    """Return a path as systemd escapes it in the names of units."""
    return "".join(
        "-" if letter == "/" else letter if re.match(r"[A-Za-z0-9_.:]", letter) else f"\\x{ord(letter):02x}"
        for letter in path.strip("/")
    )
