"""Decoding image files: formats, orientation, transparency, depth, and invalid files."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from photographs import draw_seven, find_digit, similarity
from PIL import Image, ImageOps

from mnistexp.errors import ImageError
from mnistexp.inference.image_io import MAX_MEMORY_BYTES, decode_image, read_image


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_every_format_gives_the_same_digit(file_format: str) -> None:
    decoded = decode_image(encode(draw_seven(), file_format), "seven")
    assert similarity(find_digit(decoded), find_digit(draw_seven())) > 0.98


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_the_camera_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = ImageOps.exif_transpose(draw_seven())
    # A camera stores the inverse of the transformation that the tag names.
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    if orientation in inverse:
        stored = stored.transpose(inverse[orientation])
    decoded = decode_image(encode(stored, "JPEG", exif=exif, quality=95), "seven")
    assert decoded.size == (300, 400)
    assert similarity(find_digit(decoded), find_digit(draw_seven())) > 0.98


@pytest.mark.parametrize("ink", [0, 255])
def test_transparency_becomes_a_background_for_dark_and_for_light_ink(ink: int) -> None:
    coverage = ImageOps.invert(draw_seven().convert("L"))
    image = Image.new("RGBA", coverage.size, (ink, ink, ink, 0))
    image.putalpha(coverage)
    decoded = decode_image(encode(image, "PNG"), "seven")
    assert similarity(find_digit(decoded), find_digit(draw_seven())) > 0.95


def test_a_palette_with_a_transparent_color_is_decoded() -> None:
    image = draw_seven().convert("P")
    file = encode(image, "PNG", transparency=image.getpixel((0, 0)))
    assert similarity(find_digit(decode_image(file, "seven")), find_digit(draw_seven())) > 0.9


@pytest.mark.parametrize("highest", [65_535, 4_095])
def test_images_of_16_bits_are_scaled_from_the_range_that_they_use(highest: int) -> None:
    gray = np.asarray(draw_seven().convert("L"), "f8") / 255
    image = Image.fromarray((gray * highest).astype("u2"))
    for file_format in ("PNG", "TIFF"):
        decoded = decode_image(encode(image, file_format), "seven")
        assert similarity(find_digit(decoded), find_digit(draw_seven())) > 0.95


def encode_bomb() -> bytes:
    """Return a PNG of some kilobytes with 20,000 × 20,000 pixels."""
    image = Image.new("1", (20_000, 20_000))
    assert image.width * image.height * 8 > MAX_MEMORY_BYTES
    return encode(image, "PNG")


def encode_transparent_bomb() -> bytes:
    """Return a PNG of some kilobytes whose 50 million pixels have 16 bits in four channels."""
    header = struct.pack(">IIBBBBB", 10_000, 5_000, 16, 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10**6))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.parametrize(
    ("name", "make_content", "message"),
    [
        ("empty.png", lambda: b"", "an empty file, 0 bytes"),
        ("notes.png", lambda: b"plain text", "expected a PNG, JPEG, WebP or TIFF image"),
        ("half.png", lambda: encode(draw_seven(), "PNG")[:300], "expected a complete image"),
        ("half.jpg", lambda: encode(draw_seven(), "JPEG")[:900], "expected a complete image"),
        ("half.tif", lambda: encode(draw_seven(), "TIFF")[:9000], "expected a complete image"),
        ("half.webp", lambda: encode(draw_seven(), "WEBP")[:200], "expected a complete image"),
        ("bomb.png", encode_bomb, "expected at most 120,000,000 pixels"),
        ("rgba.png", encode_transparent_bomb, "expected at most 40,000,000 pixels of mode RGBA"),
        (
            "page.eps",
            lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "something else",
        ),
    ],
)
def test_a_file_that_is_not_a_complete_image_is_rejected(
    name: str, make_content: Callable[[], bytes], message: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(make_content())
    with pytest.raises(ImageError, match=message) as caught:
        read_image(str(file))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("https://example.org/7.png", "an address"),
        (".", "a folder"),
        ("nowhere.png", "no such file"),
    ],
)
def test_a_path_that_is_not_a_file_is_rejected(path: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(path)
