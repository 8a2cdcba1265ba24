"""Is a bundle safe and sound? Its first run, golden pictures included, happens in a child process.

A TFLite model is a program: one flipped bit can crash the interpreter, so that it must not crash ours.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path

from edge.durable import replace_file
from edge.errors import BundleError
from edge.model import golden
from edge.model.bundle import Bundle
from edge.model.runtime import runtime
from edge.model.trial import pack
from edge.service import bare_environment

log = logging.getLogger(__name__)

TIMEOUT_S = 60.0
MOST_REMEMBERED = 64


def verify(bundle: Bundle, cache: Path | None = None, timeout_s: float = TIMEOUT_S) -> None:
    """Run the bundle's exact bytes in a child process, and compare its golden scores.

    Raises `BundleError` where it crashes, takes too long or answers otherwise than taught, and `DeviceError`
    without a TFLite runtime. What is sound is remembered in the file `cache`, which makes the next start quick: by
    digest and runtime, since another runtime is another program.
    """
    proven = f"{bundle.digest} {runtime()}"
    if cache is not None and proven in _remembered(cache):
        return
    golden.check(bundle, _try_out(bundle, timeout_s))
    if cache is not None:
        _remember(cache, proven)


def _try_out(bundle: Bundle, timeout_s: float) -> list[float]:
    """The golden scores, from a child."""
    what = bundle.folder if bundle.manifest.model is None else bundle.model_path
    said = in_a_child("edge.model.trial", pack(bundle), what, timeout_s)
    answer = json.loads(said)
    if "trouble" in answer:
        raise BundleError(answer["trouble"])
    return [float(score) for score in answer["scores"]]


def in_a_child(module: str, sent: bytes, what: Path, timeout_s: float = TIMEOUT_S) -> bytes:
    """What a module of ours answers, when it is run with these bytes; it is to try out `what`.

    Raises `BundleError` where it crashes, takes too long or says nothing.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-m", module],
            input=sent,
            capture_output=True,
            timeout=timeout_s,
            cwd="/",
            env=bare_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise BundleError(
            f"{what}: took longer than {timeout_s:g} s to load and run; use a smaller model"
        ) from err
    except OSError as err:
        raise BundleError(f"{what}: cannot be tried out: {err.strerror or err}") from err
    return _said(what, child)


def _said(what: Path, child: "subprocess.CompletedProcess[bytes]") -> bytes:
    if child.returncode < 0:
        crash = f"crashed the TFLite runtime (signal {-child.returncode})"
        raise BundleError(f"{what}: {crash}; copy or build it again")
    if child.returncode or not child.stdout:
        last = child.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise BundleError(f"{what}: could not be tried out: {last[0]}")
    return child.stdout


def _remembered(cache: Path) -> list[str]:
    try:
        proven = json.loads(cache.read_bytes())["proven"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as err:
        log.warning("%s: cannot be read, so bundles are tried out again: %s", cache, err)
        return []
    return [line for line in proven if isinstance(line, str)] if isinstance(proven, list) else []


def _remember(cache: Path, proven: str) -> None:
    """Add to the file at once or not at all. Where that fails, the next start takes longer, and no more."""
    others = [line for line in _remembered(cache) if line != proven]
    content = json.dumps({"proven": [*others[1 - MOST_REMEMBERED :], proven]}, indent=1)
    try:
        replace_file(cache, content.encode())
    except OSError as err:
        log.warning("%s: cannot be written, so the next start takes longer: %s", cache, err.strerror or err)
