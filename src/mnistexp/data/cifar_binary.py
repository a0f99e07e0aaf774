"""Read CIFAR-10 from the files of its binary version.

The format is described at https://www.cs.toronto.edu/~kriz/cifar.html: for each image a byte with
the label, then 1,024 bytes each of red, green and blue, row by row. The version for Python consists
of pickles, which are not read.
"""

import hashlib
from pathlib import Path

import numpy as np

from mnistexp.errors import DataError

TRAINING_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"
CIFAR_FILES = (*TRAINING_FILES, TEST_FILE)
IMAGE_SHAPE = (3, 32, 32)
"""Channels, height and width."""
RECORD_BYTES = 1 + 3 * 32 * 32


def read_cifar_file(
    path: Path, expected_checksum: str | None
) -> tuple[np.ndarray, np.ndarray, str]:
    """Read one file.

    Returns:
        The images, uint8 [num_images, 32, 32, 3], the labels, uint8 [num_images], and the SHA-256
        of the file in hexadecimal.

    Raises:
        DataError: the file cannot be read, has another size, or its checksum is wrong.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a file. Received: {error.strerror}") from error
    checksum = hashlib.sha256(content).hexdigest()
    if not content or len(content) % RECORD_BYTES:
        raise DataError(
            f"{path}: expected {RECORD_BYTES:,} bytes for each image. Received: "
            f"{len(content):,} bytes"
        )
    if expected_checksum is not None and checksum != expected_checksum:
        raise DataError(
            f"{path}: expected SHA-256 {expected_checksum}. Received: {checksum}. The file is "
            "damaged or not the original: delete or replace it. For your own files use another "
            "data.name"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
    images = records[:, 1:].reshape(-1, *IMAGE_SHAPE).transpose(0, 2, 3, 1)
    return images, records[:, 0], checksum
