"""Counts parts that were followed, and says how far the count is off; `scripts/bench_tracking` says of what."""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

import tracking_films
from tracking_noise import Belt, Noise, count

BELT, NOISE = Belt(), Noise()
BELTS: dict[str, list[tuple[Belt, Noise]]] = {
    "a perfect detector": [(BELT, Noise(0, 0, 0, 0))],
    "as usual": [(BELT, NOISE)],
    "steady belt": [(replace(BELT, steady=True), NOISE)],
    "parts that overlap": [(replace(BELT, overlaps=share), NOISE) for share in (0.6, 1.0)],
    "lanes": [(replace(BELT, lanes=lanes), NOISE) for lanes in (2, 3)],
    "boxes missed": [(BELT, replace(NOISE, missed=share)) for share in (0.2, 0.3, 0.4, 0.5, 0.6)],
    "jitter, lengths": [(BELT, replace(NOISE, jitter=share)) for share in (0.05, 0.1, 0.15, 0.2)],
    "false boxes a frame": [(BELT, replace(NOISE, false=boxes)) for boxes in (0.3, 0.5, 1.0, 2.0)],
    "double boxes": [(BELT, replace(NOISE, double=share)) for share in (0.2, 0.4)],
    "frames dropped": [(BELT, replace(NOISE, dropped=share)) for share in (0.3, 0.5, 0.7)],
    "frames a second": [(replace(BELT, rate_hz=rate), NOISE) for rate in (20.0, 15.0, 10.0, 8.0)],
    "px/s (154 px a part)": [(replace(BELT, speed_px_s=speed), NOISE) for speed in (600.0, 1200.0, 1800.0)],
}
VARIED = {
    "parts that overlap": "overlaps", "lanes": "lanes", "boxes missed": "missed", "jitter, lengths": "jitter",
    "false boxes a frame": "false", "double boxes": "double", "frames dropped": "dropped",
    "frames a second": "rate_hz", "px/s (154 px a part)": "speed_px_s",
}  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="belts for each row (10)")
    parser.add_argument("--bundle", type=Path, help="also follow what this detector finds in the films")
    parser.add_argument("--only", choices=("belts", "caps"))
    chosen = parser.parse_args()
    if chosen.only != "caps":
        _belts(chosen.seeds)
    if chosen.only != "belts":
        tracking_films.report(chosen.bundle)


def _belts(seeds: int) -> None:
    usual = f"{NOISE.missed:.0%} of boxes missed, jitter {NOISE.jitter:.0%} of a part, {NOISE.false:g} false boxes"
    print(
        f"Belts that stop, run back and change their speed; {seeds} of {BELT.parts} parts for each row; usual:"
    )
    print(
        f"{usual} a frame, {NOISE.double:.0%} double, {BELT.overlaps:.0%} of parts overlap, {BELT.rate_hz:g} Hz"
    )
    print(f"\n{'':<28}{'parts':>7}{'told':>7}{'error':>7}{'belts off':>11}{'mixed':>7}{'ms/frame':>10}")
    for name, rows in BELTS.items():
        for belt, noise in rows:
            varied = VARIED.get(name)
            value = f" {getattr(belt, varied, None) or getattr(noise, varied)}" if varied else ""
            print(f"{name + value:<28}" + _row(seeds, belt, noise), flush=True)


def _row(seeds: int, belt: Belt, noise: Noise) -> str:
    runs = [count(seed, belt, noise) for seed in range(seeds)]
    errors = [abs(len(run.complete) - belt.parts) for run in runs]
    told = sum(len(run.complete) for run in runs)
    frames = sum(run.frames for run in runs)
    hows = Counter(complete.how.value for run in runs for complete in run.complete)
    others = ", ".join(f"{hows[how]} {how}" for how in ("late", "lost") if hows[how])
    return (
        f"{seeds * belt.parts:>7}{told:>7}{sum(errors):>7}{sum(map(bool, errors)):>11}"
        f"{sum(run.mixed for run in runs):>7}{1000 * sum(run.seconds for run in runs) / frames:>10.2f}  {others}"
    )


if __name__ == "__main__":
    main()
