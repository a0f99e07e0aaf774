"""Images and labels: find or download the files, read them, split them."""

from mnistexp.data.config import DataConfig
from mnistexp.data.image_grid import arrange_in_grid
from mnistexp.data.image_style import MNIST_STYLE, ImageStyle, measure_image_style
from mnistexp.data.labeled_images import DIGITS, class_noun
from mnistexp.data.source import expected_digest, known_name
from mnistexp.data.splits import Data, DataSize, Split, load_data, measure_data

__all__ = [
    "DIGITS",
    "MNIST_STYLE",
    "Data",
    "DataConfig",
    "DataSize",
    "ImageStyle",
    "Split",
    "arrange_in_grid",
    "class_noun",
    "expected_digest",
    "known_name",
    "load_data",
    "measure_data",
    "measure_image_style",
]
