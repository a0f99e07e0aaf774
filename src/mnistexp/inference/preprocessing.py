"""Turn an image of handwritten digits into images of 28×28 pixels like those of MNIST.

The steps follow the making of MNIST (http://yann.lecun.com/exdb/mnist, LeCun et al.,
"Gradient-based learning applied to document recognition", 1998): the digit, light on dark, is
scaled into a box of 20×20 pixels with its aspect ratio kept, and placed into 28×28 pixels by its
center of mass. Anti-aliasing gives gray levels.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.data import ImageStyle

if TYPE_CHECKING:
    from PIL import Image

CropBox = tuple[float, float, float, float]
"""Left, upper, right, lower, in pixels of the original image."""
OUTPUT_SIDE = 28
"""Height and width of the images of MNIST."""
DIGIT_SIDE = 20
"""Longer side of the digit's bounding box, in pixels of the output."""
MAX_SEARCH_SIDE = 512
"""Before the search for the digit, the longer side of an image is reduced to this length."""
MIN_DIGIT_SIDE = 100
"""A digit that is smaller in the reduced image is segmented again, in a crop of the original."""
THUMBNAIL_SIDE = 32
"""The background is estimated on an image of this size."""
MIN_CONTRAST = 0.05
"""Smallest difference of ink and background, where 1 is that of black and white."""
MIN_CONTRAST_TO_NOISE = 5.0
MIN_DIGIT_AREA = 12
"""Fewest pixels of a digit that exceed both contrasts. In a picture of an empty page, noise and
JPEG blocks exceed them in groups of a few pixels."""
HIGH_THRESHOLD, LOW_THRESHOLD = 0.6, 0.35
"""Hysteresis thresholds of strokes, relative to the typical contrast of the ink."""
MAX_INK_AREA = 0.5
"""If a larger part of the image exceeds the thresholds, it is not ink."""
MIN_STROKE_AREA = 0.03
"""Strokes below this part of the largest stroke's area are specks."""
MAX_BORDER = 0.05
"""An object that covers a larger part of the image's border is surroundings, such as a table."""
MAX_GAP = 0.3
"""Strokes farther from a digit, in units of the length of the largest one, do not belong to it."""
MIN_DIGIT_HEIGHT = 0.5
"""A stroke of this height, in units of the length of the largest one, can be a digit of its own."""
MIN_OVERLAP = 0.5
"""Strokes above each other, which share this part of the narrower one's width, are one digit."""
MIN_BLOT_EXTENT = 0.75
"""A blot of ink fills more of its bounding box than a digit does."""
MAX_DIGITS = 20
"""Of a picture with more digits, the largest ones are read."""
INK_THRESHOLD = 0.25
"""The bounding box is that of the pixels with more ink, from 0 to 1."""


def find_digits(image: "Image.Image") -> list[np.ndarray]:
    """Return the digits of an image from left to right, each in the format of MNIST.

    Digits that touch each other are returned as one.

    Args:
        image: RGB of any size; see `mnistexp.inference.image_io`.

    Returns:
        uint8 [28, 28], light on dark, for each digit; at most 20, the largest ones.
    """
    whole = (0.0, 0.0, float(image.width), float(image.height))
    pixels = _crop(image, whole)
    # In a tightly cropped image, the digit itself may touch the border.
    digits = _segment(pixels, MAX_BORDER) or _segment(pixels, max_border=1)
    close_up = _close_up_box(whole, digits)
    if close_up is not None:
        # In the close-up, whatever touches the border is not a digit.
        digits = _segment(_crop(image, close_up), max_border=0) or digits
    return [_center(_scale(ink, (DIGIT_SIDE, DIGIT_SIDE))) for ink in digits]


