"""Teaching: from pictures of good parts to a bundle that tells what is unlike them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

from edge.config import Rectangle
from edge.config.enhance import Enhance
from edge.errors import ConfigError
from edge.model import shipped
from edge.model.bundle import Bundle, load
from edge.model.restoration import Restorer
from edge.model.restorations import load_restorer
from edge.model.sight import sight
from edge.model.versions import Shelf
from edge.preprocess.picture import size
from edge.teach.album import without
from edge.teach.choice import Choice, choose
from edge.teach.conclusion import Taught, conclude
from edge.teach.earlier import earlier
from edge.teach.eye import Eye
from edge.teach.gather import Gatherer, Progress
from edge.teach.parallel import processors
from edge.teach.setting import CONTRASTS, input_spec
from edge.teach.wishes import Wishes

__all__ = ["Taught", "Wishes", "extend", "teach", "teach_again"]


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass


def teach(
    name: str,
    good: Sequence[Path],
    shelf: Path,
    *,
    bad: Sequence[Path] = (),
    wishes: Wishes = Wishes(),  # noqa: B008 - a value that nobody can change
    drop: Collection[str] = (),
    progress: Progress = _silent,
) -> Taught:
    """Teach a product from pictures of good parts, and put its bundle on the `shelf`, as the active version.

    Known-bad parts, where there are some, help to choose, and are scored. Pictures that `drop` names are left out.
    The same pictures in the same order and the same wishes give the same model. It is not activated where int8
    and float do not agree, unless `wishes` force it.

    Raises `ConfigError` where pictures or wishes will not do, `BundleError` where the bundle cannot be written,
    and `DeviceError` where the shelf is being taught already. Whatever happens, the version that was active stays
    whole, and active until the new one is.
    """
    start = monotonic()
    wishes.check()
    paths = without(good, drop)
    with Shelf(shelf) as held:
        size_px = _frame_size(paths, wishes.roi)
        restorer = _restorer(wishes.restore)
        specs = [
            replace(input_spec(size_px, contrast, wishes.roi, wishes.tiles, wishes.enhance), restore=restorer)
            for contrast in CONTRASTS
        ]
        eyes = [Eye.of(path, spec, processors()) for path in _backbones(wishes) for spec in specs]
        gathered = Gatherer(eyes, wishes.roi, wishes.seed).gather(paths, bad, wishes.tiles, progress)
        choice = choose(gathered, eyes, wishes, progress)
        return conclude(name, held, gathered, choice, wishes, start, progress)


def extend(
    shelf: Path,
    good: Sequence[Path],
    *,
    bad: Sequence[Path] = (),
    wishes: Wishes = Wishes(),  # noqa: B008 - a value that nobody can change
    drop: Collection[str] = (),
    progress: Progress = _silent,
) -> Taught:
    """Add pictures of good parts to the active version of a product: a new version, in the same setting.

    Nothing but the bundle is needed of the earlier lessons: it keeps what the backbone saw. Of the `wishes`, those
    about the setting are as they were. `drop` names pictures, old or new, to leave out: there need be no new ones
    then. Without them no defects are made up, and the golden pictures stay. Raises like `teach`.
    """
    start = monotonic()
    wishes.check()
    with Shelf(shelf) as held:
        bundle = load(shelf)
        head = bundle.manifest.anomaly
        if head is None:
            raise ConfigError(
                f"{bundle.folder}: tells classes apart; give a folder of pictures for each class"
            )
        spec = sight(bundle)
        eye = Eye.of(shipped.backbone(bundle.manifest.network), spec, processors())
        strides_px = tuple(head.strides_px)
        before = earlier(bundle, eye, strides_px)
        names = {*before.notebook.names} & {*drop}
        gatherer = Gatherer([eye], spec.roi, wishes.seed)
        paths = without(good, [name for name in drop if name not in names])
        gathered = gatherer.add(before.notebook, names, paths, bad, progress)
        gathered.looks = [look for look in before.looks if look.name not in names]
        gathered.golden = before.golden
        choice = Choice(eye, strides_px, head.method)
        return conclude(bundle.manifest.name, held, gathered, choice, wishes, start, progress)


def teach_again(
    bundle: Bundle,
    good: Sequence[Path],
    shelf: Path,
    enhance: tuple[Enhance, ...],
    *,
    progress: Progress = _silent,
) -> Taught:
    """Teach a product anew in the setting of one of its bundles, but with these steps before the model.

    For comparing steps: nothing is chosen, so no defects are made up. Raises like `teach`.
    """
    start, manifest = monotonic(), bundle.manifest
    head = manifest.anomaly
    if head is None:
        raise ConfigError(f"{bundle.folder}: was not taught from good parts; its task is {manifest.task}")
    spec = replace(sight(bundle), enhance=enhance)
    wishes = Wishes(roi=spec.roi, tiles=spec.tiles_x, method=head.method, enhance=enhance, force=True)
    eye = Eye.of(shipped.backbone(manifest.network), spec, processors())
    with Shelf(shelf) as held:
        gathered = Gatherer([eye], spec.roi, wishes.seed).gather_good(good, wishes.tiles, progress)
        choice = Choice(eye, tuple(head.strides_px), head.method)
        return conclude(manifest.name, held, gathered, choice, wishes, start, progress)


def _restorer(folder: Path | None) -> Restorer | None:
    if folder is None:
        return None
    restorer = load_restorer(folder)
    if restorer.factor != 1:
        raise ConfigError(
            f"{folder}: makes pictures larger, and boxes are in the camera's pixels; teach with one that keeps"
            " their size, such as 'denoiser'"
        )
    return restorer


def _backbones(wishes: Wishes) -> list[Path]:
    """The usual one; where time is short, the quick one, too."""
    names = [shipped.BACKBONE] if wishes.budget_ms is None else [shipped.BACKBONE, shipped.QUICK]
    return [shipped.backbone(name) for name in names]


def _frame_size(paths: Sequence[Path], roi: Rectangle | None) -> tuple[int, int]:
    """Of the first picture that can be read; where none can, the lesson will say so."""
    if roi is not None:
        return roi.x_max, roi.y_max
    return next((found for path in paths if (found := size(path)) is not None), (1, 1))
