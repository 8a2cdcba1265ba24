"""A picture's file becomes RGB pixels, whatever it was saved as, or a sentence that says why it cannot.

Files come from people and from networks, so the kind is told by content, not by name, and the size is
limited before a pixel is decoded.
"""

import struct
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageOps

from edge.errors import CaptureError
from edge.geometry import Image

MAX_PIXELS = 25_000_000
MAX_BYTES = 256 * 1024 * 1024
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
ENDINGS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp")
)  # what `FORMATS` are called, in lower case

# EXIF: 5 to 8 are turned by a quarter.
_ORIENTATION, _FIRST_LYING = 0x0112, 5

_MEGAPIXELS = MAX_PIXELS // 1_000_000

# Our own limit is lower than the one that Pillow warns at.
warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)

# What Pillow's readers raise on damaged files.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
)


def read(path: Path) -> Image:
    """The pixels of a file; see `decode`. Raises `CaptureError`, also where the file cannot be read."""
    try:
        too_large = path.stat().st_size > MAX_BYTES
        content = b"" if too_large else path.read_bytes()
    except OSError as err:
        raise CaptureError(f"{path}: cannot be read: {err.strerror or err}") from err
    if too_large:
        raise CaptureError(f"{path}: is larger than {MAX_BYTES >> 20} MiB; save a smaller picture")
    return decode(content, str(path))


def decode(content: bytes, name: str) -> Image:
    """RGB pixels of a JPEG, PNG, BMP, TIFF or WebP file; `name` is what errors call it.

    Turned upright as its EXIF says. 16 bits are divided by 256, over their whole range: a 12-bit picture in
    the low bits of 16 stays dark. Transparent is black. Of several pictures the first. The array may be
    read-only.

    Raises `CaptureError` for an empty, truncated or damaged file, for other kinds, and for more than 25
    megapixels.
    """
    if not content:
        raise CaptureError(f"{name}: the file is empty")
    try:
        with PIL.Image.open(BytesIO(content), formats=FORMATS) as picture:
            _check_size(picture.size, name)
            if picture.format == "JPEG" and _lacks_its_end(content):
                raise CaptureError(f"{name}: is cut off: its end is missing; copy it again")
            return _pixels(picture, name)
    except PIL.UnidentifiedImageError as err:
        raise CaptureError(f"{name}: is not a JPEG, PNG, BMP, TIFF or WebP picture") from err
    except PIL.Image.DecompressionBombError as err:
        raise CaptureError(f"{name}: has over {_MEGAPIXELS} megapixels; save a smaller picture") from err
    except _DAMAGE as err:
        raise CaptureError(f"{name}: is damaged or cut off: {err}") from err


def size(path: Path) -> tuple[int, int] | None:
    """Width and height that `read` would give, from the file's header alone; None where it cannot tell."""
    try:
        with PIL.Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
            lying = picture.getexif().get(_ORIENTATION, 1) >= _FIRST_LYING
    except (*_DAMAGE, PIL.Image.DecompressionBombError):
        return None
    return (height, width) if lying else (width, height)


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise CaptureError(
            f"{name}: {width} by {height} is over {_MEGAPIXELS} megapixels; save a smaller picture"
        )


def _lacks_its_end(jpeg: bytes) -> bool:
    """Whether no end marker follows the last scan.

    A sender that reserves a file's whole size first leaves zeros there, which libjpeg takes for pixels.
    """
    end = jpeg.rfind(b"\xff\xd9")
    return end < 0 or jpeg.find(b"\xff\xda", end) >= 0


def _pixels(picture: PIL.Image.Image, name: str) -> Image:
    # Pillow 10 opens a 16-bit grey PNG as 32-bit integers.
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG"):
        wide = np.asarray(ImageOps.exif_transpose(picture))
        return np.repeat((wide >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode in {"I", "F"}:
        raise CaptureError(f"{name}: has 32 bits a pixel; save it with 8 or 16")
    upright = ImageOps.exif_transpose(picture)
    if _may_be_seen_through(upright):
        seen = upright.convert("RGBA")
        upright = PIL.Image.alpha_composite(PIL.Image.new("RGBA", seen.size, (0, 0, 0, 255)), seen)
    return np.asarray(upright.convert("RGB"))


def _may_be_seen_through(picture: PIL.Image.Image) -> bool:
    # Pillow knows this itself since 10.1; 32-bit ARM has Debian 12's 9.4.
    with_alpha = picture.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in picture.info
    return with_alpha or (picture.palette is not None and picture.palette.mode.endswith("A"))
