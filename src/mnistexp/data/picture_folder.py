"""Read a data set from a folder of pictures: `train/CLASS/*.png`, and optionally `test/CLASS/…`."""

import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mnistexp.activity import show_activity
from mnistexp.data.labeled_images import LabeledImages, RawData, list_some
from mnistexp.errors import DataError
from mnistexp.file_writing import cache_folder, write_whole

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
MAX_PIXELS = 4096 * 4096
"""Of a picture before it is resized."""
CACHE_VERSION = 1
ORDER_VERSION = 2
"""Of the order of the training images; part of the digest, since it decides the splits."""


@dataclass(frozen=True)
class Picture:
    """A picture file: its path within the data set, its class, and its part, `train` or `test`."""

    path: str
    label: str
    part: str
    num_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class PictureOptions:
    """What is made of the pictures.

    resize: height and width; None keeps the size, which must be the same for all.
    test_fraction, split_seed: of the split, if there is no folder `test`.
    """

    resize: tuple[int, int] | None
    test_fraction: float
    split_seed: int


@dataclass(frozen=True)
class PictureFolder:
    """A folder of pictures: `train/CLASS/*.png`, and optionally `test/CLASS/*.png`."""

    path: Path
    pictures: tuple[Picture, ...]
    options: PictureOptions

    def read(self) -> RawData:
        """Read all pictures, and split them if there is no folder `test`.

        The arrays are kept in the cache, under a checksum of the names, sizes and times of the
        files.

        Raises:
            DataError: pictures cannot be read, or they differ in size.
        """
        file = cache_folder() / "pictures" / f"{self._cache_key()}.npy"
        images = _read_cached(file, len(self.pictures))
        if images is None:
            images = _read_all(self.path, self.pictures, self.options.resize)
            _write_cached(file, images)
        return _split(self.pictures, images, self.options)

    def _cache_key(self) -> str:
        import PIL

        listing = [asdict(picture) for picture in self.pictures]
        text = json.dumps([CACHE_VERSION, PIL.__version__, self.options.resize, listing])
        return hashlib.sha256(text.encode()).hexdigest()


def is_picture_folder(folder: Path) -> bool:
    """Return whether a folder has the form of such a data set."""
    return (folder / "train").is_dir()


def list_pictures(folder: Path) -> tuple[Picture, ...]:
    """Return all pictures, by part and class.

    Raises:
        DataError: there are no classes, or one has no pictures.
    """
    parts = [part for part in ("train", "test") if (folder / part).is_dir()]
    pictures = tuple(picture for part in parts for picture in _list_part(folder, part))
    if not any(picture.part == "train" for picture in pictures):
        raise DataError(
            f"{folder / 'train'}: expected a folder for each class, with pictures. Received: none"
        )
    return pictures


def _list_part(folder: Path, part: str) -> list[Picture]:
    pictures, empty = [], []
    classes = sorted(path for path in (folder / part).iterdir() if path.is_dir())
    for class_folder in classes:
        files = sorted(
            file
            for file in class_folder.rglob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file()
        )
        if not files:
            empty.append(str(class_folder))
        pictures += [_describe_picture(folder, file, class_folder.name, part) for file in files]
    if empty:
        raise DataError(
            f"{folder}: expected pictures of each class ({', '.join(sorted(SUFFIXES))}). "
            f"Received: none in {list_some(empty)}"
        )
    return pictures


def _describe_picture(folder: Path, file: Path, label: str, part: str) -> Picture:
    status = file.stat()
    path = file.relative_to(folder).as_posix()
    return Picture(path, label, part, status.st_size, status.st_mtime_ns)


def _read_cached(file: Path, num_pictures: int) -> np.ndarray | None:
    """Return the images; None if there are none, or the file is damaged."""
    try:
        content = file.read_bytes()
        checksum, array = content[:32], content[32:]
        if hashlib.sha256(array).digest() != checksum:
            return None
        images: np.ndarray = np.load(io.BytesIO(array), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return images if len(images) == num_pictures else None


def _write_cached(file: Path, images: np.ndarray) -> None:
    """Write the images whole or not at all. A cache that cannot be written is no failure."""
    array = io.BytesIO()
    np.save(array, images)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, hashlib.sha256(array.getvalue()).digest() + array.getvalue())
    except OSError as error:
        print(f"data: the pictures are not cached: {error}", file=sys.stderr, flush=True)


