"""From any picture to 28×28 as MNIST was made, whatever the paper, the pen and the file."""

import io
from pathlib import Path

import numpy as np
import pytest
from photographs import photographs
from PIL import Image, ImageDraw, ImageOps
from scipy import ndimage
from support import TrackedRun

from mnistexp.config.compose import compose_config
from mnistexp.data import Split, load_data
from mnistexp.errors import PictureError
from mnistexp.inference.image_io import MAX_PIXELS, open_picture, read_picture
from mnistexp.inference.preprocessing import preprocess


def digits_of_the_test_set() -> Split:
    return load_data(compose_config([])[0].data).test


def drawn(
    width: int = 300, height: int = 400, ink: str = "black", paper: str = "white"
) -> Image.Image:
    """A seven of two strokes, left of the middle."""
    image = Image.new("RGB", (width, height), paper)
    pen = ImageDraw.Draw(image)
    points = [(0.2, 0.2), (0.6, 0.2), (0.35, 0.8)]
    pen.line([(x * width, y * height) for x, y in points], fill=ink, width=width // 20)
    return image


def content(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def similarity(one: np.ndarray | None, other: np.ndarray | None) -> float:
    """The correlation of two 28×28 pictures."""
    assert one is not None
    assert other is not None
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_the_digit_fills_20_pixels_and_its_mass_is_in_the_middle() -> None:
    prepared = preprocess(drawn())
    assert prepared is not None
    assert prepared.dtype == np.uint8
    assert prepared.shape == (28, 28)
    rows, columns = (np.flatnonzero((prepared > 64).any(axis=axis)) for axis in (1, 0))
    assert 19 <= np.ptp(rows) + 1 <= 20
    # 120 × 240 pixels, and half a pen on each side.
    assert np.ptp(columns) + 1 == pytest.approx(20 * (0.4 * 300 + 15) / (0.6 * 400 + 15), abs=1.5)
    assert ndimage.center_of_mass(prepared) == pytest.approx((13.5, 13.5), abs=0.6)


def digits_of_the_test_set_of_mnist_come_back_as_they_are() -> None:
    digits = digits_of_the_test_set().images[:100, ..., 0]
    enlarged = [
        Image.fromarray(255 - d).resize((336, 336), Image.Resampling.BICUBIC) for d in digits
    ]
    prepared = [preprocess(image.convert("RGB")) for image in enlarged]
    assert np.median([similarity(p, d) for p, d in zip(prepared, digits, strict=True)]) > 0.95


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ("white", "black"),
        ("#203080", "#fff8e0"),
        ("#c00000", "#ffffff"),
        ("#e0e080", "#205020"),
        ("#d02020", "#20a020"),
        ("#b0b0b0", "#ffffff"),
    ],
)
def test_ink_and_paper_may_have_any_colours(ink: str, paper: str) -> None:
    assert similarity(preprocess(drawn(ink=ink, paper=paper)), preprocess(drawn())) > 0.95


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_every_format_gives_the_same_digit(kind: str) -> None:
    picture = read_picture(content(drawn(), kind), "seven")
    assert similarity(preprocess(picture), preprocess(drawn())) > 0.98


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_camera_is_heeded(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = ImageOps.exif_transpose(drawn())
    # How the camera stores it: the inverse of what the tag asks a viewer to do.
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
    picture = read_picture(content(stored, "JPEG", exif=exif, quality=95), "seven")
    assert picture.size == (300, 400)
    assert similarity(preprocess(picture), preprocess(drawn())) > 0.98


@pytest.mark.parametrize("ink", [0, 255])
def test_a_transparent_sheet_is_paper_for_dark_and_for_light_ink(ink: int) -> None:
    coverage = ImageOps.invert(drawn().convert("L"))
    image = Image.new("RGBA", coverage.size, (ink, ink, ink, 0))
    image.putalpha(coverage)
    picture = read_picture(content(image, "PNG"), "seven")
    assert similarity(preprocess(picture), preprocess(drawn())) > 0.95


def test_a_palette_with_a_transparent_colour_is_read() -> None:
    image = drawn().convert("P")
    content_ = content(image, "PNG", transparency=image.getpixel((0, 0)))
    assert similarity(preprocess(read_picture(content_, "seven")), preprocess(drawn())) > 0.9


@pytest.mark.parametrize("highest", [65_535, 4_095])
def test_16_bits_are_read_whatever_part_of_them_is_used(highest: int) -> None:
    grey = np.asarray(drawn().convert("L"), "f8") / 255
    image = Image.fromarray((grey * highest).astype("u2"))
    for kind in ("PNG", "TIFF"):
        picture = read_picture(content(image, kind), "seven")
        assert similarity(preprocess(picture), preprocess(drawn())) > 0.95


def test_a_small_digit_on_a_large_sheet_is_looked_at_closer() -> None:
    sheet = Image.new("RGB", (3000, 2200), "white")
    sheet.paste(drawn(75, 100), (2500, 300))
    assert similarity(preprocess(sheet), preprocess(drawn())) > 0.9


def test_a_digit_in_two_strokes_stays_whole_and_specks_go() -> None:
    image = Image.new("RGB", (400, 400), "white")
    pen = ImageDraw.Draw(image)
    pen.line([(150, 100), (140, 200), (220, 220), (150, 300)], fill="black", width=14)
    pen.line([(165, 100), (240, 96)], fill="black", width=14)
    clean = preprocess(image)
    for x, y in [(20, 30), (380, 50), (30, 370)]:
        pen.ellipse([x, y, x + 5, y + 5], fill="black")
    assert similarity(preprocess(image), clean) > 0.99
    assert clean is not None
    # The upper stroke is there.
    assert clean[4:8, 18:22].max() > 128


def test_a_table_beside_the_sheet_is_no_ink() -> None:
    table = Image.new("RGB", (500, 500), "#403020")
    table.paste(drawn(), (100, -20))
    assert similarity(preprocess(table), preprocess(drawn())) > 0.9


@pytest.mark.parametrize("paper", [0, 128, 255])
def test_an_empty_sheet_has_no_digit(paper: int) -> None:
    assert preprocess(Image.new("RGB", (400, 300), (paper,) * 3)) is None
    noise = np.random.default_rng(0).normal(paper, 6, (300, 400, 3)).clip(0, 255)
    assert preprocess(Image.fromarray(noise.astype("u1"))) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2)])
