"""What a launcher calls for each job, in this process or in a worker."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mnistexp.config.compose import read_config_source, resolve_config
from mnistexp.config.config import Config
from mnistexp.config.config_source import ConfigSource
from mnistexp.config.sweep import JobConfig
from mnistexp.errors import MnistexpError, Pruned, TrainingDiverged
from mnistexp.signals import repeat_lost_interrupts
from mnistexp.sweeps.job_result import JobResult
from mnistexp.sweeps.launchers import partition_resources


class Listener(Protocol):
    """Is told of the jobs that run in this process."""

    def on_end(self, job: JobConfig, outcome: JobResult) -> None:
        """A job has ended."""


class SweepTask:
    """Runs a job and tells how it ended; no failure of a job leaves it as an exception."""

    listener: Listener
    num_at_once: int | None = None
    """Jobs that share the machine of a worker; see `partition_resources`."""

    def __init__(self) -> None:
        self._home = _this_process()

    def __getstate__(self) -> dict[str, Any]:
        """What a worker gets: nobody listens there."""
        return {"_home": self._home, "num_at_once": self.num_at_once}

    def __call__(self, cfg: DictConfig) -> JobResult:
        """Run a composed job; in a worker, what it prints goes to `log.txt` in the job's folder."""
        hydra_config = HydraConfig.get()
        origin = read_config_source(hydra_config, Path(hydra_config.runtime.output_dir))
        config = resolve_config(cfg, origin)
        job = config.sweep.job
        assert job is not None  # A sweep tells it to each of its jobs.
        if self._home != _this_process():
            repeat_lost_interrupts()
            partition_resources(self.num_at_once)
            with _printing_to(Path(hydra_config.runtime.output_dir) / "log.txt"):
                return _run(config, origin)
        outcome = _run(config, origin)
        self.listener.on_end(job, outcome)
        return outcome


def _run(config: Config, origin: ConfigSource) -> JobResult:
    from mnistexp.experiment import run_experiment

    try:
        result = run_experiment(config, origin)
    except Pruned as pruned:
        return JobResult("pruned", message=str(pruned))
    except TrainingDiverged as error:
        expected = config.expect is not None and config.expect.diverges
        return JobResult("finished" if expected else "failed", message=str(error))
    except MnistexpError as error:
        return JobResult("failed", message=str(error))
    # Whatever a job meets, memory that is too small for instance, the others are to go on.
    except Exception as error:
        return JobResult("failed", message=f"{type(error).__name__}: {error}")
    return JobResult("finished", result.metrics, verdict=result.verdict, run_id=result.run_id)


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


@contextmanager
def _printing_to(file: Path) -> Iterator[None]:
    with file.open("a") as stream, redirect_stdout(stream):
        yield
    sys.stdout.flush()