def _read_all(
    folder: Path, pictures: Sequence[Picture], resize: tuple[int, int] | None
) -> np.ndarray:
    """Return uint8 [num_pictures, height, width, channels]; show progress."""
    from rich.console import Console
    from rich.progress import track

    def read(picture: Picture) -> "np.ndarray | str":
        try:
            return _read_picture(folder / picture.path, resize)
        except Exception as error:  # A damaged picture can fail anywhere in its decoder.
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            return f"{picture.path} ({reason})"

    text = f"reading {len(pictures):,} pictures"
    # Commands with --json print data on the standard output.
    is_terminal = sys.stderr.isatty()
    activity = nullcontext() if is_terminal else show_activity(text, sys.stderr)
    with activity, ThreadPoolExecutor() as pool:
        results = pool.map(read, pictures, chunksize=64)
        shown = track(
            results,
            text,
            total=len(pictures),
            transient=True,
            console=Console(stderr=True),
            disable=not is_terminal,
        )
        arrays = list(shown)
    faults = [array for array in arrays if isinstance(array, str)]
    if faults:
        raise DataError(
            f"{folder}: expected pictures that can be read. Received {len(faults)} that cannot: "
            f"{list_some(faults)}. Remove or replace them"
        )
    images = [array for array in arrays if not isinstance(array, str)]
    _check_sizes(folder, pictures, images)
    if len({image.shape[2] for image in images}) > 1:  # Some are gray, some have colors.
        images = [np.broadcast_to(image, (*image.shape[:2], 3)) for image in images]
    return np.stack(images)


def _read_picture(file: Path, resize: tuple[int, int] | None) -> np.ndarray:
    """Return uint8 [height, width, channels], upright, without transparency."""
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError(f"{opened.width}×{opened.height} pixels are too many")
        picture = ImageOps.exif_transpose(opened)
        is_gray = picture.mode in ("1", "L", "LA")
        picture = picture.convert("L" if is_gray else "RGB")
        if resize is not None:
            picture = picture.resize((resize[1], resize[0]), Image.Resampling.LANCZOS)
        return np.atleast_3d(np.asarray(picture))


def _check_sizes(folder: Path, pictures: Sequence[Picture], images: Sequence[np.ndarray]) -> None:
    sizes = Counter(image.shape[:2] for image in images)
    if len(sizes) == 1:
        return
    (height, width), count = sizes.most_common(1)[0]
    others = [
        f"{picture.path} ({image.shape[0]}×{image.shape[1]})"
        for picture, image in zip(pictures, images, strict=True)
        if image.shape[:2] != (height, width)
    ]
    raise DataError(
        f"{folder}: expected pictures of one size. Received: {count:,} of {height}×{width} pixels, "
        f"and {list_some(others)}. Set data.resize=[{height},{width}]"
    )


def _split(pictures: Sequence[Picture], images: np.ndarray, options: PictureOptions) -> RawData:
    """Return training and test images.

    The training images are shuffled so that any first part of them, such as the validation split,
    has the classes in the proportion of the whole.
    """
    labels = np.array([picture.label for picture in pictures])
    is_test = np.array([picture.part == "test" for picture in pictures])
    generator = np.random.default_rng(options.split_seed)
    if not is_test.any():
        is_test = _choose_test(labels, options.test_fraction, generator)
    train = generator.permutation(np.flatnonzero(~is_test))
    train = train[_mix_classes(labels[train])]
    test = np.flatnonzero(is_test)
    sha = hashlib.sha256(images.tobytes())
    order = [ORDER_VERSION, labels[train].tolist(), is_test.tolist()]
    sha.update(json.dumps([str(images.shape), *order]).encode())
    return RawData(
        LabeledImages(images[train], labels[train]),
        LabeledImages(images[test], labels[test]),
        sha.hexdigest(),
    )


def _mix_classes(labels: np.ndarray) -> np.ndarray:
    """Return the order in which each class is spread evenly over the whole, as indices."""
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    order: np.ndarray = np.argsort(position, kind="stable")
    return order


def _choose_test(labels: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    """Choose the same fraction of each class at random, at least one and not all."""
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise DataError(
                f"expected at least two pictures of each class, for training and test. "
                f"Received: one of {label}"
            )
        number = min(max(1, round(fraction * len(members))), len(members) - 1)
        is_test[generator.permutation(members)[:number]] = True
    return is_test
