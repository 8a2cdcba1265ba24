"""configure-board, on trees like those of each board: what it writes, keeps, and refuses."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
LAYERS = PROJECT / "firmware_config" / "boards"
SCRIPT = PROJECT / "scripts" / "configure_board.py"

MODELS = {
    "pi4": "Raspberry Pi 4 Model B Rev 1.4",
    "pi5": "Raspberry Pi 5 Model B Rev 1.0",
    "cm4": "Raspberry Pi Compute Module 4 Rev 1.1",
    "cm5": "Raspberry Pi Compute Module 5 Rev 1.0",
    "jetson-orin": "NVIDIA Jetson Orin Nano Developer Kit",
}
EVERYTHING = {
    "pi4": "--camera imx296 --trigger --read-only --data LABEL=edge-data --ntp 10.0.0.1",
    "pi5": "--camera imx296 --connector 0 --trigger --accelerator hailo --rtc-cell --read-only "
    "--data UUID=12-ab --ntp 10.0.0.1 --ntp time.plant.example",
    "cm4": "--camera imx477 --connector 0 --data PARTUUID=1234-02",
    "cm5": "--camera imx708 --accelerator coral --data LABEL=edge-data",
    "jetson-orin": "--power-mode MAXN_SUPER --fixed-clocks --data LABEL=edge-data --ntp 10.0.0.1",
}
CONFIG_TXT = "dtparam=audio=on\ncamera_auto_detect=1\n[cm5]\ndtoverlay=dwc2\n"
CMDLINE_TXT = "console=serial0,115200 console=tty1 root=PARTUUID=1234-02 rootwait\n"
NVPMODEL = """# modes
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< PM_CONFIG DEFAULT=1 >
"""


class Tree:
    """The root of a board, and configure-board for it; -S shows that it needs Python alone."""

    def __init__(self, root: Path, board: str, model: str | None = None) -> None:
        self.root = root
        self.boot = root / "boot" / "firmware"
        self.write("proc/device-tree/model", (MODELS[board] if model is None else model) + "\0")
        if board == "jetson-orin":
            self.write("etc/nvpmodel.conf", NVPMODEL)
        else:
            self.write("boot/firmware/config.txt", CONFIG_TXT)
            self.write("boot/firmware/cmdline.txt", CMDLINE_TXT)
            self.write("usr/share/initramfs-tools/scripts/init-bottom/overlayroot", "")

    def write(self, path: str, text: str | bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        return target

    def run(self, options: str = "", *before: str) -> subprocess.CompletedProcess[str]:
        start = before or (sys.executable, "-S", "-E", str(SCRIPT))
        command = [*start, "--root", str(self.root), *options.split()]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def configured(self, options: str = "") -> str:
        answer = self.run(options)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def refusal(self, options: str = "") -> str:
        """What it says, having changed nothing."""
        before = self.snapshot()
        answer = self.run(options)
        assert answer.returncode == 2, answer.stdout
        assert self.snapshot() == before
        return answer.stderr

    def snapshot(self, *, backups: bool = True) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and (backups or "before-edge-inspect" not in path.name)
        }

    @property
    def config_txt(self) -> str:
        return (self.boot / "config.txt").read_text()

    @property
    def words(self) -> list[str]:
        return (self.boot / "cmdline.txt").read_text().split()


@pytest.fixture
def pi5(tmp_path: Path) -> Tree:
    return Tree(tmp_path, "pi5")


@pytest.mark.parametrize("options", ["", "everything"])
@pytest.mark.parametrize("board", MODELS)
def test_a_second_run_changes_no_file(tmp_path: Path, board: str, options: str) -> None:
    tree = Tree(tmp_path, board)
    asked = EVERYTHING[board] if options else ""
    first = tree.configured(asked)
    assert int(re.findall(r"^(\d+) files changed", first, re.MULTILINE)[0]) > 5
    configured = tree.snapshot()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert "0 files changed" in tree.configured(asked)
    assert "0 files changed" in tree.configured()
    assert tree.snapshot() == configured
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


@pytest.mark.parametrize("board", MODELS)
def test_a_check_says_whether_it_is_as_it_should_be_and_changes_nothing(tmp_path: Path, board: str) -> None:
    tree = Tree(tmp_path, board)
    before = tree.snapshot()
    assert tree.run("--check").returncode == 1
    assert tree.snapshot() == before
    tree.configured()
    assert tree.run("--check").returncode == 0
    changed = tree.root / "etc/udev/rules.d/70-edge-inspect.rules"
    changed.write_text("# mine\n")
    answer = tree.run("--check")
    assert answer.returncode == 1
    assert answer.stdout == "differs: /etc/udev/rules.d/70-edge-inspect.rules  (was changed by hand)\n"


def test_a_difference_is_shown_line_by_line_and_nothing_is_changed(pi5: Tree) -> None:
    before = pi5.snapshot()
    answer = pi5.run("--diff --camera imx477")
    assert answer.returncode == 1
    assert "+dtoverlay=imx477\n" in answer.stdout
    assert pi5.snapshot() == before


@pytest.mark.parametrize("board", MODELS)
def test_what_it_put_there_can_be_taken_away_again(tmp_path: Path, board: str) -> None:
    tree = Tree(tmp_path, board)
    before = tree.snapshot()
    tree.configured(EVERYTHING[board])
    tree.configured("--remove")
    assert tree.snapshot(backups=False) == before
    assert "0 files changed" in tree.configured("--remove")


def test_every_file_that_is_changed_is_kept(pi5: Tree) -> None:
    mine = pi5.write("etc/sysctl.d/60-edge-inspect.conf", "# mine\n")
    pi5.configured()
    assert (pi5.boot / "config.txt.before-edge-inspect.1").read_text() == CONFIG_TXT
    assert (pi5.boot / "cmdline.txt.before-edge-inspect.1").read_text() == CMDLINE_TXT
    kept = pi5.root / "var/backups/edge-inspect/etc/sysctl.d/60-edge-inspect.conf.before-edge-inspect.1"
    assert kept.read_text() == "# mine\n"
    assert mine.read_text() != "# mine\n"


def test_the_block_stands_at_the_end_once_and_ends_with_all(pi5: Tree) -> None:
    pi5.configured("--camera imx219")
    pi5.configured("--camera imx477 --accelerator hailo")
    text = pi5.config_txt
    assert text.startswith(CONFIG_TXT)
    assert text.count("edge-inspect: begin") == 1
    assert "imx219" not in text
    block = text[len(CONFIG_TXT) :].strip().splitlines()
    assert block[1] == "[all]", "the file before it ends in a section of its own"
    assert block[-2] == "[all]"
    assert block[-1].startswith("# --- edge-inspect: end")


def test_what_was_written_after_the_block_does_not_have_the_last_word(pi5: Tree) -> None:
    pi5.configured("--camera imx477")
    config = pi5.boot / "config.txt"
    config.write_text(pi5.config_txt + "camera_auto_detect=1\n")
    pi5.configured()
    lines = pi5.config_txt.splitlines()
    assert lines.count("camera_auto_detect=1") == 2
    assert max(n for n, line in enumerate(lines) if line == "camera_auto_detect=1") < lines.index(
        "camera_auto_detect=0"
    )


def test_a_block_that_was_changed_by_hand_is_put_back_and_kept(pi5: Tree) -> None:
    pi5.configured("--camera imx477")
    config = pi5.boot / "config.txt"
    right = config.read_text()
    config.write_text(right.replace("dtoverlay=imx477", "dtoverlay=imx477,media-controller=0"))
    by_hand = config.read_text()
    assert "(the block was changed by hand)" in pi5.configured()
    assert config.read_text() == right
    assert by_hand in [path.read_text() for path in pi5.boot.glob("config.txt.before-edge-inspect.*")]


def test_a_block_that_was_copied_becomes_one(pi5: Tree) -> None:
    pi5.configured()
    config = pi5.boot / "config.txt"
    right = config.read_text()
    config.write_text(right + right[len(CONFIG_TXT) :])
    pi5.configured()
    assert config.read_text() == right


@pytest.mark.parametrize(("mark", "says"), [("begin", "ends the block"), ("end", "begins the block")])
def test_a_block_without_its_beginning_or_end_is_refused(pi5: Tree, mark: str, says: str) -> None:
    pi5.configured()
    config = pi5.boot / "config.txt"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if f"edge-inspect: {mark}" not in line))
    assert re.search(rf"line \d+ {says}", pi5.refusal("--camera imx477"))


def test_line_ends_of_another_system_stay(pi5: Tree) -> None:
    pi5.write("boot/firmware/config.txt", CONFIG_TXT.replace("\n", "\r\n"))
    pi5.write("boot/firmware/cmdline.txt", CMDLINE_TXT.replace("\n", "\r\n"))
    pi5.configured("--camera imx477")
    content = (pi5.boot / "config.txt").read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")
    assert b"dtoverlay=imx477\r\n" in content
    assert (pi5.boot / "cmdline.txt").read_bytes() == CMDLINE_TXT.strip().encode() + b" watchdog_disarm=0\r\n"
    assert "0 files changed" in pi5.configured()


def test_bytes_that_are_no_text_stay(pi5: Tree) -> None:
    pi5.write("boot/firmware/config.txt", b"# M\xfcller\n" + CONFIG_TXT.encode())
    pi5.configured()
    assert (pi5.boot / "config.txt").read_bytes().startswith(b"# M\xfcller\n")


@pytest.mark.parametrize("content", ["", "\n\n", "dtparam=audio=on"])
def test_an_empty_or_unended_config_txt_gets_its_block(pi5: Tree, content: str) -> None:
    pi5.write("boot/firmware/config.txt", content)
    pi5.configured()
    assert "\n[all]\n" in pi5.config_txt
    assert content.strip() in pi5.config_txt
    assert "0 files changed" in pi5.configured()


@pytest.mark.parametrize("name", ["config.txt", "cmdline.txt"])
def test_without_the_boot_partition_nothing_is_changed(pi5: Tree, name: str) -> None:
    (pi5.boot / name).unlink()
    assert "Is the boot partition mounted?" in pi5.refusal()


def test_the_kernel_command_line_stays_one_line_with_its_words(pi5: Tree) -> None:
    pi5.write("boot/firmware/cmdline.txt", CMDLINE_TXT.strip() + " watchdog_disarm=1 overlayroot=tmpfs")
    pi5.configured("--read-only --data LABEL=edge-data")
    assert pi5.words == [*CMDLINE_TXT.split(), "watchdog_disarm=0", "overlayroot=tmpfs:recurse=0"]
    pi5.configured("--data LABEL=edge-data")
    assert pi5.words == [*CMDLINE_TXT.split(), "watchdog_disarm=0"]


def test_unknown_boards_are_refused_with_those_that_are_known(tmp_path: Path) -> None:
    for model in ("Raspberry Pi 3 Model B Plus Rev 1.3", "Raspberry Pi 400 Rev 1.0", "BeagleBone Black", ""):
        said = Tree(tmp_path, "pi5", model=model).refusal()
        assert model in said
        assert all(board in said for board in MODELS)


def test_a_module_without_a_pcie_lane_is_not_taken_for_one_with(tmp_path: Path) -> None:
    assert "not known" in Tree(tmp_path, "pi5", model="Raspberry Pi Compute Module 4S Rev 1.0").refusal()


def test_an_image_without_a_model_needs_the_name_of_its_board(pi5: Tree) -> None:
    shutil.rmtree(pi5.root / "proc")
    assert "--board" in pi5.refusal()
    assert "not known" in pi5.refusal("--board pi6")
    pi5.configured("--board pi5 --camera imx708")
    assert "0 files changed" in pi5.configured()


def test_a_board_is_not_configured_as_another(pi5: Tree) -> None:
    assert "this is a Raspberry Pi 5 Model B" in pi5.refusal("--board pi4")


@pytest.mark.parametrize(
    ("board", "options", "says"),
    [
        ("pi4", "--accelerator hailo", "not for pi4"),
        ("pi4", "--camera imx477 --connector 0", "one camera connector"),
        ("cm4", "--accelerator coral", "not for cm4"),
        ("pi5", "--trigger", "add --camera imx296"),
        ("pi5", "--camera imx477 --trigger", "add --camera imx296"),
        ("pi5", "--camera imx999", "imx296"),
        ("pi5", "--connector 0", "--camera NAME"),
        ("pi5", "--power-mode MAXN", "not for pi5"),
        ("pi5", "--read-only", "every result that waits would be lost"),
        ("pi5", "--data /dev/sda3", "LABEL="),
        ("pi5", "--data LABEL=../x", "LABEL="),
        ("pi5", "--ntp -rf", "expected one argument"),
        ("pi5", "--ntp ten;reboot", "time server"),
        ("jetson-orin", "--camera imx477", "not for jetson-orin"),
        ("jetson-orin", "--power-mode 2", "numbers differ"),
        ("jetson-orin", "--power-mode MAXN", "15W, 25W, MAXN_SUPER"),
    ],
)
def test_what_a_board_has_not_is_refused(tmp_path: Path, board: str, options: str, says: str) -> None:
    assert says in Tree(tmp_path, board).refusal(options)


def test_a_read_only_root_needs_the_package_that_makes_it(pi5: Tree) -> None:
    shutil.rmtree(pi5.root / "usr")
    assert "apt-get install overlayroot" in pi5.refusal("--read-only --data LABEL=edge-data")


def test_a_read_only_root_without_a_place_for_the_state_is_found(pi5: Tree) -> None:
    pi5.configured()
    pi5.write("boot/firmware/cmdline.txt", CMDLINE_TXT.strip() + " watchdog_disarm=0 overlayroot=tmpfs\n")
    answer = pi5.run("--check")
    assert answer.returncode == 1
    assert "every result that waits is lost" in answer.stdout
    assert "--data" in pi5.refusal()


def test_results_are_not_hidden_behind_a_new_partition(pi5: Tree) -> None:
    outbox = pi5.write("var/lib/edge-inspect/line-1/outbox.db", "results")
    assert "mount the partition at /mnt" in pi5.refusal("--data LABEL=edge-data")
    outbox.unlink()
    outbox.parent.rmdir()
    pi5.configured("--data LABEL=edge-data")
    pi5.write("var/lib/edge-inspect/line-1/outbox.db", "results")
    pi5.configured("--data LABEL=edge-data --camera imx477")


def test_what_would_be_gone_after_a_restart_is_refused(pi5: Tree) -> None:
    pi5.write("proc/mounts", "proc /proc proc rw 0 0\noverlayroot / overlay rw,lowerdir=/media/root-ro 0 0\n")
    assert "overlayroot-chroot" in pi5.refusal()


def test_without_options_the_board_is_what_it_was_asked_to_be(pi5: Tree) -> None:
    pi5.configured("--camera imx296 --trigger")
    (pi5.root / "etc/modprobe.d/edge-inspect-trigger.conf").unlink()
    assert "write   /etc/modprobe.d/edge-inspect-trigger.conf" in pi5.configured()


def test_what_is_not_asked_for_any_more_goes_and_is_named(pi5: Tree) -> None:
    pi5.configured("--camera imx296 --trigger")
    said = pi5.configured("--camera imx296")
    assert "no longer: --trigger" in said
    assert "remove  /etc/modprobe.d/edge-inspect-trigger.conf" in said
    assert "dtoverlay=imx296\n" in pi5.config_txt
    assert "no longer: --camera" in pi5.configured("--plain")


def test_files_that_others_put_there_stay(pi5: Tree) -> None:
    mine = pi5.write("etc/modprobe.d/mine.conf", "options imx296 trigger_mode=0\n")
    pi5.configured("--camera imx296 --trigger")
    pi5.configured("--remove")
    assert mine.exists()


def test_a_record_that_cannot_be_read_is_refused(pi5: Tree) -> None:
    pi5.write("etc/edge-inspect/board.json", '{"board": "pi5"')
    assert "not a record" in pi5.refusal()
    pi5.write(
        "etc/edge-inspect/board.json",
        '{"board": "pi5", "wishes": {"lidar": 1}, "files": {}, "block": "", "words": []}',
    )
    assert "another version" in pi5.refusal()


def test_a_restart_is_asked_for_where_one_is_needed(pi5: Tree) -> None:
    assert "sudo reboot" in pi5.configured()
    (pi5.root / "etc/udev/rules.d/70-edge-inspect.rules").unlink()
    said = pi5.configured()
    assert "reboot" not in said
    assert "udevadm control --reload" in said


STOPPED = """
import os, runpy, sys
left = int(sys.argv.pop(1))
def stop(event, arguments):
    global left
    if event in {"os.rename", "os.remove"}:
        left -= 1
        if left < 0:
            os._exit(137)