def test_a_picture_without_room_has_no_digit(size: tuple[int, int]) -> None:
    assert preprocess(Image.new("RGB", size, "white")) is None


def test_pictures_of_anything_are_digits_or_none() -> None:
    random = np.random.default_rng(1)
    for number in range(60):
        height, width = random.integers(1, 90, 2)
        pixels = random.normal(128, number, (height, width, 3))
        pixels[height // 3 : height // 2, width // 4 : width // 2] = random.integers(0, 256, 3)
        prepared = preprocess(Image.fromarray(pixels.clip(0, 255).astype("u1")))
        assert prepared is None or prepared.shape == (28, 28)


def bomb() -> bytes:
    """A PNG of some kilobytes that claims 20,000 × 20,000 pixels."""
    image = Image.new("1", (20_000, 20_000))
    assert image.width * image.height > MAX_PIXELS
    return content(image, "PNG")


@pytest.mark.parametrize(
    ("name", "payload", "complaint"),
    [
        ("empty.png", lambda: b"", "an empty file, 0 bytes"),
        ("notes.png", lambda: b"no picture at all", "expected a PNG, JPEG, WebP or TIFF picture"),
        ("half.png", lambda: content(drawn(), "PNG")[:300], "expected a whole picture"),
        ("half.jpg", lambda: content(drawn(), "JPEG")[:900], "expected a whole picture"),
        ("half.tif", lambda: content(drawn(), "TIFF")[:9000], "expected a whole picture"),
        ("half.webp", lambda: content(drawn(), "WEBP")[:200], "expected a whole picture"),
        ("bomb.png", bomb, "expected at most 120,000,000 pixels"),
        (
            "page.eps",
            lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "something else",
        ),
    ],
)
def test_what_is_no_picture_is_refused(
    name: str, payload: object, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(payload())  # type: ignore[operator]
    with pytest.raises(PictureError, match=complaint) as caught:
        open_picture(str(file))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("https://example.org/7.png", "an address"),
        (".", "a folder"),
        ("nowhere.png", "no such file"),
    ],
)
def test_what_is_no_file_is_refused(path: str, complaint: str) -> None:
    with pytest.raises(PictureError, match=complaint):
        open_picture(path)


@pytest.mark.integration
def test_a_thousand_photographs_of_test_digits_are_read(conv_big_run: TrackedRun) -> None:
    """Scaled 1 to 40 times, inverted, noisy, unevenly lit, turned, off centre, JPEG quality 40."""
    taken = list(photographs(digits_of_the_test_set(), 1_000, seed=2026))
    prepared = [preprocess(read_picture(photo.jpeg, "photograph")) for photo in taken]
    found = np.array([image is not None for image in prepared])
    images = np.stack([np.zeros((28, 28), "u1") if p is None else p for p in prepared])
    probabilities = conv_big_run.result.learner.predict_probabilities(images[..., np.newaxis])
    right = found & (probabilities.argmax(axis=1) == [photo.label for photo in taken])
    print(f"\n{right.mean():.4f} of 1,000 photographs, {(~found).sum()} without a digit")
    for inverted in (False, True):
        group = np.array([photo.inverted == inverted for photo in taken])
        print(f"{'light on dark' if inverted else 'dark on light'}: {right[group].mean():.4f}")
    assert right.mean() >= 0.97
