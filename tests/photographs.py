"""Synthetic images of digits, to test preprocessing and classification.

They are made with NumPy and Pillow, and share no code with the preprocessing.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mnistexp.data import Split
from mnistexp.inference.preprocessing import find_digits

SCALES = (1.0, 40.0)
"""Range of the enlargement from 28×28 pixels; its logarithm is uniform."""
MAX_ROTATION_DEGREES = 10.0
JPEG_QUALITY = 40
MARGINS = (0.1, 1.0)
"""Range of the margin on each side, relative to the size of the digit's square."""


@dataclass(frozen=True)
class Photograph:
    """The content of a JPEG file, its label, and how it was made."""

    jpeg: bytes
    label: int
    scale: float
    inverted: bool


def generate_photographs(digits: Split, count: int, seed: int) -> Iterator[Photograph]:
    """Yield photographs of randomly chosen digits; equal seeds give equal files."""
    random = np.random.default_rng(seed)
    for index in random.choice(len(digits), count, replace=count > len(digits)):
        yield make_photograph(digits.images[index, ..., 0], int(digits.labels[index]), random)


def make_photograph(digit: np.ndarray, label: int, random: np.random.Generator) -> Photograph:
    """Return a photograph of a digit, uint8 [28, 28], light on dark as in the files of MNIST."""
    scale = float(np.exp(random.uniform(*np.log(SCALES))))
    inverted = bool(random.random() < 0.5)
    coverage = _add_margins(_rotate(digit, scale, random), random)
    background, ink = _choose_colors(inverted, random)
    clean = background + (ink - background) * coverage[..., np.newaxis]
    lit = (clean * _make_texture(coverage.shape, random)) * _make_light(coverage.shape, random)
    noise = random.standard_normal(lit.shape, "f4") * np.float32(random.uniform(0, 0.04))
    pixels = ((lit + noise).clip(0, 1) * 255).round().astype("u1")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY)
    return Photograph(file.getvalue(), label, scale, inverted)


def _rotate(digit: np.ndarray, scale: float, random: np.random.Generator) -> np.ndarray:
    """Enlarge and rotate a digit, and return how much ink covers each pixel, 0 to 1."""
    side = round(28 * scale)
    large = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    angle = random.uniform(-MAX_ROTATION_DEGREES, MAX_ROTATION_DEGREES)
    rotated = large.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    return np.asarray(rotated, "f4") / 255


def _add_margins(ink: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Add a different margin on each side, so that the digit is off center."""
    margins = np.round(random.uniform(*MARGINS, size=(2, 2)) * max(ink.shape)).astype(int)
    return np.pad(ink, margins)


def _choose_colors(inverted: bool, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return RGB of background and ink, 0 to 1: a light and a dark color, each with a tint."""
    light = random.uniform(0.65, 0.95) + random.uniform(-0.05, 0.05, 3)
    dark = random.uniform(0.05, 0.3) + random.uniform(-0.05, 0.05, 3)
    light, dark = light.astype("f4"), dark.astype("f4")
    return (dark, light) if inverted else (light, dark)


def _make_light(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A gradient in a random direction, darker corners, and a soft shadow."""
    sides = (np.linspace(-1, 1, size, dtype="f4") for size in shape)
    y, x = np.meshgrid(*sides, indexing="ij", sparse=True)
    angle = random.uniform(0, 2 * np.pi)
    along = (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2)
    slope = 1 - random.uniform(0, 0.4) * (1 + along) / 2
    corners = 1 - random.uniform(0, 0.25) * (x**2 + y**2) / 2
    edge = random.uniform(-0.5, 0.5)
    shadow = 1 - random.uniform(0, 0.3) / (1 + np.exp(-(along - edge) / random.uniform(0.1, 0.4)))
    light = slope * corners * shadow
    shaped: np.ndarray = light.astype("f4")[..., np.newaxis]
    return shaped


def _make_texture(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """The texture of paper: smooth noise of a random grain size."""
    grain = random.uniform(2, 12)
    coarse = [max(2, round(size / grain)) for size in shape]
    noise = Image.fromarray(random.normal(0, 1, coarse).astype("f4"))
    height, width = shape
    smooth = np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC))
    return 1 + np.float32(random.uniform(0, 0.03)) * smooth[..., np.newaxis]


def draw_seven(
    width: int = 300, height: int = 400, ink: str = "black", background: str = "white"
) -> Image.Image:
    """Draw a seven of two strokes, left of the middle."""
    image = Image.new("RGB", (width, height), background)
    pen = ImageDraw.Draw(image)
    points = [(0.2, 0.2), (0.6, 0.2), (0.35, 0.8)]
    pen.line([(x * width, y * height) for x, y in points], fill=ink, width=width // 20)
    return image


def find_digit(image: Image.Image) -> np.ndarray | None:
    """Return the only digit of an image, or None; fail if there are several."""
    digits = find_digits(image)
    assert len(digits) <= 1, f"{len(digits)} digits found"
    return digits[0] if digits else None


def similarity(one: np.ndarray | None, other: np.ndarray | None) -> float:
    """Return the correlation of two images of 28×28 pixels."""
    assert one is not None
    assert other is not None
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
