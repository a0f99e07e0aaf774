"""Pictures as they come: files of several formats, turned upright and to plain colour."""

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from mnistexp.errors import PictureError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
MAX_PIXELS = 120_000_000
"""Larger pictures are refused before they are decoded: a few kilobytes can unfold to gigabytes."""


def open_picture(path: str) -> "Image.Image":
    """The picture in a file, upright, in RGB.

    Raises:
        PictureError: the path is no file, or the file no picture that can be read.
    """
    if "://" in path:
        raise PictureError(
            f"{path}: expected a file. Received: an address. Download the picture first"
        )
    file = Path(path).expanduser()
    if file.is_dir():
        raise PictureError(f"{path}: expected a picture. Received: a folder. Name files: {path}/*")
    if not file.is_file():
        raise PictureError(f"{path}: expected a picture. Received: no such file")
    if file.stat().st_size == 0:
        raise PictureError(f"{path}: expected a picture. Received: an empty file, 0 bytes")
    try:
        with file.open("rb") as stream:
            return _read(stream, path)
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_picture(content: bytes, name: str) -> "Image.Image":
    """The picture in the content of a file, as `open_picture`. Args: name: for messages."""
    return _read(io.BytesIO(content), name)


def _read(stream: BinaryIO, name: str) -> "Image.Image":
    import warnings

    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Of its own limit, which is lower and for which it has no way to be told another.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(stream, formats=FORMATS)
        _check_size(image, name)
        image.load()
        return _in_colour(ImageOps.exif_transpose(image))
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"{name}: expected at most {MAX_PIXELS:,} pixels. {error}") from error
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{name}: expected a PNG, JPEG, WebP or TIFF picture. Received: something else"
        ) from error
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, struct.error) as error:
        raise PictureError(
            f"{name}: expected a whole picture. Received: a damaged one ({error})"
        ) from error


def _check_size(image: "Image.Image", name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise PictureError(
            f"{name}: expected at most {MAX_PIXELS:,} pixels. "
            f"Received: {image.width:,} × {image.height:,}"
        )


def _in_colour(image: "Image.Image") -> "Image.Image":
    """RGB, 8 bits each; what is transparent becomes paper that the ink stands out from."""
    if image.mode.startswith(("I", "F")):
        image = _in_8_bits(image)
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    from PIL import Image

    image = image.convert("RGBA")
    opaque = np.asarray(image.getchannel("A"), "f4")
    brightness = np.average(np.asarray(image.convert("L")), weights=opaque + 1e-6)
    paper = Image.new("RGBA", image.size, "white" if brightness < 128 else "black")
    return Image.alpha_composite(paper, image).convert("RGB")


def _in_8_bits(image: "Image.Image") -> "Image.Image":
    """Grey values of more bits, the whole of their range; few files use all that they could."""
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, "f8"))
    lowest, highest = values.min(), values.max()
    scaled = (values - lowest) / max(highest - lowest, 1e-12) * 255
    return Image.fromarray(scaled.astype("u1"))
