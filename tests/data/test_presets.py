"""The data sets that are downloaded, from a local web server with small files of the same form.

The real files are not needed: their checksums are published, and these tests put others in place.
"""

import gzip
import hashlib
import io
import json
import re
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from support import Command

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.data import Data, load_data
from mnistexp.data.files import DATASETS, FILES, read_checksums
from mnistexp.errors import DataError
from mnistexp.model import NetworkConfig
from mnistexp.model.layers import Dense

Server = tuple[str, Path, list[str]]
CIFAR_FILES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mnistexp"


@pytest.fixture
def checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the checksums, which is empty: `write_checksums` adds some."""
    folder = tmp_path / "checksums"
    folder.mkdir()
    monkeypatch.setattr("mnistexp.data.files.DATASETS", folder)
    return folder


def write_checksums(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    (folder / name).mkdir()
    lines = [f"{hashlib.sha256(content).hexdigest()}  {file}\n" for file, content in files.items()]
    (folder / name / "SHA256SUMS").write_text("".join(lines))


def load(*overrides: str) -> Data:
    return load_data(compose_config([*overrides, "data.validation_size=10"])[0].data)


def random_images(number: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (number, *shape), "u1")


def idx(values: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.astype("u1").tobytes(), mtime=0)


def idx_files(images: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    """Return the four files, with the same images for training and test."""
    return dict(zip((f"{file}.gz" for file in FILES), map(idx, [images, labels] * 2), strict=True))


def emnist_zip(*sets: tuple[str, np.ndarray, np.ndarray]) -> bytes:
    """Return an archive as EMNIST's: with its names, images column by column, and other files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("gzip/emnist-letters-mapping.txt", "1 65 97\n")
        for name, images, labels in sets:
            for file, payload in idx_files(images.transpose(0, 2, 1), labels).items():
                archive.writestr(f"gzip/emnist-{name}-{file.replace('t10k', 'test')}", payload)
    return content.getvalue()


def cifar_files(per_file: int = 20) -> dict[str, bytes]:
    pixels = random_images(6 * per_file, 3072)
    labels = np.arange(6 * per_file, dtype="u1")[:, np.newaxis] % 10
    parts = np.split(np.concatenate([labels, pixels], axis=1), 6)
    return {file: part.tobytes() for file, part in zip(CIFAR_FILES, parts, strict=True)}


def cifar_tar(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for file, payload in {"readme.html": b"<html>", **files}.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{file}")
            info.size = len(payload)
            archive.addfile(info, io.BytesIO(payload))
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "num_classes"),
    [("kmnist", 10), ("emnist_letters", 26), ("emnist_balanced", 47), ("cifar10", 10)],
)
def test_the_last_layer_has_as_many_units_as_the_data_set_has_classes(
    name: str, num_classes: int
) -> None:
    model = compose_config([f"data={name}", "model=conv"])[0].model
    assert isinstance(model, NetworkConfig)
    logits = model.layers["logits"]
    assert isinstance(logits, Dense)
    assert logits.units == num_classes


@pytest.mark.parametrize("name", list_groups()["data"])
def test_a_data_set_that_is_downloaded_has_a_checksum_a_source_and_a_license(name: str) -> None:
    data = compose_config([f"data={name}", "train.evaluate_on=[]"])[0].data
    if data.url is None:
        assert all((DATASETS / data.name / f"{file}.gz").is_file() for file in FILES)
        return
    assert data.class_names is not None
    assert len(data.class_names) == data.num_classes
    checksums = read_checksums(data.name)
    file = data.url.rsplit("/", 1)[-1]
    expected = [file] if file.endswith(("zip", "gz")) else FILES
    assert {f.removesuffix(".gz") for f in expected} <= {f.removesuffix(".gz") for f in checksums}
    assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in checksums.values())
    text = (DATASETS.parents[2] / "conf" / "data" / f"{name}.yaml").read_text()
    assert "# Source: http" in text
    assert re.search("# Checksums?: src/mnistexp/datasets/.*/SHA256SUMS", text)
    assert "License: " in text


def test_kmnist_is_downloaded_once_and_its_compressed_files_are_verified(
    cache: Path, checksums: Path, server: Server
) -> None:
    url, folder, requests = server
    images, labels = random_images(30, 28, 28), np.arange(30) % 10
    files = idx_files(images, labels)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    write_checksums(checksums, "kmnist", files)
    data = load("data=kmnist", f"data.url={url}")
    np.testing.assert_array_equal(data.test.images[..., 0], images)
    assert data.class_names == ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    load("data=kmnist", f"data.url={url}")
    assert len(requests) == 4
    (cache / "kmnist" / f"{FILES[2]}.gz").write_bytes(idx(images[::-1]))
    with pytest.raises(DataError, match=f"{FILES[2]}.gz: expected SHA-256"):
        load("data=kmnist", f"data.url={url}")


