"""Pictures that show no digit: printed letters and random scribbles. And rows of several digits."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_letters

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 280
"""Width and height of the pictures, in pixels, as the drawing page sends them."""
PEN_WIDTH = 15
LIKE_A_DIGIT = "OoDQCcIilLjJZzAYySsGbTBRgqP"
"""Letters whose shape, in some font, is close to that of a digit."""
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmb10", "cmss10", "cmtt10"),
)
"""Fonts that come with matplotlib."""


def letters() -> Iterator[tuple[str, Image.Image]]:
    """Yield (letter, picture) for each letter and font, dark on light."""
    for character in ascii_letters:
        for font in FONTS:
            yield character, draw_character(character, font)


def draw_character(character: str, font: str = "DejaVuSans") -> Image.Image:
    """Draw a character in the middle of a sheet."""
    import matplotlib

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    sheet = Image.new("RGB", (SIDE, SIDE), "white")
    middle = (SIDE / 2, SIDE / 2)
    ImageDraw.Draw(sheet).text(
        middle, character, "black", ImageFont.truetype(file, 0.6 * SIDE), anchor="mm"
    )
    return sheet


def scribbles(count: int, seed: int) -> Iterator[Image.Image]:
    """Yield smooth curves through five to nine random points, drawn with the pen of the page."""
    from scipy.interpolate import CubicSpline

    random = np.random.default_rng(seed)
    for _ in range(count):
        points = random.uniform(0.15, 0.85, (random.integers(5, 10), 2)) * SIDE
        times = np.linspace(0, len(points) - 1, 40 * len(points))
        curve = CubicSpline(np.arange(len(points)), points)(times).clip(0, SIDE)
        sheet = Image.new("RGB", (SIDE, SIDE), "white")
        pen = ImageDraw.Draw(sheet)
        pen.line([(float(x), float(y)) for x, y in curve], "black", PEN_WIDTH, joint="curve")
        yield sheet


def row_of_digits(
    digits: Sequence[np.ndarray], gap: float, random: np.random.Generator, noise: float = 0.0
) -> Image.Image:
    """Place digits side by side on a sheet, dark on light, each in its own size.

    Args:
        digits: uint8 [28, 28], light on dark.
        gap: width of the empty columns between two digits, relative to a digit of 20 pixels.
        noise: standard deviation of the noise of each pixel, where 1 is black to white.
    """
    scale = float(random.uniform(3, 8))
    strips = [_enlarge_digit(digit, scale * random.uniform(0.8, 1.2)) for digit in digits]
    height = max(strip.shape[0] for strip in strips)
    space = np.zeros((height, round(gap * 20 * scale)), "f4")
    parts: list[np.ndarray] = [space]
    for strip in strips:
        above = int(random.integers(0, height - strip.shape[0] + 1))
        parts += [np.pad(strip, ((above, height - strip.shape[0] - above), (0, 0))), space]
    ink = np.pad(np.concatenate(parts[1:-1], axis=1), round(10 * scale))
    pixels = 1 - ink + random.normal(0, noise, ink.shape) if noise else 1 - ink
    return Image.fromarray((pixels.clip(0, 1) * 255).astype("u1")).convert("RGB")


def _enlarge_digit(digit: np.ndarray, scale: float) -> np.ndarray:
    """Crop a digit to its ink and enlarge it: float32, 0 to 1."""
    rows, columns = (np.flatnonzero((digit > 32).any(axis=axis)) for axis in (1, 0))
    cropped = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    size = (max(1, round(cropped.shape[1] * scale)), max(1, round(cropped.shape[0] * scale)))
    return np.asarray(Image.fromarray(cropped).resize(size, Image.Resampling.BICUBIC), "f4") / 255
