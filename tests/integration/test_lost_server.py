"""Trainings whose MLflow server, or whose disk of the store, fails: the store gets all, once.

The server is MLflow's own, with an SQLite database. Every run is compared, through MLflow's client,
with one that met no fault.
"""

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import mlflow
import pytest
from mlflow.entities import FileInfo, Run
from support import finish, free_port, start_command

from mnistexp.tracking.journal import find_journals, read_records

pytestmark = pytest.mark.timeout(600)
TRAINING = ["model=conv_big", "data.train_size=2000", "train.steps=250", "train.log_every=5"]
"""It takes about 20 seconds on two cores."""
DIFFERENT = ("seconds", "images_per_second", "memory")
"""Parts of the names of metrics that differ between equal runs."""
DIFFERENT_FILES = ("figures/", "config.yaml", "overrides.txt", "model/MLmodel")
"""They have the id of the run or the address of the store in them."""
AWAY_SECONDS = 20
HANG_SECONDS = 30
SERVER_START_SECONDS = 180
"""On a busy computer, MLflow's server takes over a minute."""


class Server:
    """An MLflow server that can be stopped and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [*("mlflow", "server", "--workers", "1"), "--port", str(self._port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            start_new_session=True,  # It has worker processes.
        )
        for _ in range(2 * SERVER_START_SECONDS):
            assert self._process.poll() is None, "the server exited"
            with suppress(OSError), urlopen(f"{self.address}/health", timeout=1):
                return
            time.sleep(0.5)
        pytest.fail(f"the server does not answer within {SERVER_START_SECONDS} s")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def stop(self) -> None:
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> "StoredRun":
    """A run that met no fault."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert finish(start_training(folder, server.address)) == ""
    return StoredRun(server.address, folder)


class StoredRun:
    """The only run of the experiment with the name of a folder, as MLflow's client reads it."""

    def __init__(self, uri: str, folder: Path) -> None:
        self._client = mlflow.MlflowClient(uri)
        self._experiment = self._client.get_experiment_by_name(folder.name).experiment_id
        (self.run,) = self._client.search_runs([self._experiment])

    @property
    def id(self) -> str:
        return str(self.run.info.run_id)

    def histories(self) -> dict[str, list[tuple[int, float]]]:
        """Every (step, value) of each metric that is equal in equal runs."""
        return {
            name: [(m.step, m.value) for m in self._client.get_metric_history(self.id, name)]
            for name in self.run.data.metrics
            if not any(part in name for part in DIFFERENT)
        }

    def artifacts(self) -> dict[str, int | None]:
        """The size of each artifact by its path, of the run and of its only model.

        None for a file whose length depends on the store or on the id of the run.
        """
        (model,) = self._client.search_logged_models([self._experiment])
        assert [output.model_id for output in self.run.outputs.model_outputs] == [model.model_id]
        assert model.status == "READY"
        files = _list_files(partial(self._client.list_artifacts, self.id))
        of_model = _list_files(partial(self._client.list_logged_model_artifacts, model.model_id))
        files |= {f"model/{path}": size for path, size in of_model.items()}
        assert all(files.values())
        return {
            path: None if path.startswith(DIFFERENT_FILES) else size for path, size in files.items()
        }


def _list_files(list_items: Callable[[str | None], list[FileInfo]]) -> dict[str, int]:
    """The size of each file below a folder of artifacts. list_items: lists a folder."""
    files: dict[str, int] = {}
    folders: list[str | None] = [None]
    while folders:
        for item in list_items(folders.pop()):
            if item.is_dir:
                folders.append(item.path)
            else:
                files[item.path] = item.file_size
    return files


def start_training(folder: Path, uri: str) -> "subprocess.Popen[str]":
    experiment = f"tracking.experiment={folder.name}"
    return start_command(folder, *TRAINING, f"tracking.uri={uri}", experiment)


def wait_for_metrics(folder: Path, more_than: int = 10) -> int:
    """Wait until a training has recorded metrics and is in the store; return how often it has."""
    for _ in range(1200):
        time.sleep(0.1)
        for journal in find_journals(folder / "runs"):
            types = [record["type"] for record in read_records(journal).records]
            if types.count("metrics") > more_than and (journal / "sent.json").exists():
                return types.count("metrics")
    pytest.fail("no metrics within two minutes")


