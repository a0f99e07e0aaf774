"""The function that a launcher calls for each job, in this process or in a worker."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mnistexp.config.compose import read_config_source, resolve_config
from mnistexp.config.config import Config
from mnistexp.config.config_source import ConfigSource
from mnistexp.config.sweep import JobConfig
from mnistexp.device import skip_optional_packages
from mnistexp.errors import InputError, MnistexpError, Pruned, TrainingDiverged
from mnistexp.signals import repeat_lost_interrupts
from mnistexp.sweeps.jobs import JobResult
from mnistexp.sweeps.launchers import partition_resources
from mnistexp.sweeps.sweep_process import end_this_process, end_with_sweep, has_ended
from mnistexp.tracking import MlflowTracking, RunStore
from mnistexp.tracking.orphaned_runs import process_tags

if TYPE_CHECKING:
    from mnistexp.experiment.resumption import Resumption


class SweepTask:
    """Runs a job and returns its result; a failing job raises no exception.

    Attributes:
        on_result: called with the result of each job that ran in the process of the sweep.
        n_jobs: the number of workers on the same machine; see `partition_resources`.
        ends_with_sweep: whether workers end when the process of the sweep is killed.
    """

    on_result: Callable[[JobConfig, JobResult], None]
    n_jobs: int | None = None
    threads: int = 1
    ends_with_sweep: bool = False

    def __init__(self) -> None:
        self._sweep_process = process_tags()

    def __getstate__(self) -> dict[str, Any]:
        """Exclude `on_result`, which cannot be pickled, from the copies for workers."""
        return {name: value for name, value in vars(self).items() if name != "on_result"}

    def __call__(self, cfg: DictConfig) -> JobResult:
        """Run a composed job. The output of a worker goes to `log.txt` in the job's folder."""
        hydra_config = HydraConfig.get()
        folder = Path(hydra_config.runtime.output_dir)
        source = read_config_source(hydra_config, folder)
        config = resolve_config(cfg, source)
        job = config.sweep.job
        assert job is not None  # The job runner sets it.
        if self._sweep_process != process_tags():
            return self._run_in_worker(config, source, folder)
        result = _run(config, source)
        self.on_result(job, result)
        return result

    def _run_in_worker(self, config: Config, source: ConfigSource, folder: Path) -> JobResult:
        repeat_lost_interrupts()
        skip_optional_packages()
        partition_resources(self.n_jobs, self.threads)
        with self._ending_with_sweep(), _stdout_appended_to(folder / "log.txt"):
            return _run(config, source)

    @contextmanager
    def _ending_with_sweep(self) -> Iterator[None]:
        """End the process instead of starting, or returning from, a job of a killed sweep."""
        if not self.ends_with_sweep:
            yield
            return
        end_with_sweep(tuple(self._sweep_process.items()))
        try:
            if not has_ended(self._sweep_process):
                yield
        finally:
            if has_ended(self._sweep_process):
                # A return, or an exception, would make joblib start the next job.
                end_this_process()


def _run(config: Config, source: ConfigSource) -> JobResult:
    from mnistexp.experiment import run_experiment

    try:
        source, resumption = _find_resumption(config, source)
        run = run_experiment(config, source, resumption)
    except Pruned as error:
        return JobResult("pruned", message=str(error))
    except TrainingDiverged as error:
        expected = config.expect is not None and config.expect.diverges
        return JobResult("finished" if expected else "failed", message=str(error))
    except MnistexpError as error:
        return JobResult("failed", message=str(error))
    # Any error of one job, for example too little memory, must not stop the other jobs.
    except Exception as error:
        return JobResult("failed", message=f"{type(error).__name__}: {error}")
    return JobResult(
        "finished", run.metrics, expectation_result=run.expectation_result, run_id=run.run_id
    )


def _find_resumption(config: Config, source: ConfigSource) -> "tuple[ConfigSource, Resumption]":
    """Return where an interrupted run of the job continues; its start if it cannot continue."""
    from mnistexp.experiment.resumption import NO_RESUMPTION, folder_of, resume_from_checkpoint

    run_id = config.sweep.job.resumed_run_id if config.sweep.job is not None else None
    if run_id is None or not isinstance(config.tracking, MlflowTracking):
        return source, NO_RESUMPTION
    store = RunStore(config.tracking)
    run = store.run(run_id)
    if run is None:
        return source, NO_RESUMPTION
    try:
        resumption = resume_from_checkpoint(store, run)
    except InputError as error:  # All its checkpoints are damaged.
        print(f"{error}. It starts again", flush=True)
        return source, NO_RESUMPTION
    return replace(source, folder=folder_of(store, run)), resumption


@contextmanager
def _stdout_appended_to(file: Path) -> Iterator[None]:
    with file.open("a") as stream, redirect_stdout(stream):
        yield
    sys.stdout.flush()
