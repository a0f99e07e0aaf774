"""The images and labels: where they come from and how they are split."""

from mnistexp.data.splits import Data, DataConfig, Split, load_data

__all__ = ["Data", "DataConfig", "Split", "load_data"]