def sync_if_needed(folder: Path, err: str) -> None:
    """Send what is left, if the training has said so."""
    if not find_journals(folder / "runs"):
        return
    assert re.search(r"Its record is in .*mnistexp sync sends what is left", err, re.DOTALL), err
    result = subprocess.run(
        [sys.executable, "-m", "mnistexp", "sync"], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert find_journals(folder / "runs") == []


def assert_equals(uri: str, folder: Path, expected: StoredRun) -> None:
    """Check that the store has the same run, with every value and file once."""
    found = StoredRun(uri, folder)
    run: Run = found.run
    assert run.info.status == "FINISHED"
    without_store = [
        {k: v for k, v in stored.run.data.params.items() if not k.startswith("tracking.")}
        for stored in (found, expected)
    ]
    assert without_store[0] == without_store[1]
    assert set(run.data.tags) == set(expected.run.data.tags)
    for name in ("weights_sha256", "config_hash"):
        assert run.data.tags[name] == expected.run.data.tags[name]
    assert set(run.data.metrics) == set(expected.run.data.metrics)
    assert found.histories() == expected.histories()
    assert found.artifacts() == expected.artifacts()


@pytest.mark.integration
def test_a_server_that_is_away_for_a_while(
    server: Server, tmp_path: Path, undisturbed: StoredRun
) -> None:
    process = start_training(tmp_path, server.address)
    seen = wait_for_metrics(tmp_path)
    server.stop()
    wait_for_metrics(tmp_path, more_than=seen)  # The training goes on.
    time.sleep(AWAY_SECONDS)
    server.start()
    sync_if_needed(tmp_path, finish(process))
    assert_equals(server.address, tmp_path, undisturbed)


@pytest.mark.integration
def test_a_server_that_is_back_after_the_end(
    server: Server, tmp_path: Path, undisturbed: StoredRun
) -> None:
    process = start_training(tmp_path, server.address)
    wait_for_metrics(tmp_path)
    server.stop()
    err = finish(process)
    assert "Its record is in" in err
    server.start()
    sync_if_needed(tmp_path, err)
    assert_equals(server.address, tmp_path, undisturbed)


@pytest.mark.integration
def test_a_server_that_hangs(server: Server, tmp_path: Path, undisturbed: StoredRun) -> None:
    process = start_training(tmp_path, server.address)
    seen = wait_for_metrics(tmp_path)
    server.signal(signal.SIGSTOP)
    try:
        wait_for_metrics(tmp_path, more_than=seen)
        time.sleep(HANG_SECONDS)
    finally:
        server.signal(signal.SIGCONT)
    sync_if_needed(tmp_path, finish(process))
    assert_equals(server.address, tmp_path, undisturbed)


@pytest.mark.integration
def test_a_server_that_fails_at_every_third_request(
    server: Server, tmp_path: Path, undisturbed: StoredRun
) -> None:
    def fail_at_times(number: int) -> int | None:
        return 500 if number % 3 == 0 else None

    with proxy_of(server, fail_at_times) as address:
        sync_if_needed(tmp_path, finish(start_training(tmp_path, address)))
    assert_equals(server.address, tmp_path, undisturbed)


@pytest.mark.soak  # All tests of this file take four minutes without it.
def test_a_slow_server(server: Server, tmp_path: Path, undisturbed: StoredRun) -> None:
    def wait(number: int) -> None:
        time.sleep(1)

    with proxy_of(server, wait) as address:
        sync_if_needed(tmp_path, finish(start_training(tmp_path, address)))
    assert_equals(server.address, tmp_path, undisturbed)


@pytest.mark.integration
def test_a_full_disk_of_the_store(tmp_path: Path, undisturbed: StoredRun) -> None:
    with small_disk(tmp_path / "disk") as disk:
        uri = f"sqlite:///{disk}/mlflow.db"
        process = start_training(tmp_path, uri)
        seen = wait_for_metrics(tmp_path)
        fill(disk / "filler")
        wait_for_metrics(tmp_path, more_than=seen)
        err = finish(process)
        assert "Its record is in" in err
        (disk / "filler").unlink()
        sync_if_needed(tmp_path, err)
        assert_equals(uri, tmp_path, undisturbed)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of 64 MB."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(["mount", *options], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"mount cannot be called: {error.strerror}")
    if mounted.returncode != 0:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path) -> None:
    """Write into a file until the disk is full."""
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass


@contextmanager
def proxy_of(server: Server, before_request: Callable[[int], int | None]) -> Iterator[str]:
    """Forward requests to a server, and yield the address for them.

    Args:
        before_request: called with the number of each request, from 1; not for the health of the
            server. Returns the status to answer with instead of forwarding, or None.
    """
    host = server.address.removeprefix("http://")
    lock = threading.Lock()
    count = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = None if self.path == "/health" else before_request(next_number())
            content, headers = b"{}", {}
            if status is None:
                connection = http.client.HTTPConnection(host, timeout=60)
                forwarded = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                connection.request(self.command, self.path, body, {**forwarded, "Host": host})
                response = connection.getresponse()
                status, content = response.status, response.read()
                kept = ("content-type",)
                headers = {k: v for k, v in response.getheaders() if k.lower() in kept}
                connection.close()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    def next_number() -> int:
        nonlocal count
        with lock:
            count += 1
            return count

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        proxy.server_close()
    assert count > 0, "no request came through the proxy"
