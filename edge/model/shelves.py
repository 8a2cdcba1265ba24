"""A station's products: where each one's versions are, and how a new version comes to judge."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from edge.config import Check, Config, Quality, Rectangle
from edge.durable import make_folder
from edge.errors import BundleError, ConfigError, EdgeError
from edge.model.checks import open_check
from edge.model.versions import Shelf
from edge.pipeline import Inspector
from edge.preprocess.quality import QualityGate


class Product(NamedTuple):
    """What can be taught: the folder of its versions, and where to look (None: at the whole frame)."""

    name: str
    shelf: Path
    roi: Rectangle | None


def teachable(checks: Sequence[Check]) -> tuple[Product, ...]:
    """The products of the checks that may be taught; each is called like the folder of its versions."""
    return tuple(Product(check.bundle.name, check.bundle, check.roi) for check in checks if check.teachable)


def find(config: Config, name: str) -> Product:
    """A product of the recipe, or one that the recipe does not use yet: that has its shelf in the state folder.

    Raises `ConfigError` where the settings do not allow to teach it, and `BundleError` where it cannot be written.
    """
    for check in config.recipe.checks:
        if check.bundle.name == name and not check.teachable:
            raise ConfigError(
                f"{name}: is used by check {check.name}, which is not to be taught; set 'teachable = true' there"
            )
    aside = Product(name, config.station.state_dir / "bundles" / name, None)
    product = next((known for known in teachable(config.recipe.checks) if known.name == name), aside)
    try:
        make_folder(product.shelf.parent)
        with Shelf(product.shelf):
            return product
    except OSError as err:
        raise BundleError(f"{product.shelf}: cannot be written: {err.strerror or err}") from err


def renewed(
    inspector: Inspector, shelf: Path, quality: Quality, verified: Path | None, tuned: Path | None = None
) -> Inspector | None:
    """The same inspector with the active version of one shelf; None where none of its checks uses that.

    Raises `EdgeError` where that version cannot judge; then the one before it is the active one again.
    """
    if all(check.config.bundle != shelf for check in inspector.checks):
        return None
    try:
        checks = tuple(
            open_check(check.config, verified, tuned) if check.config.bundle == shelf else check
            for check in inspector.checks
        )
    except EdgeError:
        with suppress(EdgeError), Shelf(shelf) as held:
            held.undo()
        raise
    return replace(inspector, gate=QualityGate(checks[0].model.quality, quality), checks=checks)
