"""What the Debian package is made of; scripts/prove-deb installs it."""

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT / "scripts"))

import build_deb  # noqa: E402
import deb_wheels  # noqa: E402
from packaging.requirements import Requirement  # noqa: E402
from packaging.utils import canonicalize_name  # noqa: E402

CONSTRAINTS = PROJECT / "scripts" / "constraints.txt"
TEMPLATES = PROJECT / "scripts" / "deb"
TARGETS = sorted(deb_wheels.TARGETS.values(), key=lambda target: (target.machine, target.release))


def wheel(folder: Path, name: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        text += "".join(f"Requires-Dist: {each}\n" for each in requires)
        archive.writestr(f"{name}-{version}.dist-info/METADATA", text)
        archive.writestr(f"{name}-{version}.dist-info/RECORD", "")
    return path


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.release}-{target.architecture}")
def test_everything_that_a_station_needs_has_a_version_that_was_tested(target: deb_wheels.Target) -> None:
    pins = deb_wheels.read_pins(CONSTRAINTS, target)
    wanted, seen = {"edge-inspect"}, set()
    while missing := wanted - seen:
        seen |= missing
        for name in missing:
            extras = ("", *deb_wheels.EXTRAS) if name == "edge-inspect" else ("",)
            for line in importlib.metadata.requires(name) or ():
                each = Requirement(line)
                environments = [{**target.markers, "extra": extra} for extra in extras]
                if each.marker is None or any(map(each.marker.evaluate, environments)):
                    wanted.add(canonicalize_name(each.name))
    assert wanted - pins.keys() == {"edge-inspect"}
    assert {"numpy", "ai-edge-litert", "opencv-python-headless", "gpiod"} <= wanted


def test_what_is_needed_is_asked_for_the_other_machine_and_not_for_this_one(tmp_path: Path) -> None:
    path = wheel(
        tmp_path,
        "thing",
        requires=(
            "always",
            'arm; platform_machine == "aarch64"',
            'old; python_version < "3.12"',
            'windows; sys_platform == "win32"',
            'more; extra == "more"',
        ),
    )
    assert deb_wheels.needs(path, deb_wheels.TARGETS["arm64", "trixie"]) == {"always", "arm"}
    assert deb_wheels.needs(path, deb_wheels.TARGETS["amd64", "bookworm"]) == {"always", "old"}
    assert deb_wheels.needs(path, deb_wheels.TARGETS["amd64", "trixie"], ["more"]) == {"always", "more"}


def test_wheels_that_are_there_are_not_fetched_and_bring_what_they_need(tmp_path: Path) -> None:
    project = wheel(tmp_path, "project", requires=("One",))
    cache = tmp_path / "cache"
    cache.mkdir()
    one, two = wheel(cache, "one", requires=("two>=1",)), wheel(cache, "two")
    target = deb_wheels.TARGETS["arm64", "bookworm"]
    pins = {"one": "1.0", "two": "1.0"}
    assert deb_wheels.gather(project, target, pins, cache) == (one, two)


def test_a_package_without_a_tested_version_is_named(tmp_path: Path) -> None:
    project = wheel(tmp_path, "project", requires=("one",))
    with pytest.raises(deb_wheels.Missing, match=r"no version of one"):
        deb_wheels.gather(project, deb_wheels.TARGETS["arm64", "bookworm"], {}, tmp_path / "cache")


def test_the_unit_starts_what_the_package_brings() -> None:
    unit = (PROJECT / "systemd" / "edge@.service").read_text()
    assert f"ExecStart=/{build_deb.PREFIX}/bin/edge run " in unit


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_the_scripts_of_the_package_are_for_any_shell_and_stop_at_an_error(name: str) -> None:
    path = TEMPLATES / name
    assert subprocess.run(["/bin/sh", "-n", str(path)], check=False).returncode == 0
    text = path.read_text()
    assert text.startswith("#!/bin/sh\n# ")
    assert "\nset -e\n" in text
    assert path.stat().st_mode & 0o111


def test_what_is_laid_out_has_the_same_time_and_rights_whoever_builds_it(tmp_path: Path) -> None:
    build_deb.lay_out_system(tmp_path)
    (tmp_path / "etc" / "edge-inspect").chmod(0o777)
    build_deb.settle(tmp_path, 1_700_000_000)
    for path in tmp_path.rglob("*"):
        assert path.lstat().st_mtime == 1_700_000_000
    assert (tmp_path / "etc/edge-inspect").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "etc/edge-inspect/secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "usr/lib/systemd/system/edge@.service").stat().st_mode & 0o777 == 0o644


def test_the_board_can_be_configured_from_what_is_installed(tmp_path: Path) -> None:
    build_deb.lay_out_system(tmp_path / "root")
    (tmp_path / "board" / "etc").mkdir(parents=True)
    script = tmp_path / "root/usr/share/edge-inspect/scripts/configure_board.py"
    command = [
        sys.executable,
        "-S",
        "-E",
        str(script),
        "--root",
        str(tmp_path / "board"),
        "--board",
        "jetson-orin",
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "board/etc/udev/rules.d/70-edge-inspect.rules").exists()


def test_a_sample_is_no_station() -> None:
    assert all(not name.endswith(".toml") for name in build_deb.CONFFILES)
