"""`mnistexp doctor`, on installations that are really broken."""

import gzip
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import mlflow
import pytest
from filelock import FileLock
from support import Command, TrackedRun, running_server

from mnistexp.data.files import DATASETS
from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.diagnostics.files import check_data, check_disk
from mnistexp.diagnostics.hardware import TensorFlowBuild, check_gpus
from mnistexp.diagnostics.packages import check_extras, check_packages
from mnistexp.diagnostics.store import check_access, check_schema
from mnistexp.tracking.store import lock_file

A_RUN = """
import time
from mnistexp.tracking import MlflowTracking, run_context
with run_context(MlflowTracking(type="mlflow"), "a_run"):
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def store(two_layers_run: TrackedRun, tmp_path: Path) -> Path:
    """A copy of a store with a finished run, in the working folder."""
    return Path(shutil.copy(two_layers_run.folder / "mlflow.db", tmp_path))


@contextmanager
def running(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process with a run that does not end."""
    process = subprocess.Popen(
        [sys.executable, "-c", A_RUN], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "begun\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def address(store: Path) -> str:
    return f"sqlite:///{store}"


def problems(results: list[CheckResult]) -> list[str]:
    return [result.message for result in results if result.status == "problem"]


def one_line(text: str) -> str:
    """What is folded in the terminal."""
    return " ".join(text.split())


def test_all_is_well_with_what_the_tests_use(mnistexp: Command, store: Path) -> None:
    outcome = mnistexp("doctor")
    assert outcome.exit_code == 0, outcome.out
    for topic in ("python", "packages", "extras", "data", "disk", "store", "cpu", "onednn"):
        assert re.search(rf"^ok +{topic} ", outcome.out, re.MULTILINE), topic
    assert f"mlflow {mlflow.__version__}" in one_line(outcome.out)
    assert re.search(r"^0 problems, \d notes, \d+ ok$", outcome.out, re.MULTILINE)
    assert max(len(line.rstrip()) for line in outcome.out.splitlines()) <= 80


def test_a_folder_without_a_store_is_left_as_it_is(mnistexp: Command, tmp_path: Path) -> None:
    assert "does not exist yet" in one_line(mnistexp("doctor").out)
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_process_was_killed_is_found_and_closed(
    mnistexp: Command, store: Path, tmp_path: Path
) -> None:
    with running(tmp_path) as process:
        assert f"1 running: a_run in {os.uname().nodename}:{process.pid}" in one_line(
            mnistexp("doctor").out
        )
        process.send_signal(signal.SIGKILL)  # Nobody has waited for it yet: it is a zombie.
        outcome = mnistexp("doctor")
    assert outcome.exit_code == 1
    assert "a_run" in outcome.out
    assert f":{process.pid} has ended" in one_line(outcome.out)
    assert "doctor --close-orphaned" in outcome.out

    closing = mnistexp("doctor", "--close-orphaned")
    assert closing.exit_code == 0
    assert "closed as KILLED: a_run" in one_line(closing.out)
    runs = mlflow.MlflowClient(address(store)).search_runs(["1"])
    (run,) = [run for run in runs if run.info.run_name == "a_run"]
    assert run.info.status == "KILLED"
    assert "ended without closing it" in run.data.tags["reason"]
    (other,) = [run for run in runs if run.info.run_name != "a_run"]
    assert other.info.status == "FINISHED"


def test_a_pid_that_was_given_out_again_is_not_the_process_of_the_run(
    mnistexp: Command, store: Path, tmp_path: Path
) -> None:
    with running(tmp_path) as process:
        client = mlflow.MlflowClient(address(store))
        (run,) = client.search_runs(["1"], "attributes.status = 'RUNNING'")
        begin = run.data.tags["process_start"]
        client.set_tag(run.info.run_id, "process_start", begin + "0")
        assert f":{process.pid} has ended" in one_line(mnistexp("doctor").out)


def test_a_run_of_another_machine_is_not_judged(mnistexp: Command, store: Path) -> None:
    client = mlflow.MlflowClient(address(store))
    run = client.create_run("1", run_name="afar", tags={"process": "another_machine:1"})
    outcome = mnistexp("doctor", "--close-orphaned")
    assert outcome.exit_code == 0
    assert "RUNNING in another_machine:1 on another machine" in one_line(outcome.out)
    assert client.get_run(run.info.run_id).info.status == "RUNNING"


def test_a_locked_database_is_told_with_the_process_that_has_it_open(
    mnistexp: Command, store: Path
) -> None:
    with sqlite3.connect(store, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        outcome = mnistexp("doctor")
        other.execute("ROLLBACK")
    other.close()
    assert outcome.exit_code == 1
    assert re.search(rf"locked for over 2 s; open in {os.getpid()} \(", one_line(outcome.out))


def test_a_set_up_that_hangs_is_told(store: Path) -> None:
    with FileLock(lock_file(store)):
        (found,) = problems(list(check_access(address(store))))
    assert re.search(rf"held for over 2 s by {os.getpid()} \(", found)


def test_a_damaged_database_is_told(store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[8_192:40_960] = os.urandom(32_768)
    store.write_bytes(content)
    (found,) = list(check_access(address(store)))[1:]
    assert found.status == "problem"
    assert ".recover" in found.remedy


def test_a_database_of_another_mlflow_is_told(mnistexp: Command, store: Path) -> None:
    def rewrite(revision: str) -> None:
        with sqlite3.connect(store) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        database.close()

    rewrite("451aebb31d03")  # MLflow 1.0's.
    older = check_schema(address(store))
    assert older.status == "problem"
    assert "mlflow db upgrade" in older.remedy
    rewrite("0123456789ab")
    assert "from a newer MLflow" in check_schema(address(store)).message
    assert mnistexp("doctor").exit_code == 1


def test_artifacts_whose_folder_is_gone_are_told(mnistexp: Command, store: Path) -> None:
    with sqlite3.connect(store) as database:
        database.execute("UPDATE experiments SET artifact_location = '/moved' || experiment_id")
    database.close()
    outcome = mnistexp("doctor")
    assert outcome.exit_code == 1
    assert "expected the folder /moved1. Received: none" in one_line(outcome.out)
    assert "/moved0" not in outcome.out  # No run is in there.


def test_a_store_that_cannot_be_used_is_told_as_a_run_tells_it(
    mnistexp: Command, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no database")
    outcome = mnistexp("doctor", "--uri", "sqlite:///notes.txt")
    assert outcome.exit_code == 1
    assert "expected an SQLite database" in one_line(outcome.out)
    silent = mnistexp("doctor", "--uri", "http://127.0.0.1:9")
    assert "no answer from the MLflow server" in one_line(silent.out)


def test_a_database_that_mlflow_has_not_set_up_is_left_as_it_is(
    mnistexp: Command, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("CREATE TABLE notes (text)")
    database.close()
    before = (tmp_path / "mlflow.db").read_bytes()
    assert mnistexp("doctor").exit_code == 0
    assert (tmp_path / "mlflow.db").read_bytes() == before


@pytest.mark.integration
def test_a_server_is_asked_for_its_version_and_its_runs(mnistexp: Command, tmp_path: Path) -> None:
    server = ("mlflow", "server", "--host", "127.0.0.1", "--workers", "1")
    with running_server(tmp_path / "server", *server) as uri:
        client = mlflow.MlflowClient(uri)
        tags = {"process": f"{os.uname().nodename}:999999999"}
        run = client.create_run("0", run_name="lost_one", tags=tags)
        outcome = mnistexp("doctor", "--uri", uri)
        assert outcome.exit_code == 1
        assert f"MLflow {mlflow.__version__} on the server" in one_line(outcome.out)
        assert f"lost_one ({run.info.run_id}): RUNNING, but" in one_line(outcome.out)
        assert mnistexp("doctor", "--uri", uri, "--close-orphaned").exit_code == 0
        assert client.get_run(run.info.run_id).info.status == "KILLED"


@contextmanager
def closed_door() -> Iterator[str]:
    """A server that is there and lets nobody in, as MLflow's does for a host it doesn't know."""

    class Forbid(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def do_POST(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Forbid) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_that_lets_nobody_in_is_told(mnistexp: Command) -> None:
    with closed_door() as uri:
        outcome = mnistexp("doctor", "--uri", uri)
    assert outcome.exit_code == 1
    assert "MLFLOW_TRACKING_USERNAME" in outcome.out
    assert outcome.err == ""


def test_a_store_that_may_not_be_written_is_told(store: Path) -> None:
    """As somebody else than root, who may write everything."""
    store.chmod(0o444)
    for folder in (store.parent, *store.parent.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o555)
    ours = os.getuid()
    if ours == 0:
        os.setresuid(65534, 65534, 0)
    try:
        found = problems(list(check_access(address(store))))
    finally:
        if ours == 0:
            os.setresuid(0, 0, 0)
    assert found == [f"tracking.uri: expected a writable database. Received: {store}"]


def test_a_damaged_data_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached = shutil.copytree(DATASETS / "mnist", tmp_path / "mnistexp" / "mnist")
    assert problems(list(check_data())) == []
    file = cached / "t10k-labels-idx1-ubyte.gz"
    labels = bytearray(gzip.decompress(file.read_bytes()))
    labels[100] ^= 1
    file.write_bytes(gzip.compress(labels))
    (damaged,) = [result for result in check_data() if result.status == "problem"]
    assert re.search(rf"{file}: expected SHA-256 \w+ .*Received: \w+", damaged.message)
    assert damaged.remedy.startswith(f"rm -r {cached}")
    file.unlink()
    assert problems(list(check_data()))


def test_a_download_that_was_left_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    part = tmp_path / "mnistexp" / "fashion_mnist" / "train-images-idx3-ubyte.1.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\x00" * 1_500_000)
    notes = [result.message for result in check_data() if result.status == "note"]
    assert f"{part}: incomplete download, 1.5 MB" in notes


def test_the_room_that_is_left_is_that_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "used").write_bytes(b"\x00" * 3_000_000)
    found = next(iter(check_disk({"store": tmp_path})))
    free = re.search(r"([\d.,]+) GB free for store, 3.0 MB in use", found.message)
    assert free is not None
    expected = shutil.disk_usage(tmp_path).free / 1e9
    assert float(free[1].replace(",", "")) == pytest.approx(expected, abs=0.5)


def test_a_package_of_a_wrong_version_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the metadata of an installation that asks for other versions."""
    info = tmp_path / "mnistexp-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: mnistexp\nVersion: 0.1.0\nRequires-Python: <3.5\n"
        "Provides-Extra: search\nProvides-Extra: gone\nProvides-Extra: all\n"
        "Requires-Dist: numpy<1\nRequires-Dist: rich\nRequires-Dist: no-such-package\n"
        "Requires-Dist: typer<0.1; extra == 'search'\n"
        "Requires-Dist: another-one; extra == 'gone'\n"
        "Requires-Dist: mnistexp[gone]; extra == 'all'\n"
        "Requires-Dist: never; python_version < '3'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    python, *packages = problems(list(check_packages()))
    assert python.startswith("expected <3.5. Received: 3.")
    assert packages[0].startswith("numpy: expected <1. Received: ")
    assert packages[1:] == ["no-such-package is not installed"]
    search, gone, everything = check_extras()
    assert search.status == "problem"
    assert "typer: expected <0.1" in search.message
    assert (gone.status, everything.status) == ("note", "note")
    assert gone.remedy == "pip install 'mnistexp[gone]'"


@pytest.mark.parametrize(
    ("build", "reported", "has_driver", "status", "advice"),
    [
        (TensorFlowBuild("2.21.0", "12.5", ("H100",), True), 1, True, "ok", ""),
        (TensorFlowBuild("2.21.0", "12.5", (), True), 1, True, "problem", "mnistexp[gpu]"),
        (TensorFlowBuild("2.21.0", None, (), True), 1, True, "problem", "built for CUDA"),
        (TensorFlowBuild("2.21.0", "12.5", (), True), 0, True, "note", "nvidia-smi"),
        (TensorFlowBuild("2.21.0", "12.5", (), True), 0, False, "note", ""),
    ],
)
def test_a_gpu_is_of_use_only_to_a_tensorflow_that_sees_it(
    build: TensorFlowBuild, reported: int, has_driver: bool, status: str, advice: str
) -> None:
    result = check_gpus(build, reported, has_driver)
    assert result.status == status
    assert advice in result.remedy


@pytest.mark.integration
def test_onednn_that_is_off_is_told(tmp_path: Path) -> None:
    """In a process of its own: TensorFlow reads the environment once."""
    process = subprocess.run(
        [sys.executable, "-m", "mnistexp", "doctor"],
        cwd=tmp_path,
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0
    assert re.search(r"^note +onednn +off, since TF_ENABLE_ONEDNN_OPTS=0", process.stdout, re.M)
    assert process.stderr == ""
