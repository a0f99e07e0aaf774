"""Many images arranged in one picture."""

import numpy as np

from mnistexp.data import arrange_in_grid


def test_images_are_arranged_row_by_row_with_margins() -> None:
    images = np.arange(3)[:, None, None] * np.ones((3, 2, 2))
    picture, corners = arrange_in_grid(images, columns=2, margin=1, background=9)
    assert corners == [(0, 0), (3, 0), (0, 3)]
    assert picture.tolist() == [
        [0, 0, 9, 1, 1, 9],
        [0, 0, 9, 1, 1, 9],
        [9] * 6,
        [2, 2, 9, 9, 9, 9],
        [2, 2, 9, 9, 9, 9],
        [9] * 6,
    ]


def test_a_grid_of_color_images_can_have_more_rows_than_the_images_need() -> None:
    picture, _ = arrange_in_grid(np.zeros((1, 2, 2, 3), "u1"), columns=1, rows=2)
    assert picture.dtype == np.uint8
    assert picture[:, :, 0].tolist() == [[0, 0], [0, 0], [255, 255], [255, 255]]