def place_drawing(
    drawing: "Image.Image", size: tuple[int, int], style: ImageStyle
) -> np.ndarray | None:
    """Return a drawing as a training image would show it: with its size, colors and place.

    Args:
        drawing: RGB, dark strokes on white.
        size: height and width of the training images.
        style: of the training images.

    Returns:
        uint8 [height, width]; None if there are no strokes.
    """
    ink = 1 - np.asarray(drawing.convert("L"), "f4") / 255
    if ink.max() <= INK_THRESHOLD:
        return None
    box = tuple(max(1, round(style.extent * side)) for side in size)
    scaled = _scale(ink, box)
    rows, columns = (
        slice((side - length) // 2, (side - length) // 2 + length)
        for side, length in zip(size, scaled.shape, strict=True)
    )
    placed = np.zeros(size, "f4")
    placed[rows, columns] = scaled
    image: np.ndarray = style.background + placed * (style.foreground - style.background)
    return image.round().astype("u1")


def _crop(image: "Image.Image", box: CropBox) -> np.ndarray:
    """Crop an image and reduce it to the search size: float32 [height, width, 3], 0 to 1."""
    from PIL import Image

    width, height = box[2] - box[0], box[3] - box[1]
    reduction = max(1.0, max(width, height) / MAX_SEARCH_SIDE)
    size = (max(1, round(width / reduction)), max(1, round(height / reduction)))
    reduced = image.resize(size, Image.Resampling.BOX, box)
    return np.asarray(reduced, "f4") / 255


def _close_up_box(box: CropBox, digits: list[np.ndarray]) -> CropBox | None:
    """Return the box of the digits and their surroundings, if cropping shows more detail.

    Args:
        box: the part of the original image that `digits` show.
        digits: float32 [height, width] each, 0 to 1.
    """
    if not digits:
        return None
    reduction = (box[2] - box[0]) / digits[0].shape[1]
    length = max(side for ink in digits for side in ink[_bounding_box(ink)].shape)
    if reduction <= 1 or length >= MIN_DIGIT_SIDE:
        return None
    rows, columns = _bounding_box(np.max(digits, axis=0))
    left, upper = columns.start - length, rows.start - length
    right, lower = columns.stop + length, rows.stop + length
    return (
        max(box[0], left * reduction),
        max(box[1], upper * reduction),
        min(box[2], right * reduction),
        min(box[3], lower * reduction),
    )


def _segment(pixels: np.ndarray, max_border: float) -> list[np.ndarray]:
    """Return the amount of ink in each pixel for each digit: float32 [height, width], 0 to 1.

    Args:
        pixels: float32 [height, width, 3], 0 to 1.
        max_border: an object that covers a larger part of the border does not count as ink.
    """
    from scipy import ndimage
    from skimage.filters import apply_hysteresis_threshold, threshold_otsu

    if min(pixels.shape[:2]) < 3:
        return []
    contrast = _contrast(pixels)
    smooth = ndimage.gaussian_filter(contrast, 0.7)
    noise = 1.4826 * float(np.median(np.abs(smooth - np.median(smooth))))
    exceeds_noise = smooth > max(MIN_CONTRAST, MIN_CONTRAST_TO_NOISE * noise)
    if exceeds_noise.sum() < MIN_DIGIT_AREA:
        return []
    # Rounded, since a histogram cannot separate values that differ in their last bit only.
    candidates = smooth[exceeds_noise].round(3)
    # Otsu's method needs two classes of similar size; in the whole image, ink is too rare.
    ink_level = float(np.median(candidates[candidates >= threshold_otsu(candidates)]))
    is_ink = apply_hysteresis_threshold(
        smooth, LOW_THRESHOLD * ink_level, HIGH_THRESHOLD * ink_level
    )
    if is_ink.mean() > MAX_INK_AREA:
        return []
    ink = (contrast / ink_level).clip(0, 1)
    masks = [
        mask
        for mask in _digit_masks(is_ink, smooth, max_border)
        if (mask & exceeds_noise).sum() >= MIN_DIGIT_AREA
    ]
    return [np.where(ndimage.binary_dilation(mask), ink, 0) for mask in masks]


def _contrast(pixels: np.ndarray) -> np.ndarray:
    """Return how far each pixel differs from the background towards the ink: [height, width]."""
    from scipy.stats import skew

    difference = pixels - _background(pixels)
    # The principal component: the axis from the color of the background to that of the ink.
    _, axes = np.linalg.eigh(np.cov(difference.reshape(-1, 3), rowvar=False))
    contrast = difference @ axes[:, -1].astype("f4")
    # Ink covers the smaller part of the image, so it is the longer tail of the distribution.
    sign = 1 if skew(contrast, axis=None) > 0 else -1
    towards_ink: np.ndarray = sign * contrast
    return towards_ink


def _background(pixels: np.ndarray) -> np.ndarray:
    """Estimate the image without its ink, under uneven light: shape and range of `pixels`."""
    from scipy import ndimage
    from skimage.transform import resize

    height, width = pixels.shape[:2]
    reduction = max(1.0, max(height, width) / THUMBNAIL_SIDE)
    small = (max(2, round(height / reduction)), max(2, round(width / reduction)))
    thumbnail = resize(pixels, (*small, 3), order=1, anti_aliasing=True)
    surface = np.stack([_fit_surface(thumbnail[..., channel]) for channel in range(3)], axis=-1)
    window = (*(size // 2 | 1 for size in small), 1)
    background = surface + ndimage.median_filter(thumbnail - surface, window, mode="nearest")
    smooth = ndimage.gaussian_filter(background, (2, 2, 0), mode="nearest")
    enlarged: np.ndarray = resize(smooth, pixels.shape, order=1).astype("f4")
    return enlarged


def _fit_surface(values: np.ndarray) -> np.ndarray:
    """Fit a surface of second degree, with a robust loss that treats ink as outliers."""
    from scipy.optimize import least_squares

    y, x = (
        axis.ravel()
        for axis in np.meshgrid(*(np.linspace(-1, 1, size) for size in values.shape), indexing="ij")
    )
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    targets = values.ravel().astype("f8")
    start = np.array([np.median(targets), 0, 0, 0, 0, 0])
    fit = least_squares(
        lambda coefficients: terms @ coefficients - targets,
        start,
        jac=lambda _: terms,
        loss="cauchy",
        f_scale=0.03,
    )
    surface: np.ndarray = (terms @ fit.x).reshape(values.shape)
    return surface


def _digit_masks(is_ink: np.ndarray, weight: np.ndarray, max_border: float) -> list[np.ndarray]:
    """Return the mask of each digit, bool [height, width], from left to right.

    The strokes that can be digits of their own are those that are about as high as the largest
    one. The others, such as the upper stroke of a 5, belong to the nearest digit.
    """
    from scipy import ndimage
    from skimage.measure import label, regionprops

    strokes = _remove_surroundings(label(is_ink), max_border)
    regions = regionprops(strokes, weight)
    if not regions:
        return []
    regions.sort(key=lambda stroke: stroke.area * stroke.intensity_mean, reverse=True)
    length = max(_height(regions[0]), _width(regions[0]))
    bodies = [stroke for stroke in regions[1:] if _can_be_digit(stroke, length)]
    digits = _join_strokes_above_each_other([regions[0], *bodies[: MAX_DIGITS - 1]], length)
    labels = np.zeros(strokes.max() + 1, int)
    for number, digit in enumerate(digits, start=1):
        labels[[stroke.label for stroke in digit]] = number
    distance, nearest = ndimage.distance_transform_edt(labels[strokes] == 0, return_indices=True)
    nearest_digit = labels[strokes][tuple(nearest)]
    for stroke in regions:
        rows, columns = stroke.coords.T
        gap = distance[rows, columns]
        if stroke.area >= MIN_STROKE_AREA * regions[0].area and gap.min() <= MAX_GAP * length:
            closest = gap.argmin()
            labels[stroke.label] = nearest_digit[rows[closest], columns[closest]]
    return [labels[strokes] == number for number in range(1, len(digits) + 1)]


def _can_be_digit(stroke: Any, length: float) -> bool:
    """Whether a stroke is as high as a digit, and not a blot. length: of the largest stroke."""
    is_blot = stroke.extent > MIN_BLOT_EXTENT and _height(stroke) < 2 * _width(stroke)
    return bool(MIN_DIGIT_HEIGHT * length <= _height(stroke) and not is_blot)


def _join_strokes_above_each_other(strokes: list[Any], length: float) -> list[list[Any]]:
    """Return the strokes of each digit, from left to right. length: of the largest stroke."""
    digits: list[list[Any]] = []
    for stroke in sorted(strokes, key=lambda stroke: stroke.bbox[1] + stroke.bbox[3]):
        if digits and any(_are_above_each_other(stroke, other, length) for other in digits[-1]):
            digits[-1].append(stroke)
        else:
            digits.append([stroke])
    return digits


def _are_above_each_other(one: Any, other: Any, length: float) -> bool:
    overlap = min(one.bbox[3], other.bbox[3]) - max(one.bbox[1], other.bbox[1])
    gap = max(one.bbox[0], other.bbox[0]) - min(one.bbox[2], other.bbox[2])
    is_narrow = overlap < MIN_OVERLAP * min(_width(one), _width(other))
    return not is_narrow and gap <= MAX_GAP * length


def _height(stroke: Any) -> int:
    return int(stroke.bbox[2] - stroke.bbox[0])


def _width(stroke: Any) -> int:
    return int(stroke.bbox[3] - stroke.bbox[1])


def _remove_surroundings(strokes: np.ndarray, max_border: float) -> np.ndarray:
    """Set labels to 0 that cover a larger part of the image's border than `max_border`."""
    border = np.concatenate([strokes[0], strokes[-1], strokes[1:-1, 0], strokes[1:-1, -1]])
    counts = np.bincount(border)
    counts[0] = 0
    surroundings = np.flatnonzero(counts > max_border * len(border))
    return np.where(np.isin(strokes, surroundings), 0, strokes)


def _bounding_box(ink: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of the bounding box of the ink."""
    from scipy import ndimage

    rows, columns = ndimage.find_objects((ink > INK_THRESHOLD).astype("u1"))[0]
    return rows, columns


def _scale(ink: np.ndarray, box: tuple[int, ...]) -> np.ndarray:
    """Crop to the bounding box and scale it into a box of [height, width]: float32, 0 to 1."""
    from PIL import Image

    cropped = ink[_bounding_box(ink)]
    factor = min(side / length for side, length in zip(box, cropped.shape, strict=True))
    height, width = (max(1, round(size * factor)) for size in cropped.shape)
    resized = Image.fromarray(cropped.astype("f4")).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    values = np.asarray(resized)
    normalized: np.ndarray = (values / values.max()).clip(0, 1)
    return normalized


def _center(digit: np.ndarray) -> np.ndarray:
    """Place a digit, float32 0 to 1, into uint8 [28, 28] with its center of mass at pixel (14, 14).

    Each digit of MNIST has its center of mass there, within half a pixel: pixels are counted from
    0, and digits are moved by whole pixels. The middle of the image is half a pixel less.
    """
    from scipy import ndimage

    center_of_mass: Any = ndimage.center_of_mass(digit)
    starts = [
        min(max(round(OUTPUT_SIDE / 2 - middle), 0), OUTPUT_SIDE - size)
        for middle, size in zip(center_of_mass, digit.shape, strict=True)
    ]
    rows, columns = (
        slice(start, start + size) for start, size in zip(starts, digit.shape, strict=True)
    )
    image = np.zeros((OUTPUT_SIDE, OUTPUT_SIDE), "u1")
    image[rows, columns] = (digit * 255).round()
    return image
