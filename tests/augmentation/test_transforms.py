"""Random changes of images, against SciPy, NumPy and closed formulas."""

import math

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from mnistexp.augmentation import AugmentationConfig
from mnistexp.augmentation.transforms import (
    Augmentation,
    affine_positions,
    erase_squares,
    sample_bilinear,
    smooth_noise,
)
from mnistexp.data import Data

SIZE = (28, 28)


def positions(**changes: float) -> tuple[np.ndarray, np.ndarray]:
    """Return where the pixels of one image come from; without changes, where they are."""
    values = {"angle": 0.0, "scale": 1.0, "slope": 0.0, "rows": 0.0, "columns": 0.0, **changes}
    shift = np.array([[values.pop("rows")], [values.pop("columns")]], "f4")
    arguments = {name: np.array([value], "f4") for name, value in values.items()}
    rows, columns = affine_positions(SIZE, **arguments, shift=shift)
    return rows.numpy() + np.zeros((1, *SIZE)), columns.numpy() + np.zeros((1, *SIZE))


def change(images: np.ndarray, **changes: float) -> np.ndarray:
    rows, columns = (tf.constant(values, tf.float32) for values in positions(**changes))
    return np.asarray(sample_bilinear(tf.cast(images[:1], tf.float32), rows, columns))[0, :, :, 0]


def test_pixels_between_the_pixels_and_outside_are_those_of_scipy(data: Data) -> None:
    images = data.train.images[:4].astype("f4")
    generator = np.random.default_rng(0)
    rows, columns = generator.uniform(-8, 36, (2, 4, *SIZE)).astype("f4")
    sampled = sample_bilinear(tf.constant(images), tf.constant(rows), tf.constant(columns)).numpy()
    for image, own, y, x in zip(images, sampled, rows, columns, strict=True):
        # A border of zeros, because SciPy does not interpolate between the border and the outside.
        padded = np.pad(image[..., 0], 10)
        expected = scipy.ndimage.map_coordinates(padded, [y + 10, x + 10], order=1)
        np.testing.assert_allclose(own[..., 0], expected, atol=1e-3)


def test_a_shift_by_whole_pixels_moves_the_image(data: Data) -> None:
    image = data.train.images[0, :, :, 0]
    expected = np.zeros(SIZE)
    expected[3:, :-2] = image[:-3, 2:]
    np.testing.assert_allclose(change(data.train.images, rows=3, columns=-2), expected, atol=1e-3)


def test_a_quarter_turn_goes_from_the_right_to_the_bottom(data: Data) -> None:
    turned = change(data.train.images, angle=math.pi / 2)
    np.testing.assert_allclose(turned, np.rot90(data.train.images[0, :, :, 0], -1), atol=1e-2)


def test_a_larger_scale_enlarges_and_a_slope_moves_lower_rows_to_the_right() -> None:
    rows, columns = positions(scale=2.0)
    assert (rows[0, 0, 0], columns[0, 0, 0]) == (13.5 / 2, 13.5 / 2)
    rows, columns = positions(slope=0.5)
    assert rows[0, 27, 10] == 27
    assert columns[0, 27, 10] == 10 - 0.5 * 13.5  # The content of column 3.25 is now in column 10.


def test_smooth_noise_has_its_standard_deviation_and_is_smooth() -> None:
    noise = smooth_noise((400, *SIZE), 4.0, tf.constant([1, 2])).numpy()
    assert noise.std() == pytest.approx(1, abs=0.05)
    # Two values of white noise at a distance d, smoothed with s, correlate by exp(-d²/(4 s²)).
    inner = noise[:, 10:18, 10:18]
    correlation = (inner[:, :, :-4] * inner[:, :, 4:]).mean() / (inner**2).mean()
    assert correlation == pytest.approx(math.exp(-(4**2) / (4 * 4.0**2)), abs=0.1)


def test_a_square_is_erased_in_some_images() -> None:
    images = tf.ones((2_000, 28, 20, 1))
    erased = erase_squares(images, 5, 0.3, tf.constant([3, 4])).numpy()[..., 0] == 0
    has_square = erased.any(axis=(1, 2))
    assert has_square.mean() == pytest.approx(0.3, abs=0.04)
    assert (erased.sum(axis=(1, 2))[has_square] == 25).all()
    for border in (erased[:, 0], erased[:, -1], erased[:, :, 0], erased[:, :, -1]):
        assert border.any()


def test_changes_stay_in_their_ranges_and_use_all_of_them() -> None:
    dots = np.zeros((1_000, 28, 28, 1), "u1")
    dots[:, 14, 14] = 200
    moved = Augmentation(AugmentationConfig(shift=3.0))(dots, tf.constant([0, 0])).numpy()
    weights = moved[..., 0] / moved.sum(axis=(1, 2, 3))[:, np.newaxis, np.newaxis]
    rows = (weights * np.arange(28)[:, np.newaxis]).sum(axis=(1, 2)) - 14
    assert (rows.min(), rows.max()) == (pytest.approx(-3, abs=0.1), pytest.approx(3, abs=0.1))
    assert rows.std() == pytest.approx(3 / math.sqrt(3), rel=0.1)  # Of an even distribution.


@pytest.mark.parametrize("xla", [False, True])
def test_equal_seeds_give_equal_changes_also_when_they_are_compiled(data: Data, xla: bool) -> None:
    config = AugmentationConfig(shift=2, rotation=10, scale=0.1, shear=10, elastic=1, erasing=4)
    augmentation = Augmentation(config)
    compiled = tf.function(augmentation, jit_compile=xla)
    images = data.train.images[:50]
    first = compiled(images, tf.constant([5, 7])).numpy()
    np.testing.assert_array_equal(compiled(images, tf.constant([5, 7])), first)
    for other in ([5, 8], [6, 7]):
        assert np.abs(compiled(images, tf.constant(other)) - first).mean() > 1
    if not xla:  # It orders its random numbers in another way.
        np.testing.assert_allclose(augmentation(images, tf.constant([5, 7])), first, atol=0.05)