sys.addaudithook(stop)
sys.path.insert(0, os.path.dirname(sys.argv[1]))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("now", ["--camera imx477 --accelerator hailo", "--plain", "--remove"])
def test_a_run_that_is_interrupted_anywhere_is_finished_by_the_next(tmp_path: Path, now: str) -> None:
    def before(name: str) -> Tree:
        tree = Tree(tmp_path / name, "pi5")
        tree.configured("--camera imx296 --trigger --read-only --data LABEL=edge-data")
        return tree

    reference = before("whole")
    old = reference.config_txt
    reference.configured(now)
    for steps in range(100):
        tree = before(f"stopped-{steps}")
        stopped = tree.run(now, sys.executable, "-c", STOPPED, str(steps), str(SCRIPT))
        assert tree.config_txt in {old, reference.config_txt}, "half a file"
        tree.configured(now)
        assert tree.snapshot(backups=False) == reference.snapshot(backups=False)
        assert "0 files changed" in tree.configured(now)
        if stopped.returncode == 0:
            break
        assert stopped.returncode == 137
    assert steps > 3


@pytest.fixture
def shut() -> Iterator[Tree]:
    """A tree that whoever runs the script may read but not write to."""
    folder = Path(tempfile.mkdtemp(prefix="edge-board-"))
    folder.chmod(0o755)
    tree = Tree(folder / "root", "pi5")
    for name in ("scripts", "firmware_config"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in tree.root.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    tree.root.chmod(0o555)
    yield tree
    for path in [tree.root, *tree.root.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_a_tree_that_is_read_only_is_left_as_it_is(shut: Tree) -> None:
    before = shut.snapshot()
    script = shut.root.parent / "scripts" / "configure_board.py"
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    python = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin") or sys.executable
    answer = subprocess.run(
        [python, "-B", str(script), "--root", str(shut.root)],
        capture_output=True,
        text=True,
        check=False,
        **nobody,
    )
    assert answer.returncode == 2, answer.stderr
    assert "overlayroot-chroot" in answer.stderr
    assert shut.snapshot() == before


def test_state_has_a_file_system_of_its_own_under_the_name_that_systemd_gives_it(pi5: Tree) -> None:
    pi5.configured("--data LABEL=edge-data")
    (unit,) = (pi5.root / "etc/systemd/system").glob("*.mount")
    assert unit.name == r"var-lib-edge\x2dinspect.mount"
    text = unit.read_text()
    assert "What=/dev/disk/by-label/edge-data\n" in text
    assert r"systemd-fsck@dev-disk-by\x2dlabel-edge\x2ddata.service" in text
    wants = pi5.root / "etc/systemd/system/local-fs.target.d/50-edge-inspect.conf"
    assert f"Wants={unit.name}\n" in wants.read_text()
    if shutil.which("systemd-analyze"):
        verify = ["systemd-analyze", "verify", "--man=no", str(unit)]
        answer = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert (answer.stderr, answer.returncode) == ("", 0)


def test_the_hardware_watchdog_of_a_pi_is_fed_more_often_than_it_can_count(tmp_path: Path) -> None:
    for board in ("pi4", "pi5", "cm4", "cm5"):
        tree = Tree(tmp_path / board, board)
        tree.configured()
        settings = (tree.root / "etc/systemd/system.conf.d/50-edge-inspect.conf").read_text()
        (limit_s,) = re.findall(r"^RuntimeWatchdogSec=(\d+)s$", settings, re.MULTILINE)
        assert int(limit_s) < 15


def test_the_power_mode_is_set_by_its_name(tmp_path: Path) -> None:
    conf = tmp_path / "nvpmodel.conf"
    conf.write_text(NVPMODEL)
    said = tmp_path / "said"
    nvpmodel = tmp_path / "nvpmodel"
    nvpmodel.write_text(
        f'#!/bin/sh\nif [ "$1" = -q ]; then echo "NV Power Mode: 25W"; else echo "$@" >>{said}; fi\n'
    )
    nvpmodel.chmod(0o755)
    script = LAYERS / "power-mode/usr/local/lib/edge-inspect/power-mode"

    def power_mode(name: str) -> subprocess.CompletedProcess[str]:
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        command = ["/bin/sh", str(script), name, str(conf)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=path)

    assert power_mode("MAXN_SUPER").returncode == 0
    assert said.read_text() == "-m 2\n"
    assert power_mode("25W").returncode == 0, "is set already"
    assert said.read_text() == "-m 2\n"
    unknown = power_mode("MAXN")
    assert unknown.returncode == 1
    assert "it has: 15W 25W MAXN_SUPER" in unknown.stderr


def test_the_firmware_reads_every_line_to_its_end(tmp_path: Path) -> None:
    # It ignores what comes after 98 characters: raspberrypi/documentation, config_txt.
    for board, options in EVERYTHING.items():
        if board != "jetson-orin":
            tree = Tree(tmp_path / board, board)
            tree.configured(options)
            assert max(map(len, tree.config_txt.splitlines())) <= 98


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(LAYERS.rglob("*")) if path.is_file()],
    ids=lambda path: str(path.relative_to(LAYERS)),
)
def test_every_setting_is_explained_and_says_where_it_comes_from(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(("# ", "#!/bin/sh\n# ", "[pi5]\n# "))
    # Units say what they do with the settings of others.
    if path.name in {"README.md", "power-mode"} or "systemd/system/" in str(path):
        return
    assert "Source: " in text
