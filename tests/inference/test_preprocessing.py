"""Preprocessing images of any background, ink and size to 28×28 pixels like those of MNIST."""

import io

import numpy as np
import pytest
from not_digits import row_of_digits
from photographs import draw_seven, find_digit, similarity
from PIL import Image, ImageDraw
from scipy import ndimage

from mnistexp.config.compose import compose_config
from mnistexp.data import ImageStyle, Split, load_data
from mnistexp.inference.preprocessing import find_digits, place_drawing


def load_test_split() -> Split:
    return load_data(compose_config([])[0].data).test


def test_the_test_digits_of_mnist_have_their_center_of_mass_at_pixel_14() -> None:
    """Pixels are counted from 0; a digit is moved by whole pixels, so half a pixel may be left."""
    digits = load_test_split().images[..., 0]
    centers = np.array([ndimage.center_of_mass(digit) for digit in digits])
    np.testing.assert_allclose(centers.mean(axis=0), 14, atol=0.02)
    assert np.abs(centers - 14).max() <= 0.5


def test_the_digit_fills_20_pixels_with_its_center_of_mass_at_pixel_14() -> None:
    result = find_digit(draw_seven())
    assert result is not None
    assert result.dtype == np.uint8
    assert result.shape == (28, 28)
    rows, columns = (np.flatnonzero((result > 64).any(axis=axis)) for axis in (1, 0))
    assert 19 <= np.ptp(rows) + 1 <= 20
    # The digit has 120 × 240 pixels, plus half the pen width on each side.
    assert np.ptp(columns) + 1 == pytest.approx(20 * (0.4 * 300 + 15) / (0.6 * 400 + 15), abs=1.5)
    assert ndimage.center_of_mass(result) == pytest.approx((14, 14), abs=0.6)


def test_enlarged_images_of_mnist_are_restored_and_not_split() -> None:
    digits = load_test_split().images[:100, ..., 0]
    enlarged = [
        Image.fromarray(255 - d).resize((336, 336), Image.Resampling.BICUBIC) for d in digits
    ]
    results = [find_digit(image.convert("RGB")) for image in enlarged]
    assert np.median([similarity(r, d) for r, d in zip(results, digits, strict=True)]) > 0.95


@pytest.mark.parametrize(
    ("ink", "background"),
    [
        ("white", "black"),
        ("#203080", "#fff8e0"),
        ("#c00000", "#ffffff"),
        ("#e0e080", "#205020"),
        ("#d02020", "#20a020"),
        ("#b0b0b0", "#ffffff"),
    ],
)
def test_ink_and_background_may_have_any_colors(ink: str, background: str) -> None:
    colored = draw_seven(ink=ink, background=background)
    assert similarity(find_digit(colored), find_digit(draw_seven())) > 0.95


def test_a_small_digit_in_a_large_image_keeps_its_detail() -> None:
    sheet = Image.new("RGB", (3000, 2200), "white")
    sheet.paste(draw_seven(75, 100), (2500, 300))
    assert similarity(find_digit(sheet), find_digit(draw_seven())) > 0.9


def test_a_digit_of_two_strokes_is_kept_whole_and_specks_are_removed() -> None:
    image = Image.new("RGB", (400, 400), "white")
    pen = ImageDraw.Draw(image)
    pen.line([(150, 100), (140, 200), (220, 220), (150, 300)], fill="black", width=14)
    pen.line([(165, 100), (240, 96)], fill="black", width=14)
    clean = find_digit(image)
    for x, y in [(20, 30), (380, 50), (30, 370)]:
        pen.ellipse([x, y, x + 5, y + 5], fill="black")
    assert similarity(find_digit(image), clean) > 0.99
    assert clean is not None
    # The upper stroke is kept.
    assert clean[4:8, 18:22].max() > 128


def test_a_dark_table_around_the_sheet_is_not_ink() -> None:
    table = Image.new("RGB", (500, 500), "#403020")
    table.paste(draw_seven(), (100, -20))
    assert similarity(find_digit(table), find_digit(draw_seven())) > 0.9


@pytest.mark.parametrize("brightness", [0, 128, 255])
def test_an_empty_image_has_no_digit(brightness: int) -> None:
    assert find_digit(Image.new("RGB", (400, 300), (brightness,) * 3)) is None
    noise = np.random.default_rng(0).normal(brightness, 6, (300, 400, 3)).clip(0, 255)
    assert find_digit(Image.fromarray(noise.astype("u1"))) is None


