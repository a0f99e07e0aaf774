"""From any picture of a digit to the 28×28 pixels that a network was trained on.

It follows how MNIST was made (http://yann.lecun.com/exdb/mnist, LeCun et al., "Gradient-based
learning applied to document recognition", 1998): the ink alone, light on dark, is fitted into 20×20
with its proportions and placed in 28×28 by its centre of mass, with grey levels from anti-aliasing.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]
"""Left, upper, right, lower, in pixels of the picture."""
SIDE = 28
BOX = 20
"""The longer side of the digit's box, in pixels of the 28×28."""
WORKING_SIDE = 512
"""Pictures are looked at in this size at most, in pixels of the longer side."""
CLOSE_SIDE = 100
"""A digit that is smaller than this at first sight is looked at again, closer."""
THUMBNAIL_SIDE = 32
"""The light is estimated on so small a picture."""
MIN_CONTRAST = 0.05
"""Of ink and paper, as a part of white."""
MIN_CONTRAST_TO_NOISE = 5.0
CORE, EDGE = 0.6, 0.35
"""A stroke has this part of the usual contrast somewhere, and that part up to its edge."""
MAX_INK = 0.5
"""More of a picture than this is not ink."""
MIN_PART = 0.03
"""Strokes of less ink than this part of the largest are specks."""
MAX_FRAME = 0.05
"""What covers more of the picture's frame than this is its surroundings, such as a table."""
MAX_GAP = 0.3
"""Strokes farther than this from the largest, in its lengths, belong to something else."""


def preprocess(picture: "Image.Image") -> np.ndarray | None:
    """The digit as the network was trained to see it.

    Args:
        picture: colour (RGB) of any size; see `mnistexp.inference.image_io`.

    Returns:
        uint8 [28, 28], light on dark; None if no digit is found.
    """
    box = (0.0, 0.0, float(picture.width), float(picture.height))
    ink = _ink(_look(picture, box), MAX_FRAME)
    if ink is None:
        # A tight cut may leave nothing but what touches the frame.
        ink = _ink(_look(picture, box), max_frame=1)
    if ink is None:
        return None
    closer = _closer(box, ink)
    # What reaches into the closer view from outside is not the digit.
    seen_closer = _ink(_look(picture, closer), max_frame=0) if closer else None
    return _placed(_fitted(ink if seen_closer is None else seen_closer))


def _look(picture: "Image.Image", box: Box) -> np.ndarray:
    """A part of a picture, reduced to the working size: float32 [height, width, 3], 0 to 1."""
    from PIL import Image

    width, height = box[2] - box[0], box[3] - box[1]
    reduction = max(1.0, max(width, height) / WORKING_SIDE)
    size = (max(1, round(width / reduction)), max(1, round(height / reduction)))
    part = picture.resize(size, Image.Resampling.BOX, box)
    return np.asarray(part, "f4") / 255


def _closer(box: Box, ink: np.ndarray) -> Box | None:
    """The digit's surroundings, if there is more to be seen from close by."""
    rows, columns = _extent(ink)
    reduction = (box[2] - box[0]) / ink.shape[1]
    length = max(rows.stop - rows.start, columns.stop - columns.start)
    if reduction <= 1 or length >= CLOSE_SIDE:
        return None
    left, upper = columns.start - length, rows.start - length
    right, lower = columns.stop + length, rows.stop + length
    return (
        max(box[0], left * reduction),
        max(box[1], upper * reduction),
        min(box[2], right * reduction),
        min(box[3], lower * reduction),
    )


def _ink(pixels: np.ndarray, max_frame: float) -> np.ndarray | None:
    """How much ink is at each place, float32 [height, width], 0 to 1; None if there is none.

    Args:
        pixels: float32 [height, width, 3], 0 to 1.
        max_frame: what covers more of the frame than this part is no ink.
    """
    from scipy import ndimage
    from skimage.filters import apply_hysteresis_threshold, threshold_otsu

    if min(pixels.shape[:2]) < 3:
        return None
    contrast = _contrast(pixels)
    smooth = ndimage.gaussian_filter(contrast, 0.7)
    noise = 1.4826 * float(np.median(np.abs(smooth - np.median(smooth))))
    # Rounded, as no histogram has room between values that differ in their last bit.
    candidates = smooth[smooth > max(MIN_CONTRAST, MIN_CONTRAST_TO_NOISE * noise)].round(3)
    if not candidates.size:
        return None
    # Of the candidates only: in a whole picture, ink is too rare for Otsu's method.
    level = float(np.median(candidates[candidates >= threshold_otsu(candidates)]))
    is_ink = apply_hysteresis_threshold(smooth, EDGE * level, CORE * level)
    if is_ink.mean() > MAX_INK:
        return None
    digit = _digit(is_ink, smooth, max_frame)
    if not digit.any():
        return None
    return np.where(ndimage.binary_dilation(digit), (contrast / level).clip(0, 1), 0)


