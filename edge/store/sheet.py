"""A contact sheet: parts side by side with their heat maps, verdicts, and what they truly were."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from edge.geometry import Box, Image
from edge.store import layout
from edge.store.layout import MAP, PICTURE, REPORT, Part
from edge.store.lettering import DARK, GREY, PALE, Colour, badge, font, printable, shortened
from edge.store.overlay import SHOWN_FROM, colours_of, name, overlay, picture_rows, scaled, score_text
from edge.types import Frame, Inspection, Verdict

MARGIN_PX, GAP_PX, PAD_PX = 28, 20, 12
PICTURE_PX = 330
HEADER_PX = 100
WORDS_PX = 76
WIDE_PX = 1000
CLOSE_UP = 0.4
"""Side of a close-up, as a share of the picture's shorter side."""
CARD: Colour = (38, 41, 49)
ALARM: Colour = (255, 176, 0)


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A part on the sheet.

    `verdict` is None for one that was not judged. `truth` names its known defects: empty for a good part, None
    where nobody knows. `spot` is the worst region, in pixels of the picture.
    """

    picture: Image
    heat: Image | None
    verdict: Verdict | None
    name: str
    score: str
    truth: tuple[str, ...] | None = None
    spot: Box | None = None

    @property
    def mistake(self) -> str | None:
        """`escape` for a bad part that passed, `overkill` for a good one that failed."""
        if self.truth is None:
            return None
        if self.truth and self.verdict is Verdict.PASS:
            return "escape"
        return "overkill" if not self.truth and self.verdict is Verdict.FAIL else None


def exhibit(inspection: Inspection) -> Exhibit | None:
    """A part as it comes from the line; None for one without a picture."""
    frame, decision = inspection.frame, inspection.decision
    if not isinstance(frame, Frame):
        return None
    regions = [region for finding in inspection.findings for region in finding.decision.regions]
    worst = max(regions, key=lambda region: region.peak, default=None)
    return Exhibit(
        frame.image,
        overlay(inspection, {})[: picture_rows(frame.image)],
        decision.verdict,
        name(frame),
        score_text(decision.score, decision.label),
        None if frame.truth is None else tuple(defect.label for defect in frame.truth),
        worst.box if worst else None,
    )


def sheet_from(folder: Path, to: Path, title: str = "edge-inspect", most: int = 8, columns: int = 2) -> Image:
    """Draw the sheet of an evidence folder and write it to `to` (.png or .jpg).

    Takes the latest parts, half of them passes as far as there are any. Raises `OSError`.
    """
    sheet = contact_sheet(exhibits_in(folder, most), columns, title)
    Pillow.fromarray(sheet).save(to, quality=92, progressive=True)
    return sheet


def exhibits_in(folder: Path, most: int) -> list[Exhibit]:
    """The latest parts of an evidence folder: failures first, then the undecided, passes last."""
    parts = [
        (epoch.folder, part)
        for epoch in layout.look_through(folder)
        for part in sorted(epoch.size_bytes)
        if (epoch.folder / part.file(PICTURE)).exists()
    ]
    fails, passes = (
        [item for item in parts if item[1].verdict is verdict] for verdict in (Verdict.FAIL, Verdict.PASS)
    )
    undecided = [item for item in parts if item[1].verdict not in {Verdict.FAIL, Verdict.PASS}]
    room = max(most - most // 2, most - len(passes))
    shown = _last(fails, room)
    shown += _last(undecided, room - len(shown))
    shown += _last(passes, most - len(shown))
    return [kept_exhibit(*item) for item in shown]


def contact_sheet(
    exhibits: Sequence[Exhibit], columns: int = 2, title: str = "edge-inspect", words: str | None = None
) -> Image:
    """Every part's picture, its heat map beside it, and below both what was said of it.

    `words` stand under the title; None: how many parts have which verdict.
    """
    columns = max(1, min(columns, len(exhibits)))
    height_px = _picture_height(exhibits)
    card_width = 2 * PICTURE_PX + 2 * PAD_PX + 4
    card_height = height_px + PAD_PX + WORDS_PX
    rows = -(-len(exhibits) // columns)
    width = 2 * MARGIN_PX + columns * card_width + (columns - 1) * GAP_PX
    height = MARGIN_PX + HEADER_PX + rows * (card_height + GAP_PX) + MARGIN_PX - GAP_PX
    sheet = Pillow.new("RGB", (width, height), DARK)
    _header(sheet, exhibits, title, words or _counted(exhibits))
    for place, item in enumerate(exhibits):
        row, column = divmod(place, columns)
        card = _card(item, card_width, card_height, height_px)
        at = MARGIN_PX + column * (card_width + GAP_PX), MARGIN_PX + HEADER_PX + row * (card_height + GAP_PX)
        sheet.paste(card, at, _rounded(card.size))
    return np.asarray(sheet)


def _last(items: list[tuple[Path, Part]], count: int) -> list[tuple[Path, Part]]:
    return items[len(items) - min(len(items), count) :]


def kept_exhibit(folder: Path, part: Part) -> Exhibit:
    """A part as its evidence has it, in an epoch's folder. Raises `OSError` and `ValueError`."""
    report: dict[str, Any] = json.loads((folder / part.file(REPORT)).read_bytes())
    picture = _pixels(folder / part.file(PICTURE))
    heat = _pixels(folder / part.file(MAP)) if (folder / part.file(MAP)).exists() else None
    heat = None if heat is None else heat[: picture_rows(picture)]
    truth = report["truth"]
    regions = [region for check in report["checks"] for region in check["regions"]]
    worst = max(regions, key=lambda region: region["peak"], default=None)
    # The kept picture may have more pixels than the one that was judged, whose size the report has.
    scale = picture.shape[1] / report["camera"]["size"][0]
    return Exhibit(
        picture,
        heat,
        part.verdict,
        report["part_id"] or f"frame {report['sequence']}",
        score_text(report["score"], report["label"]),
        None if truth is None else tuple(defect["label"] for defect in truth),
        Box(*(edge * scale for edge in worst["box"])) if worst else None,
    )