@pytest.mark.parametrize("deviation", [3, 5, 8])
@pytest.mark.parametrize("quality", [None, 40, 75, 90])
def test_noise_of_an_empty_page_is_not_a_digit(deviation: int, quality: int | None) -> None:
    """Gray and colored noise, even and uneven light, as PNG and JPEG."""
    gradient = np.linspace(150, 225, 600) + np.linspace(0, 20, 600)[:, np.newaxis]
    random = np.random.default_rng(deviation)
    for light, channels in [(gradient, 1), (gradient, 3), (np.full_like(gradient, 180), 1)]:
        pixels = light[..., np.newaxis] + random.normal(0, deviation, (600, 600, channels))
        page = Image.fromarray(np.broadcast_to(pixels, (600, 600, 3)).clip(0, 255).astype("u1"))
        if quality is not None:
            file = io.BytesIO()
            page.save(file, "JPEG", quality=quality)
            page = Image.open(file)
        assert find_digits(page) == []


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2)])
def test_an_image_of_a_few_pixels_has_no_digit(size: tuple[int, int]) -> None:
    assert find_digit(Image.new("RGB", size, "white")) is None


def test_random_images_give_28_by_28_pixels_or_none() -> None:
    random = np.random.default_rng(1)
    for number in range(60):
        height, width = random.integers(1, 90, 2)
        pixels = random.normal(128, number, (height, width, 3))
        pixels[height // 3 : height // 2, width // 4 : width // 2] = random.integers(0, 256, 3)
        for digit in find_digits(Image.fromarray(pixels.clip(0, 255).astype("u1"))):
            assert digit.shape == (28, 28)


@pytest.mark.parametrize("gap", [0.15, 0.5, 2.0])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_digits_side_by_side_are_found_from_left_to_right(gap: float, noise: float) -> None:
    digits = load_test_split().images[:, ..., 0]
    random = np.random.default_rng(5)
    for indices in random.choice(1_000, (5, 3)):
        originals = [digits[index] for index in indices]
        found = find_digits(row_of_digits(originals, gap, random, noise))
        assert len(found) == 3
        for result, original in zip(found, originals, strict=True):
            assert similarity(result, original) > 0.7


def test_small_digits_in_a_large_image_are_found_in_detail() -> None:
    sheet = Image.new("RGB", (3000, 2200), "white")
    for left in (2400, 2500, 2600):
        sheet.paste(draw_seven(75, 100), (left, 300))
    found = find_digits(sheet)
    assert len(found) == 3
    assert min(similarity(digit, find_digit(draw_seven())) for digit in found) > 0.9


def test_a_blot_of_ink_is_not_a_digit() -> None:
    image = draw_seven()
    ImageDraw.Draw(image).ellipse([220, 180, 290, 250], fill="black")
    assert find_digit(image) is not None


@pytest.mark.parametrize(
    "box",
    [(40, 50, 210, 317), (63, 50, 210, 340), (40, 50, 183, 340)],
    ids=["bottom", "left", "right"],
)
def test_a_digit_that_touches_the_border_is_one_digit(box: tuple[int, int, int, int]) -> None:
    assert similarity(find_digit(draw_seven().crop(box)), find_digit(draw_seven())) > 0.7


def test_a_drawing_gets_size_colors_and_place_of_the_training_images() -> None:
    drawing = Image.new("RGB", (280, 280), "white")
    ImageDraw.Draw(drawing).rectangle((20, 30, 119, 79), fill="black")  # 100 wide, 50 high.
    style = ImageStyle(background=200, foreground=40, extent=0.8)
    image = place_drawing(drawing, (40, 60), style)
    assert image is not None
    assert image.shape == (40, 60)
    rows, columns = np.nonzero(image < 100)
    # 0.8 of 60 columns, as the drawing is wide; in the middle.
    assert (columns.min(), columns.max()) == (6, 53)
    assert (rows.min(), rows.max()) == (8, 31)
    assert (image[0, 0], image[20, 30]) == (200, 40)


def test_a_drawing_without_strokes_is_nothing() -> None:
    blank = Image.new("RGB", (280, 280), "white")
    assert place_drawing(blank, (28, 28), ImageStyle(0, 255, 0.7)) is None