def _contrast(pixels: np.ndarray) -> np.ndarray:
    """How much each pixel differs from the paper, ink above 0: float32 [height, width]."""
    from scipy.stats import skew

    difference = pixels - _paper(pixels)
    # The colours of ink and paper span the direction in which pixels differ most.
    _, directions = np.linalg.eigh(np.cov(difference.reshape(-1, 3), rowvar=False))
    contrast = difference @ directions[:, -1].astype("f4")
    # Ink is the smaller part, so it makes the longer tail.
    sign = 1 if skew(contrast, axis=None) > 0 else -1
    towards_ink: np.ndarray = sign * contrast
    return towards_ink


def _paper(pixels: np.ndarray) -> np.ndarray:
    """What the picture would be without ink, under its uneven light: as `pixels`."""
    from scipy import ndimage
    from skimage.transform import resize

    height, width = pixels.shape[:2]
    reduction = max(1.0, max(height, width) / THUMBNAIL_SIDE)
    small = (max(2, round(height / reduction)), max(2, round(width / reduction)))
    thumbnail = resize(pixels, (*small, 3), order=1, anti_aliasing=True)
    surface = np.stack([_surface(thumbnail[..., channel]) for channel in range(3)], axis=-1)
    window = (*(size // 2 | 1 for size in small), 1)
    paper = surface + ndimage.median_filter(thumbnail - surface, window, mode="nearest")
    smooth = ndimage.gaussian_filter(paper, (2, 2, 0), mode="nearest")
    enlarged: np.ndarray = resize(smooth, pixels.shape, order=1).astype("f4")
    return enlarged


def _surface(values: np.ndarray) -> np.ndarray:
    """The surface of second degree that most of the values lie near; ink is what does not."""
    from scipy.optimize import least_squares

    y, x = (
        axis.ravel()
        for axis in np.meshgrid(*(np.linspace(-1, 1, size) for size in values.shape), indexing="ij")
    )
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    flat = values.ravel().astype("f8")
    start = np.array([np.median(flat), 0, 0, 0, 0, 0])
    fit = least_squares(
        lambda factors: terms @ factors - flat,
        start,
        jac=lambda _: terms,
        loss="cauchy",
        f_scale=0.03,
    )
    surface: np.ndarray = (terms @ fit.x).reshape(values.shape)
    return surface


def _digit(is_ink: np.ndarray, weight: np.ndarray, max_frame: float) -> np.ndarray:
    """The strokes of one digit, bool [height, width]: the largest, and what is near it."""
    from scipy import ndimage
    from skimage.measure import label, regionprops

    strokes = _without_surroundings(label(is_ink), max_frame)
    if not strokes.any():
        return strokes
    main = max(regionprops(strokes, weight), key=lambda stroke: stroke.area * stroke.intensity_mean)
    length = max(main.bbox[2] - main.bbox[0], main.bbox[3] - main.bbox[1])
    gap = ndimage.distance_transform_edt(strokes != main.label)
    kept = [
        stroke.label
        for stroke in regionprops(strokes, gap)
        if stroke.area >= MIN_PART * main.area and stroke.intensity_min <= MAX_GAP * length
    ]
    return np.isin(strokes, kept)


def _without_surroundings(strokes: np.ndarray, max_frame: float) -> np.ndarray:
    """Numbered strokes without those that cover much of the frame."""
    frame = np.concatenate([strokes[0], strokes[-1], strokes[1:-1, 0], strokes[1:-1, -1]])
    counts = np.bincount(frame)
    counts[0] = 0
    surroundings = np.flatnonzero(counts > max_frame * len(frame))
    return np.where(np.isin(strokes, surroundings), 0, strokes)


def _extent(ink: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the ink's box."""
    from scipy import ndimage

    rows, columns = ndimage.find_objects((ink > 0.25).astype("u1"))[0]
    return rows, columns


def _fitted(ink: np.ndarray) -> np.ndarray:
    """The ink's box with its longer side of 20 pixels: float32, 0 to 1."""
    from PIL import Image

    cut = ink[_extent(ink)]
    factor = BOX / max(cut.shape)
    height, width = (max(1, round(size * factor)) for size in cut.shape)
    small = Image.fromarray(cut.astype("f4")).resize((width, height), Image.Resampling.BICUBIC)
    fitted = np.asarray(small)
    normal: np.ndarray = (fitted / fitted.max()).clip(0, 1)
    return normal


def _placed(digit: np.ndarray) -> np.ndarray:
    """uint8 [28, 28] with the digit's centre of mass in the middle."""
    from scipy import ndimage

    centre: Any = ndimage.center_of_mass(digit)
    image = np.zeros((SIDE, SIDE), "u1")
    places = [
        min(max(round(SIDE / 2 - (middle + 0.5)), 0), SIDE - size)
        for middle, size in zip(centre, digit.shape, strict=True)
    ]
    rows, columns = (slice(at, at + size) for at, size in zip(places, digit.shape, strict=True))
    image[rows, columns] = (digit * 255).round()
    return image