def test_the_progress_of_a_download_is_not_part_of_the_output(
    checksums: Path, server: Server, mnistexp: Command
) -> None:
    url, folder, _ = server
    (folder / "cifar.tar.gz").write_bytes(cifar_tar(cifar_files()))
    result = mnistexp(
        *("data", "cifar10", f"data.url={url}/cifar.tar.gz", "data.validation_size=10", "--json")
    )
    assert result.exit_code == 0, result.err
    assert json.loads(result.out)["image_shape"] == [32, 32, 3]
    assert "cifar.tar.gz" in result.err


def test_a_compressed_file_with_a_wrong_checksum_is_not_kept(
    cache: Path, checksums: Path, server: Server
) -> None:
    url, folder, _ = server
    files = idx_files(random_images(30, 28, 28), np.arange(30) % 10)
    for file in files:
        (folder / file).write_bytes(idx(np.zeros((30, 28, 28))))
    write_checksums(checksums, "kmnist", files)
    with pytest.raises(DataError, match=f"{url}/{FILES[0]}.gz: expected SHA-256"):
        load("data=kmnist", f"data.url={url}")
    assert list((cache / "kmnist").iterdir()) == []


def test_the_sets_of_emnist_come_from_one_download(
    cache: Path, checksums: Path, server: Server
) -> None:
    url, folder, requests = server
    letters, balanced = random_images(52, 28, 28), random_images(94, 28, 28)[::-1]
    archive = emnist_zip(
        ("letters", letters, np.arange(52) % 26 + 1), ("balanced", balanced, np.arange(94) % 47)
    )
    (folder / "gzip.zip").write_bytes(archive)
    for name in ("emnist_letters", "emnist_balanced"):
        write_checksums(checksums, name, {"gzip.zip": archive})
    data = load("data=emnist_letters", f"data.url={url}/gzip.zip")
    np.testing.assert_array_equal(data.test.images[..., 0], letters)
    assert data.class_names == tuple("abcdefghijklmnopqrstuvwxyz")
    data = load("data=emnist_balanced", f"data.url={url}/gzip.zip")
    np.testing.assert_array_equal(data.test.images[..., 0], balanced)
    digits_and_capitals = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert data.class_names == (*digits_and_capitals, *"abdefghnqrt")
    assert requests == ["/gzip.zip"]
    assert len(list((cache / "emnist_letters").iterdir())) == 4


def test_cifar10_is_unpacked_and_has_colors(cache: Path, checksums: Path, server: Server) -> None:
    url, folder, requests = server
    files = cifar_files()
    archive = cifar_tar(files)
    (folder / "cifar-10-binary.tar.gz").write_bytes(archive)
    write_checksums(checksums, "cifar10", {"cifar-10-binary.tar.gz": archive, **files})
    settings = ("data=cifar10", f"data.url={url}/cifar-10-binary.tar.gz")
    data = load(*settings)
    assert data.image_shape == (32, 32, 3)
    assert (len(data.train), len(data.test)) == (90, 20)
    # The pixel of row 3 and column 5 of the second test image: a byte in each plane of 1,024.
    record = files["test_batch.bin"][3073 : 2 * 3073]
    assert data.test.labels[1] == record[0]
    assert data.test.images[1, 3, 5].tolist() == [
        record[1 + plane * 1024 + 3 * 32 + 5] for plane in range(3)
    ]
    assert data.class_names[3] == "cat"
    assert load(*settings).digest == data.digest
    assert len(requests) == 1
    changed = cache / "cifar10" / "data_batch_2.bin"
    changed.write_bytes(changed.read_bytes()[::-1])
    with pytest.raises(DataError, match=r"data_batch_2.bin: expected SHA-256"):
        load(*settings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "expected an archive that can be unpacked"),
        (cifar_tar(cifar_files())[:-2_000], "expected an archive that can be unpacked"),
        (cifar_tar({}), "expected an archive with the files of cifar10"),
    ],
)
def test_an_archive_that_cannot_be_used_is_an_error(
    content: bytes, message: str, checksums: Path, server: Server
) -> None:
    url, folder, _ = server
    (folder / "cifar.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load("data=cifar10", f"data.url={url}/cifar.tar.gz")


def test_an_archive_with_a_wrong_checksum_is_not_kept(cache: Path, server: Server) -> None:
    url, folder, _ = server
    (folder / "gzip.zip").write_bytes(emnist_zip())
    with pytest.raises(DataError, match=rf"{url}/gzip.zip: expected SHA-256 fb9bb67e"):
        load("data=emnist_letters", f"data.url={url}/gzip.zip")
    assert list((cache / "archives").iterdir()) == []


def test_a_folder_with_files_of_cifar10_is_read_if_it_has_all(tmp_path: Path) -> None:
    folder = tmp_path / "cifar"
    folder.mkdir()
    for file, content in cifar_files().items():
        (folder / file).write_bytes(content)
    data = load(f"data.directory={folder}")
    assert (data.name, data.class_names) == ("cifar", tuple("0123456789"))
    (folder / "data_batch_4.bin").write_bytes(b"\0" * 3_072)
    with pytest.raises(DataError, match=r"data_batch_4.bin: expected 3,073 bytes for each image"):
        load(f"data.directory={folder}")
    (folder / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"expected data_batch_4.bin. Received: .* lacks them"):
        load(f"data.directory={folder}")
