"""The journal of a run: a file to which the run appends everything it records.

The journal is a folder. Its file `records.jsonl` has one record per line: the CRC-32 of the record
in hexadecimal, a space, and the record as JSON. Artifacts and models are files below `files/`,
which are written before the record that names them. The writer holds a lock on the file, so other
processes can see whether the run may still write.

A killed process leaves at most an incomplete last line, which readers ignore.
"""

import fcntl
import json
import os
import shutil
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from mnistexp.errors import TrackingError
from mnistexp.file_writing import append_whole
from mnistexp.tracking.run_store import ENDED_AT

JOURNAL_NAME = "journal"
"""Name of the folder of a journal, in the output folder of its run."""
RECORDS_NAME = "records.jsonl"
FILES_NAME = "files"
LOCK_NAME = "sending.lock"
SYNC_SECONDS = 5.0
"""Metrics are lost after a power failure if they are younger than this. Other failures keep all."""

RecordType = Literal[
    "start",
    "resume",
    "params",
    "tags",
    "metrics",
    "dataset",
    "artifact",
    "figures",
    "model",
    "end",
]
Record = Mapping[str, Any]
"""The fields of a record. All have `type` and `time`, in milliseconds since 1970."""


class ReadResult(NamedTuple):
    """Records, and the position in bytes behind the last one.

    fault: why the rest of the file cannot be read; empty if there is no fault.
    """

    records: list[Record]
    position: int
    fault: str = ""


