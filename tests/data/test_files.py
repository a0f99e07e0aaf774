"""Find, download, read and verify the data files."""

import gzip
import os
import shutil
import socket
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data
from mnistexp.data.files import DATASETS, FILES, read_idx
from mnistexp.errors import DataError

FASHION = Path("/usr/share/datasets/fashion-mnist")
needs_fashion = pytest.mark.skipif(
    not FASHION.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"
)


def load(*overrides: str) -> Data:
    return load_data(compose_config(list(overrides))[0].data)


def write_idx(path: Path, values: np.ndarray) -> None:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.astype("u1").tobytes())


@pytest.fixture
def own_files(tmp_path: Path) -> Path:
    """A small data set in plain IDX files: 60 training and 20 test images."""
    folder = tmp_path / "own"
    folder.mkdir()
    random = np.random.default_rng(0)
    for prefix, size in (("train", 60), ("t10k", 20)):
        write_idx(folder / f"{prefix}-images-idx3-ubyte", random.integers(0, 256, (size, 28, 28)))
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", np.arange(size) % 10)
    return folder


def load_own(folder: Path, *overrides: str) -> Data:
    return load("data.name=own", f"data.directory={folder}", "data.validation_size=10", *overrides)


def test_an_image_equals_the_bytes_of_the_file() -> None:
    with gzip.open(DATASETS / "mnist" / "t10k-images-idx3-ubyte.gz") as file:
        file.seek(16 + 4_321 * 784)
        expected = list(file.read(784))
    assert load().test.images[4_321].ravel().tolist() == expected


def test_own_files_are_read_plain_and_gzip(own_files: Path) -> None:
    plain = load_own(own_files)
    name = own_files / FILES[0]
    Path(f"{name}.gz").write_bytes(gzip.compress(name.read_bytes()))
    name.unlink()
    compressed = load_own(own_files)
    np.testing.assert_array_equal(plain.train.images, compressed.train.images)
    assert plain.digest == compressed.digest


def test_other_files_have_another_digest(own_files: Path) -> None:
    before = load_own(own_files).digest
    write_idx(own_files / FILES[1], (np.arange(60) + 1) % 10)
    assert load_own(own_files).digest != before


def test_a_changed_file_is_read_again(own_files: Path) -> None:
    before = load_own(own_files)
    labels = own_files / FILES[3]
    write_idx(labels, np.zeros(20))
    os.utime(labels, ns=(1, 1))
    assert load_own(own_files).test.labels.tolist() == [0] * 20
    assert load_own(own_files).digest != before.digest


def test_the_error_for_a_missing_file_names_file_and_folder(own_files: Path) -> None:
    (own_files / FILES[2]).unlink()
    with pytest.raises(DataError, match=f"data.directory: .*{FILES[2]}.*{own_files}"):
        load_own(own_files)


def test_a_data_set_that_is_not_in_the_package_needs_a_folder() -> None:
    with pytest.raises(
        DataError, match=r"data.directory: expected a folder .*'letters'. Use data.directory=FOLDER"
    ):
        load("data.name=letters")


def test_one_changed_byte_is_an_error(tmp_path: Path) -> None:
    for file in (DATASETS / "mnist").glob("*.gz"):
        shutil.copy(file, tmp_path)
    payload = bytearray(gzip.decompress((tmp_path / f"{FILES[3]}.gz").read_bytes()))
    payload[-1] ^= 1
    (tmp_path / f"{FILES[3]}.gz").write_bytes(gzip.compress(bytes(payload)))
    with pytest.raises(DataError, match=f"{FILES[3]}.gz: expected SHA-256 ff7bcfd4"):
        load("data.name=mnist", f"data.directory={tmp_path}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an IDX file"),
        (b"no idx at all", "expected an IDX file"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 60) + bytes(59), "the shape in its header"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 59) + bytes(59), "a label for each of 60"),
        (
            struct.pack(">BBBBI", 0, 0, 8, 1, 60) + bytes([10] * 60),
            "of 2 to 256 classes. Received: 1",
        ),
        (struct.pack(">BBBBII", 0, 0, 8, 2, 60, 1) + bytes(60), "expected a label per image"),
    ],
)
def test_a_damaged_file_is_rejected(own_files: Path, content: bytes, message: str) -> None:
    (own_files / FILES[1]).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_own(own_files)


