"""Background, foreground and size of the objects in gray training images."""

import numpy as np
import pytest

from mnistexp.config.compose import compose_config
from mnistexp.data import MNIST_STYLE, load_data, measure_image_style


def test_the_style_of_mnist_is_that_of_its_description() -> None:
    """White on black; the longer side of a digit's box is 20 of 28 pixels."""
    style = measure_image_style(load_data(compose_config([])[0].data).train.images)
    assert style.background == MNIST_STYLE.background
    assert style.foreground >= 250
    assert style.extent == pytest.approx(20 / 28, abs=0.5 / 28)


def test_dark_objects_on_gray_are_measured() -> None:
    images = np.full((5, 40, 30, 1), 200, "u1")
    images[:, 4:34, 10:20] = 30  # 30 of 40 rows, 10 of 30 columns.
    style = measure_image_style(images)
    assert (style.background, style.foreground, style.extent) == (200, 30, 0.75)


def test_images_without_an_object_have_a_style() -> None:
    assert measure_image_style(np.full((2, 8, 8, 1), 7, "u1")).extent == 1
