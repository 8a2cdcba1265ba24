"""The child process of `DelegateProcess`: runs a model on a vendor's library, which may hang or crash in doing so.

Its arguments are the descriptors of its end of the link and of the real standard error, and its parent's id. What
the library says while it loads goes to the parent, which quotes it where it fails; what it says later, to the
journal.
"""

import ctypes
import os
import resource
import signal
import socket
import sys

import numpy as np

from edge.errors import EdgeError
from edge.model.delegate_link import DONE, LONGEST_BYTES, Tensors, receive_wish, send_specs, trouble
from edge.model.interpreter import Interpreter

PR_SET_PDEATHSIG = 1
STANDARD_OUTPUTS = (1, 2)


def serve(link: socket.socket, journal: int) -> None:
    """Open the model, then run it as often as the parent asks; until the parent is gone."""
    wish, content = receive_wish(link)
    try:
        model = Interpreter(
            content,
            wish.threads,
            wish.delegate,
            wish.name,
            wish.size,
            floats=wish.floats,
            pixels=wish.pixels,
        )
        # The first run may compile the model for the device: it is part of loading, and has that deadline.
        model.invoke(np.zeros(model.inputs[0].shape, np.int8))
    except EdgeError as err:
        link.send(trouble(str(err)))
        return
    memory = os.memfd_create("tensors")
    tensors = Tensors(memory, model.inputs, model.outputs)
    for standard in STANDARD_OUTPUTS:
        os.dup2(journal, standard)
    send_specs(link, model.inputs, model.outputs, memory)
    while link.recv(LONGEST_BYTES):
        try:
            outputs = model.invoke(tensors.pixels)
        except EdgeError as err:
            link.send(trouble(str(err)))
            continue
        for place, output in zip(tensors.outputs, outputs, strict=True):
            np.copyto(place, output, casting="no")
        link.send(DONE)


def live_for(parent: int) -> None:
    """End with the parent and not before; a library that hangs would outlive it, and keep the device."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # systemd and terminals stop a whole group: the parts that are inside are still to be judged here.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, signal.SIG_IGN)


if __name__ == "__main__":
    descriptor, standard_error, parent_id = map(int, sys.argv[1:])
    live_for(parent_id)
    serve(socket.socket(fileno=descriptor), standard_error)