class JournalWriter:
    """Appends records to a journal. The file is locked until `close`.

    If a record cannot be written, because the disk is full for example, it is kept in memory and
    written before the next one.
    """

    def __init__(self, folder: Path) -> None:
        """Create the journal, or continue one that has no writer any more.

        Raises:
            OSError: the folder or the file cannot be written.
            TrackingError: another process writes this journal, or it is damaged.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.absolute()
        self._stream = (folder / RECORDS_NAME).open("ab", buffering=0)
        if not _try_lock(self._stream):
            self._stream.close()
            raise TrackingError(f"{folder}: expected a journal that no process writes")
        read = read_records(folder)
        if read.fault:
            self._stream.close()
            raise TrackingError(read.fault)
        self._stream.truncate(read.position)
        self._waiting: list[bytes] = []
        self._num_files = 0
        self._last_sync = time.monotonic()

    def append(self, record_type: RecordType, /, **fields: Any) -> None:
        """Append a record with these fields.

        Only metrics may stay in the cache of the system for some seconds, because each
        synchronization with the disk takes milliseconds.
        """
        record = {"type": record_type, "time": int(time.time() * 1000), **fields}
        self._waiting.append(encode_record(record))
        had_failed = len(self._waiting) > 1
        try:
            self._write_waiting()
        except OSError as error:
            if not had_failed:
                self._warn(error)

    def new_file(self, name: str) -> tuple[Path, str]:
        """Return a path that does not exist yet, and what to call it in a record."""
        folder = self.folder / FILES_NAME
        while (folder / str(self._num_files)).exists():
            self._num_files += 1
        path = folder / str(self._num_files) / name
        path.parent.mkdir(parents=True)
        return path, str(path.relative_to(self.folder))

    def close(self) -> None:
        """Write the records that are still in memory, and close the file.

        Raises:
            OSError: they cannot be written.
        """
        with self._stream:
            self._write_waiting()
            os.fsync(self._stream)

    def _write_waiting(self) -> None:
        while self._waiting:
            append_whole(self._stream, self._waiting[0])
            del self._waiting[0]
        if time.monotonic() - self._last_sync > SYNC_SECONDS:
            os.fsync(self._stream)
            self._last_sync = time.monotonic()

    def _warn(self, error: OSError) -> None:
        print(
            f"tracking: {self.folder / RECORDS_NAME} cannot be written: {error.strerror}. The "
            "training continues; its records stay in memory until they can be written",
            file=sys.stderr,
            flush=True,
        )


def encode_record(record: Record) -> bytes:
    """Return the line of a record."""
    text = json.dumps(record, ensure_ascii=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_records(folder: Path, position: int = 0) -> ReadResult:
    """Return the complete records behind a position, in bytes.

    An incomplete last record is left out: it is being written, or its writer was killed.

    Raises:
        TrackingError: the file cannot be read.
    """
    file = folder / RECORDS_NAME
    try:
        with file.open("rb") as stream:
            stream.seek(position)
            content = stream.read()
    except OSError as error:
        raise TrackingError(
            f"{file}: expected a journal that can be read. Received: {error.strerror}"
        ) from error
    records: list[Record] = []
    lines = content.split(b"\n")
    for number, line in enumerate(lines[:-1]):
        record = _decode_line(line)
        if record is None:
            if not any(lines[number + 1 :]):
                break  # The end of a file may be damaged by a power failure.
            return ReadResult(
                records,
                position,
                f"{file}: expected a record with its checksum at byte {position}. Received: "
                "another content. The records before it are sent",
            )
        records.append(record)
        position += len(line) + 1
    return ReadResult(records, position)


def new_journal_folder(run_folder: Path) -> Path:
    """Return a folder for a new journal of a run: `journal`, or `journal-2` if that exists."""
    number = 1
    while (folder := run_folder / _journal_name(number)).exists():
        number += 1
    return folder


def _journal_name(number: int) -> str:
    return JOURNAL_NAME if number == 1 else f"{JOURNAL_NAME}-{number}"


def has_writer(folder: Path) -> bool:
    """Return whether a process holds the journal open for writing."""
    with (folder / RECORDS_NAME).open("rb") as stream:
        return not _try_lock(stream)


def find_journals(folder: Path) -> list[Path]:
    """Return the journals of the runs and sweeps below a folder, in the order of their names.

    Args:
        folder: a journal, the folder of a run, or one with folders of runs, such as `runs`.
    """
    if (folder / RECORDS_NAME).is_file():
        return [folder]
    patterns = [f"{'*/' * depth}{JOURNAL_NAME}*/{RECORDS_NAME}" for depth in range(3)]
    return sorted(file.parent for pattern in patterns for file in folder.glob(pattern))


def find_unsent(folder: Path) -> list[Path]:
    """Return the journals below a folder that no process writes or sends."""
    return [
        journal
        for journal in find_journals(folder)
        if not has_writer(journal) and not is_being_sent(journal)
    ]


@contextmanager
def locked_for_sending(folder: Path) -> Iterator[None]:
    """Let one process at a time send a journal.

    Raises:
        TrackingError: another process sends it.
    """
    with (folder / LOCK_NAME).open("w") as stream:
        if not _try_lock(stream):
            raise TrackingError(f"{folder}: expected a journal that no other process sends")
        yield


def is_being_sent(folder: Path) -> bool:
    """Return whether a process sends a journal."""
    try:
        with (folder / LOCK_NAME).open() as stream:
            return not _try_lock(stream)
    except OSError:
        return False


def close_abandoned(folder: Path, reason: str) -> None:
    """Record that a run was KILLED, if its process has ended without recording its end.

    The last step with a metric is recorded too: the process could not say how far it came.
    """
    records = read_records(folder).records
    if records and records[-1]["type"] == "end":
        return
    last_step = max((r["step"] for r in records if r["type"] == "metrics"), default=0)
    position = {ENDED_AT: f"at step {last_step:,}"} if last_step else {}
    writer = JournalWriter(folder)
    writer.append("tags", values={"reason": reason, **position})
    writer.append("end", status="KILLED")
    writer.close()


def remove_journal(folder: Path) -> None:
    """Remove a journal whose records have all been sent, and the run's folder if it is empty."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()


def _decode_line(line: bytes) -> Record | None:
    checksum, _, text = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(text):
            return None
        record: Record = json.loads(text)
    except ValueError:
        return None
    return record


def _try_lock(stream: IO[Any]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
