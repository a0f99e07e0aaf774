"""The files, their checksums and the splits, on real digits."""

import gzip
import os
import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data
from mnistexp.data.files import DATASETS, FILES, read_idx
from mnistexp.errors import ConfigError, DataError

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


def own(folder: Path, *overrides: str) -> Data:
    return load("data.name=own", f"data.directory={folder}", "data.validation_size=10", *overrides)


def test_the_whole_of_mnist_ships_with_the_package() -> None:
    data = load()
    assert (len(data.train), len(data.validation), len(data.test)) == (55_000, 5_000, 10_000)
    assert data.train.images.shape == (55_000, 28, 28, 1)
    assert data.train.images.dtype == np.uint8
    # The published counts of each digit in the test set.
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(data.test.labels).tolist() == counts


def test_a_digit_reads_as_a_second_decoder_has_it() -> None:
    with gzip.open(DATASETS / "mnist" / "t10k-images-idx3-ubyte.gz") as file:
        file.seek(16 + 4_321 * 784)
        expected = list(file.read(784))
    assert load().test.images[4_321].ravel().tolist() == expected


def test_validation_is_the_first_images_whatever_the_seed() -> None:
    images, _ = read_idx(DATASETS / "mnist" / f"{FILES[0]}.gz", None)
    data = load("seed=7")
    np.testing.assert_array_equal(data.validation.images[..., 0], images[:5_000])
    np.testing.assert_array_equal(data.train.images[..., 0], images[5_000:])


def test_the_lab_trains_on_all_60000() -> None:
    data = load("data.validation_size=0", "train.evaluate_on=[test]")
    assert (len(data.train), len(data.validation)) == (60_000, 0)


def test_a_subset_has_the_classes_in_proportion() -> None:
    whole, part = load().train, load("data.train_size=1001").train
    assert len(part) == 1_001
    exact = np.bincount(whole.labels) * 1_001 / 55_000
    assert np.abs(np.bincount(part.labels) - exact).max() < 1


def test_a_slice_of_the_test_set_counts_from_0_without_its_end() -> None:
    whole, part = load().test, load("data.test_slice=[3301,6601]").test
    assert len(part) == 3_300
    np.testing.assert_array_equal(part.images, whole.images[3_301:6_601])
    np.testing.assert_array_equal(part.labels, whole.labels[3_301:6_601])


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("data.validation_size=60000", "data.validation_size: expected fewer than the 60000"),
        ("data.train_size=55001", "data.train_size: expected at most the 55000"),
        ("data.test_slice=[0,10001]", "data.test_slice: expected an end of at most 10000"),
    ],
)
def test_splits_larger_than_the_data_are_refused(override: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load(override)


def test_own_files_are_read_plain_and_gzip(own_files: Path) -> None:
    plain = own(own_files)
    name = own_files / FILES[0]
    Path(f"{name}.gz").write_bytes(gzip.compress(name.read_bytes()))
    name.unlink()
    packed = own(own_files)
    np.testing.assert_array_equal(plain.train.images, packed.train.images)
    assert plain.digest == packed.digest


def test_other_files_have_another_digest(own_files: Path) -> None:
    before = own(own_files).digest
    write_idx(own_files / FILES[1], np.arange(60) % 9)
    assert own(own_files).digest != before


def test_runs_share_what_was_read_and_cannot_change_it() -> None:
    one, other = load(), load("data.train_size=1000")
    assert np.shares_memory(one.test.images, other.test.images)
    with pytest.raises(ValueError, match="read-only"):
        one.train.images[0] = 0


def test_a_file_that_changes_is_read_again(own_files: Path) -> None:
    before = own(own_files)
    labels = own_files / FILES[3]
    write_idx(labels, np.zeros(20))
    os.utime(labels, ns=(1, 1))
    assert own(own_files).test.labels.tolist() == [0] * 20
    assert own(own_files).digest != before.digest


def test_a_missing_file_is_named_with_its_folder(own_files: Path) -> None:
    (own_files / FILES[2]).unlink()
    with pytest.raises(DataError, match=f"data.directory: .*{FILES[2]}.*{own_files}"):
        own(own_files)


def test_a_data_set_that_does_not_ship_needs_a_folder() -> None:
    with pytest.raises(DataError, match=r"'letters' does not ship.*data.directory=FOLDER"):
        load("data.name=letters")


def test_one_changed_byte_is_found(tmp_path: Path) -> None:
    for file in (DATASETS / "mnist").glob("*.gz"):
        shutil.copy(file, tmp_path)
    payload = bytearray(gzip.decompress((tmp_path / f"{FILES[3]}.gz").read_bytes()))
    payload[-1] ^= 1
    (tmp_path / f"{FILES[3]}.gz").write_bytes(gzip.compress(bytes(payload)))
    with pytest.raises(DataError, match=f"{FILES[3]}.gz: expected SHA-256 ff7bcfd4"):
        load(f"data.directory={tmp_path}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "expected an IDX file"),
        (b"no idx at all", "expected an IDX file"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 60) + bytes(59), "as its header says"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 59) + bytes(59), "a label for each of 60"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 60) + bytes([10] * 60), "labels from 0 to 9"),
        (struct.pack(">BBBBII", 0, 0, 8, 2, 60, 1) + bytes(60), "expected a label per image"),
    ],
)
def test_a_damaged_file_is_refused(own_files: Path, content: bytes, complaint: str) -> None:
    (own_files / FILES[1]).write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        own(own_files)


def test_a_truncated_gzip_file_is_refused(own_files: Path) -> None:
    path = own_files / FILES[0]
    Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes())[:-100])
    path.unlink()
    with pytest.raises(DataError, match=f"{FILES[0]}.gz"):
        own(own_files)


@needs_fashion
def test_fashion_mnist_is_read_from_a_folder() -> None:
    data = load("data=fashion_mnist", f"data.directory={FASHION}")
    assert (data.name, len(data.train), len(data.test)) == ("fashion_mnist", 55_000, 10_000)
    assert np.bincount(data.test.labels).tolist() == [1_000] * 10


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "mnistexp" / "fashion_mnist"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A real web server: its address, the folder that it serves, and what was asked for."""
    folder = tmp_path / "served"
    folder.mkdir()
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            requests.append(self.path)

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}", folder, requests
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.mark.parametrize("url", ["http://x:abc", "http://127.0.0.1:9"])
def test_a_download_that_cannot_start_is_told(cache: Path, url: str) -> None:
    with pytest.raises(DataError, match="download failed"):
        load("data=fashion_mnist", f"data.url={url}")


@needs_fashion
def test_a_download_happens_once(cache: Path, server: tuple[str, Path, list[str]]) -> None:
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
def test_a_download_of_something_else_is_not_kept(
    cache: Path, server: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = server
    for name in FILES:
        (folder / f"{name}.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError, match=f"{url}/{FILES[0]}.gz: expected SHA-256 "):
        load("data=fashion_mnist", f"data.url={url}")
    assert list(cache.iterdir()) == []


def test_without_a_network_it_says_which_files_are_wanted_where(cache: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(DataError) as caught:
            load("data=fashion_mnist", f"data.url={url}")
    for wanted in (*(f"{name}.gz" for name in FILES), str(cache), "data.directory=FOLDER"):
        assert wanted in str(caught.value)
