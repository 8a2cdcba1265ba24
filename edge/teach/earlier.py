"""What the active version of a product gives to a lesson that goes on from it, without the pictures it had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.errors import BundleError, CaptureError, ConfigError
from edge.geometry import Image
from edge.model import examples
from edge.model.bundle import Bundle
from edge.preprocess.picture import decode
from edge.teach import notebook
from edge.teach.examples import Look, recall
from edge.teach.eye import Eye
from edge.teach.notebook import Notebook


@dataclass(frozen=True, eq=False)
class Earlier:
    """What was seen and measured, the examples of how things should look, if any, and the golden pictures."""

    notebook: Notebook
    looks: Sequence[Look]
    golden: Mapping[str, Image]


def earlier(bundle: Bundle, eye: Eye, strides_px: tuple[int, ...]) -> Earlier:
    """Out of a bundle that sees as the `eye` does.

    Raises `ConfigError` where it keeps nothing of its lesson, and `BundleError` where it cannot be gone on with.
    """
    _check_backbone(bundle, eye)
    content = bundle.files.get(notebook.FILE)
    if content is None:
        raise ConfigError(
            f"{bundle.folder}: keeps nothing of its lesson, for want of room; teach anew with all pictures,"
            " or with a larger --budget-mb"
        )
    notes = notebook.read(content, str(bundle.folder / notebook.FILE), eye.spec, eye.outputs)
    kept = bundle.files.get(examples.FILE)
    name = str(bundle.folder / examples.FILE)
    looks = () if kept is None else recall(kept, name, eye.taps(strides_px).channels)
    return Earlier(notes, looks, _golden(bundle))


def _golden(bundle: Bundle) -> dict[str, Image]:
    names = [golden.file for golden in bundle.manifest.golden]
    try:
        return {name: decode(bundle.files[name], str(bundle.folder / name)) for name in names}
    except CaptureError as err:
        raise BundleError(f"{err}; copy the bundle again") from err


def _check_backbone(bundle: Bundle, eye: Eye) -> None:
    if bundle.files[bundle.manifest.network] != eye.content:
        raise BundleError(
            f"{bundle.folder}: was taught with another backbone than this program has; teach the product anew"
        )
