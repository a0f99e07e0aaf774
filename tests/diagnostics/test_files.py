"""Checks of data files and disk, on files that are really damaged."""

import gzip
import re
import shutil
from pathlib import Path

import pytest

from mnistexp.data.files import DATASETS
from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.diagnostics.files import check_data, check_disk


def data_problems() -> list[CheckResult]:
    return [result for result in check_data() if result.status == "problem"]


def test_a_damaged_or_missing_data_file_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached = shutil.copytree(DATASETS / "mnist", tmp_path / "mnistexp" / "mnist")
    assert not data_problems()
    file = cached / "t10k-labels-idx1-ubyte.gz"
    labels = bytearray(gzip.decompress(file.read_bytes()))
    labels[100] ^= 1
    file.write_bytes(gzip.compress(labels))
    (damaged,) = data_problems()
    assert re.search(rf"{file}: expected SHA-256 \w+ .*Received: \w+", damaged.message)
    assert damaged.remedy.startswith(f"rm -r {cached}")
    file.unlink()
    assert data_problems()


def test_an_incomplete_download_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    part = tmp_path / "mnistexp" / "fashion_mnist" / "train-images-idx3-ubyte.1.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\x00" * 1_500_000)
    notes = [result.message for result in check_data() if result.status == "note"]
    assert f"{part}: incomplete download, 1.5 MB" in notes


def test_the_free_space_is_that_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "used").write_bytes(b"\x00" * 3_000_000)
    found = next(iter(check_disk({"store": tmp_path})))
    free = re.search(r"([\d.,]+) GB free for store, 3.0 MB in use", found.message)
    assert free is not None
    expected = shutil.disk_usage(tmp_path).free / 1e9
    assert float(free[1].replace(",", "")) == pytest.approx(expected, abs=0.5)
