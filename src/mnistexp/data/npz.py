"""Read a data set from an `.npz` file, as Keras ships its sets. Nothing is unpickled."""

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

from mnistexp.data.labeled_images import LabeledImages, RawData
from mnistexp.errors import DataError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
MAX_BYTES = 8 * 2**30
"""Of an unpacked array. A small file may unpack to more than the memory holds."""
DAMAGE_ERRORS = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""The exceptions that a damaged file raises."""


def read_npz(file: Path) -> RawData:
    """Read the four arrays of a file.

    Images are [n, height, width] or [n, height, width, channels]: integers from 0 to 255, or
    numbers from 0 to 1. Labels are integers or texts, [n] or [n, 1].

    Raises:
        DataError: the file cannot be read, lacks an array, or holds other values.
    """
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        _check_sizes(file)
        with np.load(file, allow_pickle=False) as arrays:
            missing = [name for name in ARRAYS if name not in arrays]
            if missing:
                raise DataError(
                    f"{file}: expected the arrays {', '.join(ARRAYS)}. Received: "
                    f"{', '.join(arrays.files)}, without {', '.join(missing)}"
                )
            loaded = {name: arrays[name] for name in ARRAYS}
    except DAMAGE_ERRORS as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"{file}: expected an .npz file of arrays of numbers or texts. Received: {reason}"
        ) from error
    train, test = (
        LabeledImages(
            _to_images(loaded[f"x_{part}"], f"{file}: x_{part}"),
            _to_labels(loaded[f"y_{part}"], f"{file}: y_{part}"),
        )
        for part in ("train", "test")
    )
    return RawData(train, test, digest)


def _check_sizes(file: Path) -> None:
    if not zipfile.is_zipfile(file):
        raise DataError(
            f"{file}: expected an .npz file, as numpy.savez writes it. Received: a file of another "
            "format, or a part of one"
        )
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.file_size > MAX_BYTES:
                raise DataError(
                    f"{file}: expected arrays of at most {MAX_BYTES:,} bytes. Received: "
                    f"{info.file_size:,} in {info.filename}"
                )


def _to_images(values: np.ndarray, name: str) -> np.ndarray:
    """Return uint8 images with channels."""
    if values.dtype.kind not in "uif":
        raise DataError(f"{name}: expected numbers. Received: values of type {values.dtype}")
    if values.size and values.dtype != np.uint8:
        values = _to_bytes(values, name)
    return values[..., np.newaxis] if values.ndim == 3 else values


def _to_bytes(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"{name}: expected finite pixels. Received: NaN or infinity")
    low, high = values.min(), values.max()
    if low < 0 or high > 255:
        raise DataError(
            f"{name}: expected pixels from 0 to 255, or from 0 to 1. Received: {low:g} to {high:g}"
        )
    is_fraction = values.dtype.kind == "f" and high <= 1
    pixels: np.ndarray = np.rint(values * 255 if is_fraction else values).astype("u1")
    return pixels


def _to_labels(values: np.ndarray, name: str) -> np.ndarray:
    labels = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if labels.ndim == 2:
        array = name.rpartition(" ")[2]
        raise DataError(
            f"{name}: expected one label per image. Received: {labels.shape[1]} columns, as of "
            f"one-hot labels. Convert them with {array}.argmax(axis=1)"
        )
    if labels.dtype.kind == "f" and (labels == np.rint(labels)).all():
        labels = labels.astype("i8")
    if labels.dtype.kind not in "uiU":
        raise DataError(
            f"{name}: expected labels that are integers or texts. Received: values of type "
            f"{values.dtype}"
        )
    return labels
