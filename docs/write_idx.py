import struct
from pathlib import Path

import numpy as np


def write_idx(file: Path, values: np.ndarray) -> None:
    """Write an IDX file. values: uint8, images [num_images, 28, 28] or labels [num_images]."""
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    file.write_bytes(header + values.astype(np.uint8).tobytes())


def write_data_set(folder: Path, splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Write the four files. splits: images and labels of `train` and of `t10k` (the test set)."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, (images, labels) in splits.items():
        write_idx(folder / f"{split}-images-idx3-ubyte", images)
        write_idx(folder / f"{split}-labels-idx1-ubyte", labels)


random = np.random.default_rng(0)  # Replace by your data: 0 (dark) to 255 (light), labels 0 to 9.
splits = {}
for split, num_images in {"train": 5_000, "t10k": 1_000}.items():
    labels = random.integers(0, 10, num_images)
    images = np.zeros((num_images, 28, 28))
    images[np.arange(num_images), 2 * labels + 4] = 255  # One line; its height is the label.
    splits[split] = images, labels
write_data_set(Path("mine/images"), splits)
