"""Reading rates on rendered labels: what is read as it was written, what as something else, and in what time."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from time import thread_time

import numpy as np
from rendered_labels import Look, dotted, label

from edge.codes.printed import PrintPlace, density_of
from edge.codes.reader import Symbology, read_codes
from edge.geometry import Box

SIZE = 400
WHOLE = Box(0, 0, SIZE, SIZE)
CODES: dict[Symbology, str] = {
    "QRCode": "https://example.com/p/{:06}",
    "DataMatrix": "LOT2026-{:06}",
    "Code128": "SN{:06}",
    "EAN13": "400638{:06}",
}
EASY = Look(module_px=4, blur_px=0.6, noise=2)
LOOKS: dict[str, Look] = {
    "easy: 4 px a module": EASY,
    "turned by any angle": EASY,
    "noise 20": replace(EASY, noise=20),
    "noise 40": replace(EASY, noise=40),
    "blur 1.5 px": replace(EASY, blur_px=1.5),
    "blur 2.5 px": replace(EASY, blur_px=2.5),
    "2 px a module": replace(EASY, module_px=2),
    "1.5 px a module": replace(EASY, module_px=1.5),
    "pale: 15 grey levels": replace(EASY, ink=135, paper=150),
    "turned, blur 1.2, noise 10, 3 px": Look(module_px=3, blur_px=1.2, noise=10),
}
MUST_READ = ("easy: 4 px a module", "turned by any angle", "noise 20", "blur 1.5 px")
"""Labels as a line that was set up with care has them."""
LEAST = 0.99


def looks(name: str, symbology: Symbology, count: int) -> Iterator[Look]:
    """So many pictures of one kind, none twice."""
    rng = np.random.default_rng(5)
    for number in range(count):
        turned = "turned" in name
        # A barcode is 100 modules long and more: 4 px a module only fits lying.
        angle = rng.uniform(0, 360) if turned else rng.uniform(-3, 3)
        base = LOOKS[name]
        long = symbology in {"Code128", "EAN13"}
        module = min(base.module_px, 2.6) if long else base.module_px
        yield replace(base, module_px=module * rng.uniform(0.95, 1.05), angle_deg=angle, seed=number)


def main() -> None:
    """Print the tables; exit code 1 where something was misread, or what must be read was not."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print(f"{count} labels a cell, {SIZE}×{SIZE} px; barcodes: 2.6 px a module at most")
    print("read rightly / a wrong text that would pass for the code, median of processor time; one thread")
    print("| label | " + " | ".join(CODES) + " |")
    print("| --- |" + " ---: |" * len(CODES))
    missed = []
    for name in LOOKS:
        cells = []
        for symbology, text in CODES.items():
            read, wrong, ms = rate(name, symbology, text, count)
            cells.append(f"{read:.0%} / {wrong:.0%}, {ms:.1f} ms")
            missed += [f"{name}: {symbology}: {wrong:.0%} misread"] if wrong else []
            missed += [f"{name}: {symbology}: {read:.0%} read"] if name in MUST_READ and read < LEAST else []
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print()
    missed += prints(count)
    for line in missed:
        print(f"missed: {line}")
    sys.exit(bool(missed))


def rate(name: str, symbology: Symbology, text: str, count: int) -> tuple[float, float, float]:
    """The shares that were read rightly and wrongly, and milliseconds of processor time."""
    right, wrong, took_ms = 0, 0, []
    for number, look in enumerate(looks(name, symbology, count)):
        written = text.format(100003 * (number + 1) % 1_000_000)
        picture = label(written, symbology, look, SIZE)
        started = thread_time()
        found = read_codes(picture, WHOLE, list(CODES))
        took_ms.append((thread_time() - started) * 1000)
        texts = {reading.text for reading in found if reading.text}
        # The writer adds an EAN's check digit.
        good = {text for text in texts if text[: len(written)] == written}
        # A code that reads in two ways is in doubt: it never passes, and counts as not read.
        right += texts == good and bool(good)
        wrong += not good and len(texts) == 1
    return right / count, wrong / count, float(np.median(took_ms))


def prints(count: int) -> list[str]:
    """Print in dots, taught from one picture, against blank places."""
    place = PrintPlace(name="date", corner=(60, 150), opposite=(340, 250))
    print("| print in dots, 2.5 px each | printed: present | in doubt | blank: blank | in doubt |")
    print("| --- | ---: | ---: | ---: | ---: |")
    base = Look(module_px=2.5, blur_px=0.8, noise=3)
    good = density_of(cropped(dotted("12.11.2026 L4", base, SIZE), place), place)
    taught = place.model_copy(update={"density": good})
    missed = []
    for name, look in {
        "as taught": base,
        "noise 10": replace(base, noise=10),
        "blur 1.5 px": replace(base, blur_px=1.5),
        "half of the contrast": replace(base, ink=120),
        "a fifth of the contrast": replace(base, ink=168),
    }.items():
        rng = np.random.default_rng(7)
        there, gone = [], []
        for number in range(count):
            one = replace(look, angle_deg=rng.uniform(-3, 3), seed=number)
            text = f"{rng.integers(1, 29):02}.{rng.integers(1, 13):02}.2026 L{rng.integers(1, 9)}"
            there.append(present(dotted(text, one, SIZE), taught))
            gone.append(present(dotted("", one, SIZE), taught))
        shares = [there.count(True), there.count(None), gone.count(False), gone.count(None)]
        print(f"| {name} | " + " | ".join(f"{share / count:.0%}" for share in shares) + " |", flush=True)
        missed += [f"{name}: blank places are print"] if gone.count(True) else []
    return missed


def cropped(picture: np.ndarray, place: PrintPlace) -> np.ndarray:
    """The pixels of the place."""
    return picture[place.corner[1] : place.opposite[1], place.corner[0] : place.opposite[0]]


def present(picture: np.ndarray, place: PrintPlace) -> bool | None:
    """What is said of the place."""
    from edge.codes.printed import look_for_print

    return look_for_print(picture, WHOLE, place).present


if __name__ == "__main__":
    main()
