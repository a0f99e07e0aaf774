"""Arrange many images in one picture, which draws much faster than one plot per image."""

import numpy as np


def arrange_in_grid(
    images: np.ndarray,
    columns: int,
    rows: int | None = None,
    margin: int = 0,
    background: float = 255,
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Arrange images in rows, the first image at the top left.

    Args:
        images: [num_images, height, width] or [num_images, height, width, channels].
        columns: images per row.
        rows: number of rows. Default: as many as the images need, at least one.
        margin: pixels to the right of each image and below it.
        background: value of the margins and of the unused cells.

    Returns:
        The picture, [rows · (height + margin), columns · (width + margin)] (and channels), of the
        dtype of the images; and (x, y) of the top left corner of each image.
    """
    count, height, width, *channels = images.shape
    rows = rows or max(1, -(-count // columns))
    cell_height, cell_width = height + margin, width + margin
    cells = np.full((rows * columns, cell_height, cell_width, *channels), background, images.dtype)
    cells[:count, :height, :width] = images
    grid = cells.reshape(rows, columns, cell_height, cell_width, *channels).swapaxes(1, 2)
    picture = grid.reshape(rows * cell_height, columns * cell_width, *channels)
    return picture, [(n % columns * cell_width, n // columns * cell_height) for n in range(count)]
