"""Whatever people and tools save as a picture: RGB pixels, or a sentence that says why not."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import CaptureError
from edge.preprocess.picture import decode, read

RED, GREEN, BLUE = (200, 30, 40), (20, 180, 60), (10, 50, 220)


def four_corners() -> PIL.Image.Image:
    """48×32: red and green above, blue and white below."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24], pixels[:16, 24:], pixels[16:, :24], pixels[16:, 24:] = RED, GREEN, BLUE, (255, 255, 255)
    return PIL.Image.fromarray(pixels)


def saved(picture: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    content = BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def complaint(content: bytes) -> str:
    with pytest.raises(CaptureError) as caught:
        decode(content, "part.png")
    assert str(caught.value).startswith("part.png: ")
    return str(caught.value)


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_pixels_of_a_lossless_file_are_its_pixels(kind: str) -> None:
    assert np.array_equal(decode(saved(four_corners(), kind), "x"), np.asarray(four_corners()))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_colours_of_a_lossy_file_are_nearly_its_colours(kind: str) -> None:
    pixels = decode(saved(four_corners(), kind, quality=95), "x")
    for (y, x), colour in {(8, 12): RED, (8, 36): GREEN, (24, 12): BLUE}.items():
        assert np.abs(pixels[y, x].astype(int) - colour).max() < 8


def test_grey_becomes_three_alike_channels() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = decode(saved(PIL.Image.fromarray(grey), "PNG"), "x")
    assert all(np.array_equal(pixels[..., channel], grey) for channel in range(3))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(kind: str) -> None:
    wide = np.array([[0, 255, 256], [0x8000, 0xFF00, 0xFFFF]], np.uint16)
    pixels = decode(saved(PIL.Image.fromarray(wide), kind), "x")
    assert pixels[..., 0].tolist() == [[0, 0, 1], [128, 255, 255]]


def test_sixteen_bits_of_the_other_byte_order_are_scaled_to_eight() -> None:
    header = b"MM\x00*\x00\x00\x00\x08"
    tags = [(256, 4, 2), (257, 4, 1), (258, 3, 16 << 16), (259, 3, 1 << 16), (262, 3, 1 << 16)]
    tags += [(273, 4, 8 + 2 + 12 * 8 + 4), (278, 4, 1), (279, 4, 4)]
    directory = struct.pack(">H", len(tags)) + b"".join(
        struct.pack(">HHII", tag, kind, 1, v) for tag, kind, v in tags
    )
    content = header + directory + bytes(4) + bytes([0x80, 0x00, 0xFF, 0x01])
    assert decode(content, "x")[..., 0].tolist() == [[128, 255]]


def test_sixteen_bits_are_turned_as_their_exif_says() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    wide = np.zeros((2, 3), np.uint16)
    wide[0, 0] = 0xFFFF
    pixels = decode(saved(PIL.Image.fromarray(wide), "PNG", exif=exif), "x")
    assert pixels[..., 0].tolist() == [[0, 255], [0, 0], [0, 0]]


def test_transparent_is_black() -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 128]]], np.uint8)
    seen = decode(saved(PIL.Image.fromarray(pixels), "PNG"), "x")[0]
    assert seen[:2].tolist() == [[200, 100, 50], [0, 0, 0]]
    assert np.abs(seen[2].astype(int) - (100, 50, 25)).max() <= 1


def test_transparent_grey_is_black() -> None:
    pixels = np.array([[[200, 255], [200, 0]]], np.uint8)
    assert decode(saved(PIL.Image.fromarray(pixels, "LA"), "PNG"), "x")[0].tolist() == [[200] * 3, [0] * 3]


def test_a_palette_becomes_colours_and_its_transparent_entry_black() -> None:
    picture = four_corners().quantize(4)
    opaque = decode(saved(picture, "PNG"), "x")
    assert np.abs(opaque[8, 12].astype(int) - RED).max() < 4
    red = picture.getpixel((12, 8))
    assert decode(saved(picture, "PNG", transparency=red), "x")[8, 12].tolist() == [0, 0, 0]


