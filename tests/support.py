"""Helpers of the tests: the command line in this process or in a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import mlflow
import pytest
from hydra.core.global_hydra import GlobalHydra
from mlflow.entities import Run

from mnistexp.cli import main
from mnistexp.config.compose import compose_config
from mnistexp.experiment import RunResult
from mnistexp.model import NetworkConfig

FEW_STEPS = ["data.train_size=2000", "train.steps=20"]
"""Of real digits."""
QUICK = [*FEW_STEPS, "tracking.figures=false"]
"""Without pictures of the run too, which take longer than such a training."""
CHROMIUM = Path("/usr/bin/chromium")


@dataclass(frozen=True)
class CommandResult:
    """How a command ended, and what it printed."""

    exit_code: int
    out: str
    err: str


Command = Callable[..., CommandResult]


def run_here(*arguments: str) -> int:
    """The command `mnistexp` in this process and this working folder. Gives its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["mnistexp", *arguments])
        try:
            main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0
        finally:
            GlobalHydra.instance().clear()
    return 0


def write_own(folder: Path, name: str, text: str) -> None:
    """An experiment of the user's, `user=NAME` of a working folder."""
    file = folder / "experiments" / "user" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# @package _global_\n{text}")


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """The command `mnistexp` in a process, and a group of processes, of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "mnistexp", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # So that Ctrl-C reaches a sweep and its workers, as it does.
        preexec_fn=_hear_ctrl_c,
    )


def _hear_ctrl_c() -> None:
    """As in a terminal, also where the tests run in the background and are deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def network_config(*overrides: str) -> NetworkConfig:
    """The model section of a config whose model is a network."""
    model = compose_config(list(overrides))[0].model
    assert isinstance(model, NetworkConfig)
    return model


@dataclass(frozen=True)
class TrackedRun:
    """A run, as it ended and as MLflow's own client reads it."""

    result: RunResult
    run: Run
    client: mlflow.MlflowClient
    folder: Path


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def announced(process: "subprocess.Popen[str]", pattern: str) -> str:
    """What the pattern's group finds in what a process prints, once it prints it."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(pattern, line):
            return found[1]
    _, err = process.communicate()
    raise AssertionError(f"ended without {pattern!r}: {lines} {err}")


@contextmanager
def served(folder: Path, *command: str) -> Iterator[str]:
    """The address of a server that is started in a folder, and stopped in the end."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_healthy(address: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(120):
        assert process.poll() is None, "the server has ended"
        try:
            with urlopen(f"{address}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"no answer from {address}")
