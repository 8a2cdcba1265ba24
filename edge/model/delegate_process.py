"""A delegate in a process of its own: its hang or crash costs one part, and never the daemon."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DelegateError, DeviceError, InferenceError
from edge.geometry import Tensor
from edge.model.delegate_link import (
    DONE,
    LONGEST_BYTES,
    RUN,
    Tensors,
    Wish,
    read_specs,
    sealed,
    send_wish,
)
from edge.model.delegates import DelegateConfig
from edge.model.pixels import Pixels
from edge.model.runtime import Size
from edge.service import bare_environment

ENVIRONMENT = (
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "ADSP_LIBRARY_PATH",
)
"""What Vulkan's loader and Qualcomm's library want to know, beside what every child gets."""
END_S = 2.0
"""A child that is closed gets so long to go; a driver may keep it longer."""
REAP_S = 0.2
"""… and so long where nobody needs the device: a process that is killed is gone in milliseconds."""
NOISE_BYTES = 64 * 1024
"""So much of what a library said is read again to find its complaint."""
_COMPLAINT = re.compile(
    r"^(?:FATAL ERROR|FATAL|ERROR|Error|error|E\d{4} [^\]]*\])[: ]\s*(?:\[[^\]]*\]\s*)?(.+)$", re.MULTILINE
)


class DelegateProcess:
    """An `Interpreter` elsewhere. Made on any thread that lives as long as the daemon, then used by one.

    The child ends with the thread that made it (PR_SET_PDEATHSIG is about threads), and when this is collected.
    """

    def __init__(
        self,
        content: bytes,
        threads: int,
        delegate: DelegateConfig,
        name: str = "model",
        size: Size = None,
        *,
        floats: bool = False,
        pixels: Pixels | None = None,
    ) -> None:
        """See `Interpreter`. Raises `DeviceError` where the delegate cannot have the model, however that shows."""
        self.delegate = delegate.name
        self._deadline_s = delegate.deadline_ms / 1000
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as open_files, theirs:
            noise = os.memfd_create("noise")
            open_files.callback(os.close, noise)
            model = sealed(content)
            open_files.callback(os.close, model)
            self._child = _start(theirs, noise)
            theirs.close()
            self._end = weakref.finalize(self, _end, self._child, self._link)
            self._poll = select.poll()
            self._poll.register(self._link, select.POLLIN)
            try:
                self._load(Wish(threads, delegate, name, size, floats, pixels), model)
            except _Fault as fault:
                self.close()
                raise DeviceError(_why_not(delegate, str(fault), _complaint(noise))) from fault

    def invoke(self, tensor: Tensor) -> list[npt.NDArray[Any]]:
        """Run the model on 1×h×w×3; the outputs are copies, in the order of `outputs`.

        Raises `InferenceError`, and `DelegateError`, after which the child is gone.
        """
        if tensor.shape != self._tensors.pixels.shape:
            raise InferenceError(
                f"the tensor is {tensor.shape}, but the model takes {self._tensors.pixels.shape}"
            )
        try:
            np.copyto(self._tensors.pixels, tensor)
            self._send(RUN)
            answer, _ = self._receive(self._deadline_s)
        except _Fault as fault:
            self._child.kill()
            raise DelegateError(f"delegate '{self.delegate}' {fault}") from fault
        if answer != DONE:
            self._child.kill()
            raise DelegateError(json.loads(answer)["trouble"])
        return [output.copy() for output in self._tensors.outputs]

    def close(self) -> bool:
        """End the child, so that the device is free; says whether it is: a driver that hangs may keep it."""
        self._end()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(END_S)
        return self._child.poll() is not None

    def _load(self, wish: Wish, model: int) -> None:
        try:
            send_wish(self._link, wish, model)
        except OSError as err:
            raise _Fault(f"could not be asked: {err.strerror}") from err
        said, files = self._receive(wish.delegate.load_s)
        answer: Mapping[str, Any] = json.loads(said)
        if "trouble" in answer:
            raise _Fault(answer["trouble"])
        self.inputs, self.outputs = read_specs(answer)
        with os.fdopen(files[0]) as memory:
            self._tensors = Tensors(memory.fileno(), self.inputs, self.outputs)

    def _send(self, message: bytes) -> None:
        # A child that is gone is found out by what it answers: nothing.
        with suppress(OSError):
            self._link.send(message)

    def _receive(self, limit_s: float) -> tuple[bytes, list[int]]:
        if not self._poll.poll(limit_s * 1000):
            raise _Fault(f"did not answer within {_span(limit_s)}")
        try:
            said, files, _, _ = socket.recv_fds(self._link, LONGEST_BYTES, 1)
        except OSError:
            said, files = b"", []
        if not said:
            raise _Fault(_obituary(self._child, min(limit_s, END_S)))
        return said, list(files)


class _Fault(Exception):
    """What went wrong, before it is said of which delegate."""


def _start(link: socket.socket, noise: int) -> "subprocess.Popen[bytes]":
    stderr = os.dup(2)
    given = {key: os.environ[key] for key in ENVIRONMENT if key in os.environ}
    command = [sys.executable, "-P", "-m", "edge.model.delegate_child"]
    try:
        return subprocess.Popen(
            [*command, str(link.fileno()), str(stderr), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=noise,
            stderr=noise,
            pass_fds=(link.fileno(), stderr),
            cwd="/",
            env={**bare_environment(), **given},
        )
    except OSError as err:
        raise DeviceError(f"no process for a delegate: {err.strerror or err}") from err
    finally:
        os.close(stderr)


def _end(child: "subprocess.Popen[bytes]", link: socket.socket) -> None:
    link.close()
    child.kill()
    with suppress(subprocess.TimeoutExpired):
        child.wait(REAP_S)


def _why_not(delegate: DelegateConfig, fault: str, complaint: str) -> str:
    """The reason that stands in every report: of which delegate, what, and what its library said of it."""
    of = f"delegate '{delegate.name}'"
    library = "" if delegate.library is None else f" {delegate.library}:"
    sentence = fault if of in fault else f"{of}:{library} {fault} while it was loaded"
    return f"{sentence}: {complaint}" if complaint and complaint not in sentence else sentence


def _obituary(child: "subprocess.Popen[bytes]", patience_s: float) -> str:
    """How a child ended that has closed its end of the link; a driver may keep it for a while."""
    try:
        code = child.wait(patience_s)
    except subprocess.TimeoutExpired:
        return "closed the link to its process"
    if code < 0:
        return f"crashed ({signal.Signals(-code).name})"
    return f"ended its process with {code}"


def _span(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def _complaint(noise: int) -> str:
    """The first error that the library printed, the cause of those after it; empty where there is none."""
    with os.fdopen(os.dup(noise), "rb") as file:
        file.seek(0)
        said = file.read(NOISE_BYTES).decode(errors="replace")
    found = _COMPLAINT.search(said)
    return found[1].strip() if found else ""
