"""What the network of a bundle gets to see of a frame, as its manifest says."""

from dataclasses import replace

from edge.model.bundle import Bundle
from edge.model.delegates import CPU
from edge.model.restoration import Restorer
from edge.preprocess.tensor import InputSpec
from edge.types import ModelIdentity


def sight(bundle: Bundle) -> InputSpec:
    """Ready to be prepared for, with the bundle's own restoration where it has one.

    Raises `BundleError` where that cannot be used, and `DeviceError` where there is no TFLite runtime.
    """
    manifest = bundle.manifest
    file = manifest.seen.restore
    spec = InputSpec(**{**dict(manifest.seen), "restore": None})
    if file is None:
        return spec
    identity = ModelIdentity(manifest.name, manifest.version, bundle.digest, CPU.name, 1)
    # Twice the pixels would put every box in the wrong place.
    return replace(spec, restore=Restorer(bundle.files[file], str(bundle.folder / file), 1, identity))
