"""Render a plate of known sizes, calibrate on a chessboard, measure with the sample tools, and draw the values."""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import PIL.Image
from rendered_parts import Look, Shape, bar, both, chessboard, cut, disc, half_plane, mapped, render, within

from edge.cli.bundles import inspections
from edge.cli.instruments import opened
from edge.config import Rules
from edge.config.measurement import MeasurementRules, Tolerance
from edge.store.overlay import overlay

DOCS = Path(__file__).parents[1] / "docs"
MM_PER_PX = 0.05
LIMITS = [
    Tolerance(name="width", lower=19.95, upper=20.05),
    Tolerance(name="bore", lower=5.97, upper=6.03),
    Tolerance(name="pitch", lower=10.45, upper=10.55),
    Tolerance(name="chamfer-angle", lower=45, upper=48),
]
LOOK = Look(part=40, ground=190, noise=1.5, blur_px=0.9)


def plate() -> Shape:
    """20 mm wide, with a bore of 6 mm, a hole of 3.2 mm, and a corner cut off at 45 degrees."""
    body = within(bar((300, 240), 400, 320, 1.5), half_plane((495, 122), -45))
    return cut(body, both(disc((210.4, 200.2), 60), disc((420.3, 210.7), 32)))


def main() -> None:
    """Write the picture, and print what the commands say."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        board = mapped(chessboard(11, 8, 2.5), lambda points: (points - (60, 60)) * MM_PER_PX, 1 / MM_PER_PX)
        for name, shape in (("board", board), ("plate", plate())):
            PIL.Image.fromarray(render(shape, 640, 480, LOOK)).save(folder / f"{name}.png")
        shutil.copy(DOCS / "samples" / "plate.toml", folder)
        edge = [sys.executable, "-m", "edge"]
        target = ["--chessboard", "11x8", "--square-mm", "2.5", "--scale-error", "0.0005"]
        scale = ["--out", str(folder / "plate-calibration.toml")]
        subprocess.run([*edge, "calibrate", str(folder / "board.png"), *target, *scale], check=True)
        subprocess.run([*edge, "measure", str(folder / "plate.toml"), str(folder / "plate.png")], check=True)
        check, _ = opened("measurement", folder / "plate.toml")
        rules = Rules(measurement=MeasurementRules(tolerances=LIMITS))
        ruled = replace(check, config=check.config.model_copy(update={"rules": rules}))
        (_, part), *_ = inspections(ruled, [folder / "plate.png"])
        picture = DOCS / "images" / "measurement.png"
        PIL.Image.fromarray(overlay(part, {})).quantize(128).save(picture, optimize=True)
        print(picture)


if __name__ == "__main__":
    main()