def test_one_bit_becomes_black_and_white() -> None:
    pixels = decode(saved(PIL.Image.fromarray(np.array([[True, False]])), "PNG"), "x")
    assert pixels.tolist() == [[[255] * 3, [0] * 3]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_its_colours_though_jpeg_has_it_inverted(kind: str) -> None:
    pixels = decode(saved(four_corners().convert("CMYK"), kind), "x")
    for (y, x), colour in {(8, 12): RED, (8, 36): GREEN, (24, 12): BLUE, (24, 36): (255, 255, 255)}.items():
        assert np.abs(pixels[y, x].astype(int) - colour).max() < 12


def test_a_cmyk_jpeg_of_adobe_is_read_inverted() -> None:
    content = saved(PIL.Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG")
    assert b"Adobe" in content
    assert decode(content, "x")[8, 8].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("orientation", "top_left"), [(1, RED), (3, (255, 255, 255)), (6, BLUE), (8, GREEN), (2, GREEN)]
)
def test_a_photo_is_turned_upright_as_its_exif_says(orientation: int, top_left: tuple[int, int, int]) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(saved(four_corners(), "JPEG", quality=95, exif=exif), "x")
    assert pixels.shape == ((48, 32, 3) if orientation in {6, 8} else (32, 48, 3))
    assert np.abs(pixels[4, 4].astype(int) - top_left).max() < 8


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_of_several_pictures_the_first_is_taken(kind: str) -> None:
    first, second = PIL.Image.new("RGB", (16, 16), RED), PIL.Image.new("RGB", (16, 16), BLUE)
    options = {"lossless": True} if kind == "WEBP" else {}
    content = saved(first, kind, save_all=True, append_images=[second], **options)
    assert decode(content, "x")[8, 8].tolist() == list(RED)


def test_a_single_pixel_is_a_picture() -> None:
    assert decode(saved(PIL.Image.new("RGB", (1, 1), RED), "PNG"), "x").tolist() == [[list(RED)]]


def test_an_empty_file_is_said_to_be_empty() -> None:
    assert "is empty" in complaint(b"")


def test_text_is_said_to_be_no_picture() -> None:
    assert "not a JPEG, PNG, BMP, TIFF or WebP picture" in complaint(b"part 7 is fine\n" * 100)


def test_other_picture_formats_are_refused() -> None:
    assert "not a JPEG" in complaint(saved(four_corners(), "GIF"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_truncated_file_is_no_picture(kind: str, share: float) -> None:
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = saved(noise, kind)
    complaint(content[: int(len(content) * share)])


def test_a_jpeg_whose_rest_is_still_zeros_is_cut_off() -> None:
    content = saved(four_corners().resize((480, 320)), "JPEG")
    half = len(content) // 2
    assert "cut off" in complaint(content[:half] + bytes(len(content) - half))


def test_a_jpeg_with_something_behind_its_end_is_a_picture() -> None:
    content = saved(four_corners(), "JPEG")
    assert np.array_equal(decode(content + b"camera 7, gain 2\n" + bytes(64), "x"), decode(content, "x"))


def test_a_jpeg_that_lacks_its_end_is_not_saved_by_that_of_its_preview() -> None:
    preview = saved(four_corners().resize((16, 16)), "JPEG")
    exif = b"Exif\x00\x00" + preview
    whole = saved(four_corners().resize((480, 320)), "JPEG", exif=exif)
    assert decode(whole, "x").shape == (320, 480, 3)
    assert "cut off" in complaint(whole[:-40] + bytes(40))


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    assert "25 megapixels" in complaint(png_header(60_000, 60_000))


def test_a_picture_just_over_the_limit_is_refused_with_its_size() -> None:
    assert "5001 by 5000" in complaint(png_header(5001, 5000))


def test_thirty_two_bits_a_pixel_are_refused_with_what_to_do() -> None:
    assert "save it with 8 or 16" in complaint(saved(PIL.Image.new("F", (4, 4), 0.5), "TIFF"))


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"gone\.png: cannot be read: No such file"):
        read(tmp_path / "gone.png")


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="cannot be read: Is a directory"):
        read(tmp_path)


SEEDS = [
    *(saved(four_corners(), kind) for kind in ("JPEG", "PNG", "BMP", "TIFF", "WEBP")),
    saved(four_corners(), "TIFF", compression="tiff_lzw"),
    saved(four_corners().quantize(4), "PNG", transparency=1),
]


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8))
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_a_picture_or_an_error_and_nothing_else(
    content: bytes, damage: list[tuple[float, int]]
) -> None:
    damaged = bytearray(content)
    for place, value in damage:
        damaged[int(place * (len(damaged) - 1))] = value
    try:
        pixels = decode(bytes(damaged), "x")
    except CaptureError:
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.dtype == np.uint8
