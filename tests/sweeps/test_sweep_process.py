"""A sweep runs in one process at a time, and its workers end with it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mnistexp.errors import InputError
from mnistexp.sweeps.sweep_process import single_process
from mnistexp.tracking import MlflowTracking, NoTracking, RunRecord
from mnistexp.tracking.orphaned_runs import process_tags

PRINT_TAGS = """
import json, time
from mnistexp.tracking.orphaned_runs import process_tags
print(json.dumps(process_tags()), flush=True)
time.sleep(600)
"""
WORKER = """
import json, sys, time
from mnistexp.sweeps.sweep_process import end_with_sweep
end_with_sweep(tuple(json.loads(sys.argv[1]).items()))
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture
def other_process() -> Iterator["tuple[subprocess.Popen[str], dict[str, str]]"]:
    """Another process, and the tags by which it is found."""
    command = [sys.executable, "-c", PRINT_TAGS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        process.kill()


def sweep_run(status: str, tags: dict[str, str]) -> RunRecord:
    return RunRecord("abc", "a sweep", status, datetime.now(), None, {}, {}, tags)


@pytest.fixture
def tracking(tmp_path: Path) -> MlflowTracking:
    return MlflowTracking(type="mlflow", uri=f"sqlite:///{tmp_path}/mlflow.db")


def test_a_sweep_that_runs_in_another_process_is_refused(
    tracking: MlflowTracking, other_process: "tuple[subprocess.Popen[str], dict[str, str]]"
) -> None:
    process, tags = other_process
    running = sweep_run("RUNNING", tags)
    with (
        pytest.raises(InputError, match=f"process .*:{process.pid} runs it as abc"),
        single_process(tracking, "hash", running),
    ):
        pass
    process.kill()
    process.wait()
    with single_process(tracking, "hash", running):
        pass


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_sweep_that_has_ended_is_continued(
    tracking: MlflowTracking,
    other_process: "tuple[subprocess.Popen[str], dict[str, str]]",
    status: str,
) -> None:
    with single_process(tracking, "hash", sweep_run(status, other_process[1])):
        pass


def test_the_run_of_this_process_is_no_other_one(tracking: MlflowTracking) -> None:
    with single_process(tracking, "hash", sweep_run("RUNNING", process_tags())):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="uses Linux's abstract sockets")
def test_two_sweeps_that_start_together_do_not_both_run(
    tracking: MlflowTracking, tmp_path: Path
) -> None:
    other_store = MlflowTracking(type="mlflow", uri=f"sqlite:///{tmp_path}/other.db")
    with single_process(tracking, "hash", None):
        with (
            pytest.raises(InputError, match="another process runs it"),
            single_process(tracking, "hash", None),
        ):
            pass
        with single_process(tracking, "another hash", None):
            pass
        with single_process(other_store, "hash", None):
            pass
        with single_process(NoTracking(type="none"), "hash", None):
            pass
    with single_process(tracking, "hash", None):
        pass


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_a_worker_ends_when_the_process_of_its_sweep_is_killed(
    other_process: "tuple[subprocess.Popen[str], dict[str, str]]",
) -> None:
    sweep, tags = other_process
    command = [sys.executable, "-c", WORKER, json.dumps(tags)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "started\n"
        sweep.kill()
        sweep.wait()
        assert worker.wait(timeout=60) == -signal.SIGTERM
