"""Restorations from a folder: loaded, proven in a child process, and ready to run."""

from pathlib import Path

from edge.model import golden, shipped
from edge.model.bundle import Bundle, load
from edge.model.restoration import Restorer, open_restorer, replay
from edge.model.verify import verify


def load_restorer(folder: Path, verified: Path | None = None) -> Restorer:
    """A restoration that answers its golden pictures as it was trained to; see `verify` for `verified`.

    A `folder` that is not there may be called like one that is shipped. Raises `BundleError`, and `DeviceError`
    without a TFLite runtime.
    """
    return proven(load(shipped.named(folder)), verified)


def proven(bundle: Bundle, verified: Path | None = None) -> Restorer:
    """The same, of a bundle that is loaded."""
    verify(bundle, verified)
    restorer = open_restorer(bundle)
    golden.check(bundle, replay(bundle, restorer))
    return restorer
