"""Where the panels lie on a figure of any size."""

from collections.abc import Sequence

Size = tuple[float, float]
Rectangle = tuple[float, float, float, float]
"""Left, bottom, width and height, as shares of the figure."""
HEADER_INCHES = 0.42
FOOTER_INCHES = 0.26
LEFT_INCHES, RIGHT_INCHES, TOP_INCHES, BOTTOM_INCHES = 0.55, 0.25, 0.32, 0.3
"""Around a panel, for its title and its axes."""
SCALE_INCHES = 0.62
"""Right of the test digits, for their scale."""


def place(panels: Sequence[str], size: Size) -> dict[str, Rectangle]:
    """A rectangle for each panel: six in two rows, two or one in a row.

    Args:
        size: of the figure, width and height in inches.
    """
    rows = 2 if len(panels) > 3 else 1
    columns = -(-len(panels) // rows)
    width = size[0] / columns
    height = (size[1] - HEADER_INCHES - FOOTER_INCHES) / rows
    rectangles = {}
    for number, name in enumerate(panels):
        row, column = divmod(number, columns)
        right = SCALE_INCHES if name == "test" else RIGHT_INCHES
        left = RIGHT_INCHES if name in ("batch", "test") else LEFT_INCHES
        rectangles[name] = _shares(
            column * width + left,
            FOOTER_INCHES + (rows - 1 - row) * height + BOTTOM_INCHES,
            max(width - left - right, 0.1),
            max(height - TOP_INCHES - BOTTOM_INCHES, 0.1),
            size,
        )
    return rectangles


def strip(size: Size) -> Rectangle:
    """The corner of the learning rate, top right."""
    return _shares(size[0] - 1.5, size[1] - HEADER_INCHES + 0.06, 1.35, 0.26, size)


def _shares(left: float, bottom: float, width: float, height: float, size: Size) -> Rectangle:
    return (left / size[0], bottom / size[1], width / size[0], height / size[1])
