"""Write a data set as an .npz file: images of a line whose height is its class."""

from pathlib import Path

import numpy as np

random = np.random.default_rng(0)  # Replace by your data: pixels from 0 (dark) to 255 (light).
arrays = {}
for part, num_images in {"train": 5_000, "test": 1_000}.items():
    labels = random.integers(0, 10, num_images)
    images = np.zeros((num_images, 28, 28), np.uint8)
    images[np.arange(num_images), 2 * labels + 4] = 255
    arrays |= {f"x_{part}": images, f"y_{part}": labels}
Path("mine").mkdir(exist_ok=True)
np.savez_compressed("mine/lines.npz", **arrays)
