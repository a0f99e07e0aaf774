"""Runs that were tracked before a sweep starts."""

from collections.abc import Iterable, Sequence
from statistics import mean

from mnistexp.config.config import Config
from mnistexp.config.config_hash import step_hash, workload_hash
from mnistexp.data import load_data
from mnistexp.model import NetworkConfig
from mnistexp.sweeps.jobs import STATUSES, Job, JobResult, read_job_result
from mnistexp.tracking import MlflowTracking, RunRecord, RunStore, TrackingConfig


class PreviousRuns:
    """The runs in the store, read once when the sweep starts. No store is created."""

    def __init__(self, tracking: TrackingConfig) -> None:
        self._runs: Sequence[RunRecord] = []
        if isinstance(tracking, MlflowTracking) and not tracking.offline:
            self._runs = RunStore(tracking).runs(missing_ok=True)

    def results(self, jobs: Iterable[Job], sweep_hash: str) -> dict[str, JobResult]:
        """Return the results of jobs by `config_hash`: of the latest finished run, else the latest.

        Runs of the sweep itself come before later runs of equal settings, so that the summary of a
        sweep does not change after its end.
        """
        jobs_by_hash = {job.config_hash: job for job in jobs}
        sweep = self.sweep(sweep_hash)
        ranks: dict[str, tuple[bool, bool]] = {}
        results: dict[str, JobResult] = {}
        for run in self._runs:
            job = jobs_by_hash.get(run.tags.get("config_hash", ""))
            result = read_job_result(run, job.expects_divergence) if job else None
            if job is None or result is None:
                continue
            is_own = sweep is not None and run.parent == sweep.run_id
            rank = (result.status == "finished", is_own)
            if rank >= ranks.get(job.config_hash, rank):
                ranks[job.config_hash], results[job.config_hash] = rank, result
        return results

    def hashes_of_jobs(self, sweep_run_id: str) -> frozenset[str]:
        """Return the `config_hash` of each job that ran in this sweep and has ended."""
        return frozenset(
            run.tags["config_hash"]
            for run in self._runs
            if run.parent == sweep_run_id and run.status in STATUSES and "config_hash" in run.tags
        )

    def mean_seconds(self, config: Config) -> float | None:
        """Return the mean duration of runs of the same workload; None if there are none.

        If they had another length, only the time of the training steps is changed.
        """
        measured = [run for run in self._runs if "seconds" in run.metrics]
        workload = workload_hash(config)
        same = [run for run in measured if run.tags.get("workload_hash") == workload]
        if same:
            return mean(run.metrics["seconds"] for run in same)
        if not isinstance(config.model, NetworkConfig):
            return None
        step = step_hash(config)
        similar = [run for run in measured if run.tags.get("step_hash") == step]
        num_steps = config.train.num_steps(len(load_data(config.data).train))
        num_images = num_steps * config.train.batch_size
        return mean(_seconds_for(run, num_images) for run in similar) if similar else None

    def sweep(self, sweep_hash: str) -> RunRecord | None:
        """Return the latest run of the same sweep; None if there is none."""
        sweeps = [run for run in self._runs if run.tags.get("sweep_hash") == sweep_hash]
        return sweeps[-1] if sweeps else None


def _seconds_for(run: RunRecord, num_images: int) -> float:
    """Return how long a run would have taken if it had trained on so many images."""
    others = run.metrics["seconds"] - run.metrics["train_seconds"]
    return others + num_images / run.metrics["mean_images_per_second"]
