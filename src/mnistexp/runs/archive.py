"""The file in which runs are shared: a ZIP file with checksums. It is read without trusting it.

It contains `manifest.json`, with size and SHA-256 of every other file, and for each run the folder
`runs/ID` with `run.json` (settings, tags, histories of metrics, data sets), its `artifacts` and the
files of its `model`.
"""

import hashlib
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mnistexp.errors import InputError

MANIFEST = "manifest.json"
ARTIFACTS = "artifacts"
MODEL = "model"
MAX_FILES = 200_000
MAX_MANIFEST_BYTES = 64 * 2**20
MAX_RUN_BYTES = 128 * 2**20
"""Of `run.json`, which is read into memory. 1,000,000 values of metrics have about 40 MB."""
MAX_RATIO = 200
"""Of unpacked to packed bytes. JSON and text have up to 20."""
BLOCK_BYTES = 2**20
SAFE_PATH = re.compile(r"[^\x00-\x1f\x7f\\:/]{1,200}(/[^\x00-\x1f\x7f\\:/]{1,200}){0,20}")
DAMAGE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
"""The exceptions that a damaged, encrypted or unsupported ZIP file raises."""

RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[str, Field(min_length=1, max_length=250)]
Text = Annotated[str, Field(max_length=8_000)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class _Entry(BaseModel):
    # Metrics may be NaN or infinite, which JSON has no values for.
    model_config = ConfigDict(
        extra="ignore", strict=True, frozen=True, ser_json_inf_nan="constants"
    )


class FileEntry(_Entry):
    """A file of the archive: its size and its SHA-256."""

    num_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(_Entry):
    """What an archive contains: the runs, sweeps before their jobs, and all files by their path."""

    format: Literal["mnistexp runs"] = "mnistexp runs"
    version: Literal[1] = 1
    runs: list[RunId]
    files: dict[str, FileEntry]


class DatasetEntry(_Entry):
    """A data set that a run used, as MLflow records it."""

    name: Name
    digest: Name
    source_type: Name
    source: Text
    profile: Text | None = None
    tags: dict[Name, Text] = Field(default_factory=dict)


class RunEntry(_Entry):
    """A run. Times are in milliseconds since 1970; a value is (time, step, value)."""

    run_id: RunId
    name: Name
    status: Literal["FINISHED", "FAILED", "KILLED"]
    start_time: Whole
    end_time: Whole | None
    params: dict[Name, Text]
    tags: dict[Name, Text]
    metrics: dict[Name, list[tuple[Whole, Whole, float]]]
    datasets: list[DatasetEntry]
    has_model: bool


class ArchiveWriter:
    """Writes an archive."""

    def __init__(self, file: Path) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self._runs: list[str] = []
        self._files: dict[str, FileEntry] = {}

    def add_run(self, run: RunEntry, folders: Mapping[str, Path]) -> None:
        """Add a run with the files below folders.

        Args:
            folders: by their name in the archive, `artifacts` and `model`.
        """
        self._runs.append(run.run_id)
        prefix = f"runs/{run.run_id}"
        self._add(f"{prefix}/run.json", run.model_dump_json().encode())
        for name, folder in folders.items():
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    path = f"{prefix}/{name}/{file.relative_to(folder).as_posix()}"
                    self._add_file(path, file)

    def close(self) -> None:
        """Write the manifest, and close the file."""
        manifest = Manifest(runs=self._runs, files=self._files)
        self._zip.writestr(MANIFEST, manifest.model_dump_json())
        self._zip.close()

    def _add(self, path: str, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        self._files[path] = FileEntry(num_bytes=len(content), sha256=digest)
        self._zip.writestr(path, content)

    def _add_file(self, path: str, file: Path) -> None:
        sha, num_bytes = hashlib.sha256(), 0
        with file.open("rb") as source, self._zip.open(path, "w", force_zip64=True) as target:
            while block := source.read(BLOCK_BYTES):
                sha.update(block)
                num_bytes += len(block)
                target.write(block)
        self._files[path] = FileEntry(num_bytes=num_bytes, sha256=sha.hexdigest())


class Archive:
    """An archive that is open for reading."""

    def __init__(self, file: Path, opened: zipfile.ZipFile) -> None:
        """Read the manifest, and check the names and sizes of all files.

        Raises:
            InputError: it is no such archive, or contains what an export does not write.
        """
        self.file = file
        self._zip = opened
        self.manifest = self._read_manifest()
        self._check_files()

    @property
    def num_bytes(self) -> int:
        """The size of all files when they are unpacked."""
        return sum(entry.num_bytes for entry in self.manifest.files.values())

    def verify(self, on_progress: Callable[[int], None] = lambda _: None) -> None:
        """Read all files, and compare their checksums. Nothing is written.

        Args:
            on_progress: receives the number of bytes of each block.

        Raises:
            InputError: a file is damaged or was altered.
        """
        for path in self.manifest.files:
            for block in self._blocks(path):
                on_progress(len(block))

    def run(self, run_id: str) -> RunEntry:
        """Return what is recorded about a run.

        Raises:
            InputError: its file is damaged or has other content.
        """
        path = f"runs/{run_id}/run.json"
        entry = self.manifest.files.get(path)
        if entry is None or entry.num_bytes > MAX_RUN_BYTES:
            raise self._error(f"{path} of at most {MAX_RUN_BYTES} bytes", "none")
        try:
            run = RunEntry.model_validate_json(b"".join(self._blocks(path)))
        except ValidationError as error:
            raise self._error(f"a run in {path}", _describe(error)) from error
        if run.run_id != run_id:
            raise self._error(f"run {run_id} in {path}", f"run {run.run_id}")
        return run

    def extract(self, run_id: str, name: str, folder: Path) -> bool:
        """Write the files of a run below a folder, and return whether there are any.

        Args:
            name: `artifacts` or `model`.
            folder: does not exist yet.
        """
        prefix = f"runs/{run_id}/{name}/"
        paths = [path for path in self.manifest.files if path.startswith(prefix)]
        for path in paths:
            target = folder.joinpath(*PurePosixPath(path.removeprefix(prefix)).parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as stream:
                for block in self._blocks(path):
                    stream.write(block)
        return bool(paths)

    def _read_manifest(self) -> Manifest:
        infos = [info for info in self._zip.infolist() if info.filename == MANIFEST]
        if len(infos) != 1 or infos[0].file_size > MAX_MANIFEST_BYTES:
            raise self._error("a file that mnistexp export has written", "another ZIP file")
        with self._translated_damage(), self._zip.open(infos[0]) as stream:
            text = stream.read(MAX_MANIFEST_BYTES + 1)
        try:
            return Manifest.model_validate_json(text)
        except ValidationError as error:
            raise self._error("the manifest of an export", _describe(error)) from error

    def _check_files(self) -> None:
        """Refuse other files than those of the manifest, unsafe paths, links and bombs."""
        infos = [info for info in self._zip.infolist() if info.filename != MANIFEST]
        known = self.manifest.files
        if len(infos) > MAX_FILES:
            raise self._error(f"at most {MAX_FILES:,} files", f"{len(infos):,}")
        if sorted(info.filename for info in infos) != sorted(known):
            raise self._error("the files of its manifest", "other files")
        folders = {f"runs/{run_id}/" for run_id in self.manifest.runs}
        if len(folders) != len(self.manifest.runs):
            raise self._error("each run once", "a run twice")
        for info in infos:
            self._check_file(info, folders)
        packed = self.file.stat().st_size
        if self.num_bytes > MAX_RATIO * packed:
            raise self._error(
                f"at most {MAX_RATIO} times its size when it is unpacked", f"{self.num_bytes} bytes"
            )

    def _check_file(self, info: zipfile.ZipInfo, folders: set[str]) -> None:
        path = info.filename
        parts = path.split("/")
        is_safe = SAFE_PATH.fullmatch(path) and not {"", ".", ".."} & set(parts)
        mode = info.external_attr >> 16
        if not is_safe or (mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode)):
            raise self._error("files below its folder, without links", repr(path[:100]))
        if "/".join(parts[:2]) + "/" not in folders or len(parts) < 3:
            raise self._error("files of its runs", repr(path[:100]))
        is_known = parts[2:] == ["run.json"] or (parts[2] in (ARTIFACTS, MODEL) and len(parts) > 3)
        if not is_known:
            raise self._error("run.json, artifacts and models", repr(path[:100]))
        if info.file_size != self.manifest.files[path].num_bytes:
            raise self._error(f"the recorded size of {path}", "another size")

    def _blocks(self, path: str) -> Iterator[bytes]:
        """Yield the content of a file. At its end, the checksum is compared."""
        entry = self.manifest.files[path]
        sha, left = hashlib.sha256(), entry.num_bytes
        with self._translated_damage(), self._zip.open(path) as stream:
            while block := stream.read(BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    break
                sha.update(block)
                yield block
        if left or sha.hexdigest() != entry.sha256:
            raise self._error(f"the recorded content of {path}", "a damaged or altered file")

    @contextmanager
    def _translated_damage(self) -> Iterator[None]:
        try:
            yield
        except DAMAGE_ERRORS as error:
            raise self._error("an undamaged file", str(error)[:200]) from error

    def _error(self, expected: str, received: str) -> InputError:
        return InputError(f"{self.file}: expected {expected}. Received: {received}")


@contextmanager
def open_archive(file: Path) -> Iterator[Archive]:
    """Open an archive, and check its manifest and the names and sizes of its files.

    Raises:
        InputError: the file does not exist, is no archive, or contains what no export writes.
    """
    if not file.is_file():
        raise InputError(f"{file}: expected a file of mnistexp export. Received: no such file")
    try:
        opened = zipfile.ZipFile(file)
    except DAMAGE_ERRORS as error:
        raise InputError(
            f"{file}: expected a file of mnistexp export. Received: {str(error)[:200]}"
        ) from error
    with opened:
        yield Archive(file, opened)


def check_space(folder: Path, num_bytes: int) -> None:
    """Refuse to write more than fits.

    Raises:
        InputError: the disk of the folder has not enough space.
    """
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise InputError(
            f"{folder}: expected {num_bytes / 1e6:,.0f} MB of free space. "
            f"Received: {free / 1e6:,.0f} MB"
        )


def _describe(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))[:100]
    return f"{place}: {first['msg']}" if place else str(first["msg"])
