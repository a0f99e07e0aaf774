"""User and password of a tracking address reach no output and no file."""

from pathlib import Path

import pytest
from support import QUICK, Command

URI = "http://alice:s3cr3t@127.0.0.1:9"


def files_with(folder: Path, secret: bytes) -> list[Path]:
    return [f for f in folder.rglob("*") if f.is_file() and secret in f.read_bytes()]


def test_a_password_is_neither_printed_nor_stored(
    mnistexp: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db"
    offline = (*QUICK, f"tracking.uri={URI}", "tracking.offline=true")
    outcomes = [
        mnistexp(*offline, "dashboard=record"),
        mnistexp("-m", "seed=0,1", *offline),
        mnistexp(*QUICK, f"tracking.uri={URI}"),
        mnistexp("sync"),
        mnistexp("list", "--uri", URI),
    ]
    assert [outcome.exit_code for outcome in outcomes] == [0, 0, 2, 1, 2]
    assert files_with(tmp_path, b"s3cr3t") == []
    outcomes.append(mnistexp("sync", "--uri", store))
    assert outcomes[-1].exit_code == 0, outcomes[-1].err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", URI)
    outcomes.append(mnistexp("doctor"))
    assert files_with(tmp_path, b"s3cr3t") == []
    assert len(files_with(tmp_path, b"127.0.0.1:9")) > 3  # The address itself is recorded.
    for outcome in outcomes:
        assert "s3cr3t" not in outcome.out + outcome.err
        assert "alice" not in outcome.out + outcome.err
