"""Images and labels: find or download the files, read them, split them."""

from mnistexp.data.image_grid import arrange_in_grid
from mnistexp.data.splits import Data, DataConfig, Split, load_data

__all__ = ["Data", "DataConfig", "Split", "arrange_in_grid", "load_data"]
