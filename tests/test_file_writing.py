"""Files are written whole or not at all."""

import errno
from pathlib import Path

import pytest

from mnistexp.file_writing import append_whole, write_whole


class NearlyFullDisk:
    """A file of which only the first bytes of a write find space."""

    def __init__(self, file: Path, space: int) -> None:
        self._stream = file.open("r+b", buffering=0)
        self._space = space
        self.seek, self.truncate = self._stream.seek, self._stream.truncate

    def write(self, content: bytes) -> int:
        if not self._space:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._stream.write(content[: self._space])
        self._space -= written
        return written

    def close(self) -> None:
        self._stream.close()


def test_what_does_not_fit_on_the_disk_is_not_appended_in_part(tmp_path: Path) -> None:
    file = tmp_path / "records"
    file.write_bytes(b"one\n")
    stream = NearlyFullDisk(file, space=6)
    with pytest.raises(OSError, match="No space"):
        append_whole(stream, b"two is longer\n")  # type: ignore[arg-type]
    stream.close()
    assert file.read_bytes() == b"one\n"
    with file.open("r+b", buffering=0) as writable:
        append_whole(writable, b"three\n")
    assert file.read_bytes() == b"one\nthree\n"


def test_a_file_that_cannot_be_written_keeps_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state"
    write_whole(file, b"old", durable=True)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            write_whole(file, b"new", durable=True)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"
