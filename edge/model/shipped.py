"""Where the models that come with the program lie."""

from pathlib import Path

from edge.errors import ConfigError

BACKBONE = "efficientnet-lite0-int8.tflite"
_PACKAGE = Path(__file__).resolve().parents[1]


def backbone() -> Path:
    """The feature extractor that teaching starts from: in the wheel, or else in the working copy.

    Raises `ConfigError` where the installation is incomplete.
    """
    places = [folder / "backbone" / BACKBONE for folder in (_PACKAGE / "shipped", _PACKAGE.parent / "models")]
    for path in places:
        if path.is_file():
            return path
    raise ConfigError(f"{places[0]}: is missing; install the program again")