def _pixels(path: Path) -> Image:
    with Pillow.open(path, formats=["JPEG"]) as picture:
        return np.asarray(picture.convert("RGB"))


def _picture_height(exhibits: Sequence[Exhibit]) -> int:
    """So high that the usual part fills its width."""
    if not exhibits:
        return PICTURE_PX
    slopes = sorted(item.picture.shape[0] / item.picture.shape[1] for item in exhibits)
    return int(PICTURE_PX * min(1.6, slopes[len(slopes) // 2]))


def _counted(exhibits: Sequence[Exhibit]) -> str:
    counts = Counter(item.verdict for item in exhibits)
    words = " · ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    return f"{words} · picture and anomaly map of each part" if exhibits else "no parts yet"


def _header(sheet: Pillow.Image, exhibits: Sequence[Exhibit], title: str, words: str) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PX, MARGIN_PX), printable(title), fill=PALE, font=font(36))
    draw.text((MARGIN_PX, MARGIN_PX + 50), printable(words), fill=GREY, font=font(20))
    judged = any(item.heat is not None and item.verdict is not None for item in exhibits)
    if judged and sheet.width > WIDE_PX:
        _legend(sheet, draw)


def _legend(sheet: Pillow.Image, draw: ImageDraw.ImageDraw) -> None:
    """The colours from 0.6 of the limit up; the limit is the white line that is drawn around what failed."""
    most = 1.8
    width, height = 260, 16
    left, top = sheet.width - MARGIN_PX - width, MARGIN_PX + 14
    scores = np.linspace(SHOWN_FROM, most, width, dtype=np.float32)[None].repeat(height, axis=0)
    strength = colours_of(scores).astype(np.int32) + np.array(CARD)
    sheet.paste(Pillow.fromarray(np.clip(strength, 0, 255).astype(np.uint8)), (left, top))
    limit = left + round(width * (1.0 - SHOWN_FROM) / (most - SHOWN_FROM))
    draw.line([(limit, top - 5), (limit, top + height + 4)], fill=PALE, width=3)
    for x, words, anchor in ((left, "0.6", "la"), (limit, "limit 1.0", "ma"), (left + width, "1.8", "ra")):
        draw.text((x, top + height + 9), words, fill=GREY, font=font(18), anchor=anchor)
    draw.text((left - 16, top + height / 2), "score", fill=GREY, font=font(18), anchor="rm")


def _card(item: Exhibit, width: int, height: int, picture_height: int) -> Pillow.Image:
    card = Pillow.new("RGB", (width, height), CARD)
    panels = [_panel(item, PICTURE_PX, picture_height)]
    if item.heat is not None:
        panels.append(_fitted(item.heat, PICTURE_PX, picture_height))
    for place, small in enumerate(panels):
        left = PAD_PX + place * (PICTURE_PX + 4) + (PICTURE_PX - small.shape[1]) // 2
        card.paste(Pillow.fromarray(small), (left, PAD_PX + (picture_height - small.shape[0]) // 2))
    _words(card, item, PAD_PX + picture_height + (WORDS_PX - PAD_PX) // 2 + 4)
    return card


def _words(card: Pillow.Image, item: Exhibit, middle: float) -> None:
    """Badge and part on the left; score and truth on the right."""
    draw = ImageDraw.Draw(card)
    left = PAD_PX
    if item.verdict is not None:
        sign = Pillow.fromarray(badge(item.verdict, 38))
        card.paste(sign, (PAD_PX, round(middle) - 19), _rounded(sign.size, 7))
        left += sign.width + 12
    right = card.width - PAD_PX
    truth = "" if item.truth is None else f"truth: {', '.join(sorted(set(item.truth))) or 'good'}"
    truth = printable(truth.replace("_", " "))
    rows = [(item.score, PALE, 22)] if item.score else []
    if truth:
        rows.append((truth if item.mistake is None else f"{item.mistake.upper()} · {truth}", GREY, 18))
    taken = max((font(size).getlength(words) for words, _, size in rows), default=0.0)
    for place, (words, ink, size) in enumerate(rows):
        y = middle + (place - (len(rows) - 1) / 2) * 27
        loud = item.mistake is not None and place == len(rows) - 1
        draw.text((right, y), words, fill=ALARM if loud else ink, font=font(size), anchor="rm")
    part = shortened(printable(item.name), 23, right - taken - 16 - left)
    draw.text((left, middle), part, fill=PALE, font=font(23), anchor="lm")


def _fitted(image: Image, width: int, height: int) -> Image:
    return scaled(image, min(width / image.shape[1], height / image.shape[0]))


def _panel(item: Exhibit, width: int, height: int) -> Image:
    """The picture, and in one of its corners a close-up of the worst region where that is small."""
    panel = _fitted(item.picture, width, height)
    if item.spot is None:
        return panel
    scale = panel.shape[1] / item.picture.shape[1]
    side = max(1.6 * item.spot.width, 1.6 * item.spot.height, 0.16 * item.picture.shape[0])
    inset = max(1, round(CLOSE_UP * min(panel.shape[:2])))
    if side * scale > 0.8 * inset:
        return panel
    x, y = (item.spot.x_min + item.spot.x_max) / 2, (item.spot.y_min + item.spot.y_max) / 2
    patch = cv2.getRectSubPix(item.picture, (round(side), round(side)), (x, y))
    patch = cv2.resize(np.asarray(patch), (inset, inset), interpolation=cv2.INTER_CUBIC)
    half = side / 2
    frame = [round(edge * scale) for edge in (x - half, y - half, x + half, y + half)]
    cv2.rectangle(panel, frame[:2], frame[2:], PALE, 1, cv2.LINE_AA)
    # In the corner that is farthest from the region.
    left = 0 if x * scale > panel.shape[1] / 2 else panel.shape[1] - inset
    top = 0 if y * scale > panel.shape[0] / 2 else panel.shape[0] - inset
    panel[top : top + inset, left : left + inset] = patch
    cv2.rectangle(panel, (left, top), (left + inset - 1, top + inset - 1), PALE, 2)
    return panel


def _rounded(size: tuple[int, int], radius: int = 12) -> Pillow.Image:
    mask = Pillow.new("L", (size[0] * 4, size[1] * 4), 0)
    draw = ImageDraw.Draw(mask)
    draw.rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), radius=radius * 4, fill=255)
    return mask.resize(size, Pillow.Resampling.BOX)
