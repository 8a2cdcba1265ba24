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


def reference(name: str) -> Path | None:
    """The float model that the int8 backbone of that name was made from; None where it is not installed."""
    wanted = name.replace("-int8", "-float16")
    places = [folder / "backbone" / wanted for folder in (_PACKAGE / "shipped", _PACKAGE.parent / "models")]
    return next((path for path in places if wanted != name and path.is_file()), None)
