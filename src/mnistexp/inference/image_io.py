"""Read image files of several formats as upright RGB images."""

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from mnistexp.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
MAX_PIXELS = 120_000_000
MAX_MEMORY_BYTES = 8 * MAX_PIXELS
"""Images that need more are refused before they are decoded: a small file can hold gigabytes."""


def read_image(path: str) -> "Image.Image":
    """Read an image file: upright, RGB.

    Raises:
        ImageError: the path is not a file, or the file is not an image that can be read.
    """
    if "://" in path:
        raise ImageError(f"{path}: expected a file. Received: an address. Download the image first")
    file = Path(path).expanduser()
    if file.is_dir():
        raise ImageError(
            f"{path}: expected an image file. Received: a folder. Name its files: {path}/*"
        )
    if not file.is_file():
        raise ImageError(f"{path}: expected an image file. Received: no such file")
    if file.stat().st_size == 0:
        raise ImageError(f"{path}: expected an image file. Received: an empty file, 0 bytes")
    try:
        with file.open("rb") as stream:
            return _decode(stream, path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error


def decode_image(content: bytes, name: str) -> "Image.Image":
    """Decode the content of an image file like `read_image`. Args: name: for error messages."""
    return _decode(io.BytesIO(content), name)


def _decode(stream: BinaryIO, name: str) -> "Image.Image":
    import warnings

    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns from a lower limit on; `_check_size` has our own.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(stream, formats=FORMATS)
        _check_size(image, name)
        image.load()
        return _convert_to_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: expected at most {MAX_PIXELS:,} pixels. {error}") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: expected a PNG, JPEG, WebP or TIFF image. Received: something else"
        ) from error
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, struct.error) as error:
        raise ImageError(
            f"{name}: expected a complete image. Received: a damaged one ({error})"
        ) from error


def _check_size(image: "Image.Image", name: str) -> None:
    limit = MAX_MEMORY_BYTES // _bytes_per_pixel(image)
    if image.width * image.height > limit:
        raise ImageError(
            f"{name}: expected at most {limit:,} pixels of mode {image.mode}. "
            f"Received: {image.width:,} × {image.height:,}"
        )


def _bytes_per_pixel(image: "Image.Image") -> int:
    """Return the memory that decoding and the conversion to RGB take for each pixel."""
    if image.mode.startswith(("I", "F")):
        return 32  # Values and scaled values as float64, and intermediate results.
    if "A" in image.getbands() or "transparency" in image.info:
        return 24  # Four images of 4 bytes, and the opacity as float32.
    return 8  # Pillow stores RGB in 4 bytes; the decoded image and its conversion.


def _convert_to_rgb(image: "Image.Image") -> "Image.Image":
    """Convert to RGB of 8 bits; transparency becomes a background that contrasts with the ink."""
    if image.mode.startswith(("I", "F")):
        image = _scale_to_8_bits(image)
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    from PIL import Image

    image = image.convert("RGBA")
    opacity = np.asarray(image.getchannel("A"), "f4")
    brightness = np.average(np.asarray(image.convert("L")), weights=opacity + 1e-6)
    background = Image.new("RGBA", image.size, "white" if brightness < 128 else "black")
    return Image.alpha_composite(background, image).convert("RGB")


def _scale_to_8_bits(image: "Image.Image") -> "Image.Image":
    """Stretch the values of the image to 0 to 255; few files use the whole range of their type."""
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, "f8"))
    lowest, highest = values.min(), values.max()
    scaled = (values - lowest) / max(highest - lowest, 1e-12) * 255
    return Image.fromarray(scaled.astype("u1"))
