"""Synthetic photographs of real digits, with their JPEG files.

Made with NumPy and Pillow alone, and knowing nothing of how photographs are prepared, so that they
are an independent trial of it.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mnistexp.data import Split

SCALES = (1.0, 40.0)
"""How many times larger than 28×28 a digit is drawn; the logarithm is uniform."""
MAX_ROTATION_DEGREES = 10.0
JPEG_QUALITY = 40
MARGINS = (0.1, 1.0)
"""Free space on each of the four sides, in sizes of the digit's 28×28 square."""


@dataclass(frozen=True)
class Photograph:
    """A JPEG file, what it shows, and how it was taken."""

    jpeg: bytes
    label: int
    scale: float
    inverted: bool


def photographs(digits: Split, count: int, seed: int) -> Iterator[Photograph]:
    """Photographs of randomly chosen digits; equal seeds give equal files."""
    random = np.random.default_rng(seed)
    for index in random.choice(len(digits), count, replace=count > len(digits)):
        yield photograph(digits.images[index, ..., 0], int(digits.labels[index]), random)


def photograph(digit: np.ndarray, label: int, random: np.random.Generator) -> Photograph:
    """One photograph of a digit, uint8 [28, 28], light on dark as in the files of MNIST."""
    scale = float(np.exp(random.uniform(*np.log(SCALES))))
    inverted = bool(random.random() < 0.5)
    coverage = _pasted(_turned(digit, scale, random), random)
    paper, ink = _colours(inverted, random)
    clean = paper + (ink - paper) * coverage[..., np.newaxis]
    lit = (clean * _texture(coverage.shape, random)) * _light(coverage.shape, random)
    noise = random.standard_normal(lit.shape, "f4") * np.float32(random.uniform(0, 0.04))
    pixels = ((lit + noise).clip(0, 1) * 255).round().astype("u1")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY)
    return Photograph(file.getvalue(), label, scale, inverted)


def _turned(digit: np.ndarray, scale: float, random: np.random.Generator) -> np.ndarray:
    """How much ink covers each pixel, 0 to 1, of the digit enlarged and rotated."""
    side = round(28 * scale)
    large = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    angle = random.uniform(-MAX_ROTATION_DEGREES, MAX_ROTATION_DEGREES)
    turned = large.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    return np.asarray(turned, "f4") / 255


def _pasted(ink: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """On a sheet that leaves another margin on each side, so that the digit is off centre."""
    margins = np.round(random.uniform(*MARGINS, size=(2, 2)) * max(ink.shape)).astype(int)
    return np.pad(ink, margins)


def _colours(inverted: bool, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """RGB of paper and ink, 0 to 1: a light and a dark one, each with a tint of its own."""
    light = random.uniform(0.65, 0.95) + random.uniform(-0.05, 0.05, 3)
    dark = random.uniform(0.05, 0.3) + random.uniform(-0.05, 0.05, 3)
    light, dark = light.astype("f4"), dark.astype("f4")
    return (dark, light) if inverted else (light, dark)


def _light(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A slope in a random direction, a darkening towards the corners and a soft shadow."""
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


def _texture(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Blotches of the paper: smooth noise of a random grain."""
    grain = random.uniform(2, 12)
    coarse = [max(2, round(size / grain)) for size in shape]
    noise = Image.fromarray(random.normal(0, 1, coarse).astype("f4"))
    height, width = shape
    smooth = np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC))
    return 1 + np.float32(random.uniform(0, 0.03)) * smooth[..., np.newaxis]