def test_a_truncated_gzip_file_is_rejected(own_files: Path) -> None:
    path = own_files / FILES[0]
    Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes())[:-100])
    path.unlink()
    with pytest.raises(DataError, match=f"{FILES[0]}.gz"):
        load_own(own_files)


@needs_fashion
@pytest.mark.parametrize("settings", [[], [f"data.directory={FASHION}"]])
def test_fashion_mnist_is_read_from_the_package_of_debian_or_a_folder(settings: list[str]) -> None:
    data = load("data=fashion_mnist", *settings)
    assert (data.name, len(data.train), len(data.test)) == ("fashion_mnist", 55_000, 10_000)
    assert np.bincount(data.test.labels).tolist() == [1_000] * 10


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a computer without Debian's package."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("mnistexp.data.files.SYSTEM_FOLDER", tmp_path / "none")
    return tmp_path / "mnistexp" / "fashion_mnist"


@pytest.mark.parametrize("url", ["http://x:abc", "http://127.0.0.1:9"])
def test_a_failed_download_is_an_error(
    cache: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match="download failed"):
        load("data=fashion_mnist", f"data.url={url}")
    assert capsys.readouterr().err == ""  # No empty line of a progress bar.


@needs_fashion
def test_a_file_is_downloaded_once(cache: Path, server: tuple[str, Path, list[str]]) -> None:
    url, folder, requests = server
    for file in FASHION.iterdir():
        shutil.copy(file, folder)
    first = load("data=fashion_mnist", f"data.url={url}")
    assert len(requests) == 4
    second = load("data=fashion_mnist", f"data.url={url}")
    assert len(requests) == 4
    assert first.digest == second.digest
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{name}.gz" for name in FILES)


@needs_fashion
def test_a_downloaded_file_with_a_wrong_checksum_is_deleted(
    cache: Path, server: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = server
    for name in FILES:
        (folder / f"{name}.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x01else"))
    with pytest.raises(DataError, match=f"{url}/{FILES[0]}.gz: expected SHA-256 "):
        load("data=fashion_mnist", f"data.url={url}")
    assert list(cache.iterdir()) == []


def test_the_error_without_a_network_names_the_files_and_the_folder(cache: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(DataError) as caught:
            load("data=fashion_mnist", f"data.url={url}")
    for part in (*(f"{name}.gz" for name in FILES), str(cache), "data.directory=FOLDER"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("dimensions", "num_values", "message"),
    [
        ([1] * 255, 1, "header of 1024 bytes for 255 dimensions"),
        ([2**32 - 1] * 255, 1, "header of 1024 bytes for 255 dimensions"),
        ([], 0, "header of 4 bytes for 0 dimensions"),
        ([2**32 - 1] * 3, 0, r"expected at most 1,073,741,824 values"),
        ([2**32 - 1, 2**32 - 1, 0], 0, r"expected at most 1,073,741,824 values"),
        ([2**31, 28, 28], 10, r"expected at most 1,073,741,824 values"),
        ([3], 2, r"expected \(3,\) values.* Received: 10 bytes in total"),
        ([3], 10_000_000, r"expected \(3,\) values.* Received: more bytes in total"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_header_that_the_file_does_not_keep_is_refused(
    dimensions: list[int], num_values: int, message: str, ending: str, tmp_path: Path
) -> None:
    header = struct.pack(f">BBBB{len(dimensions)}I", 0, 0, 8, len(dimensions), *dimensions)
    content = header + bytes(num_values)
    file = tmp_path / f"file{ending}"
    file.write_bytes(gzip.compress(content) if ending else content)
    with pytest.raises(DataError, match=message):
        read_idx(file, None)


def test_no_more_is_unpacked_than_the_header_says(tmp_path: Path) -> None:
    """A file of 0.2 MB that unpacks to 200 MB."""
    file = tmp_path / "bomb.gz"
    header = struct.pack(">BBBBI", 0, 0, 8, 1, 100)
    file.write_bytes(gzip.compress(header + bytes(200_000_000), compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="Received: more bytes"):
            read_idx(file, None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
