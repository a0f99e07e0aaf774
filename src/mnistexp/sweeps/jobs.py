"""The jobs of a sweep and their results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from mnistexp.config.config import Config
from mnistexp.config.config_hash import config_hash, seedless_hash
from mnistexp.config.config_source import ConfigSource
from mnistexp.config.sweep import TrialConfig
from mnistexp.tracking import RunRecord

Status = Literal["finished", "failed", "killed", "pruned"]
STATUSES: Mapping[str, Status] = {
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "killed",
    "PRUNED": "pruned",
}
"""The status of a job by that of its run."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        overrides: the overrides that the launcher receives.
        source: the choices and overrides of the composed config.
        data_digest: the digest of the data files, `Data.digest`.
        trial: the trial of the search that this job runs; None in a grid.
        threads: `LauncherTraits.threads`.
    """

    overrides: tuple[str, ...]
    config: Config
    source: ConfigSource
    data_digest: str
    trial: TrialConfig | None = None
    threads: int | None = None

    @cached_property
    def config_hash(self) -> str:
        """Identifies the job: equal for all runs of the same config and data."""
        return config_hash(self.config, self.data_digest, self.threads)

    @cached_property
    def seedless_hash(self) -> str:
        """Equal for jobs that differ only in the seed."""
        return seedless_hash(self.config, self.data_digest)

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """The overrides by key: `{"model": "conv", "optim.learning_rate": "0.1"}`."""
        pairs = (override.partition("=") for override in self.source.overrides)
        return {key.lstrip("+~"): value for key, _, value in pairs}

    @property
    def expects_divergence(self) -> bool:
        """Whether the experiment demonstrates a training that diverges."""
        return self.config.expect is not None and self.config.expect.diverges


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Attributes:
        metrics: the final values by name.
        message: the reason if the job did not finish.
        expectation_result: `met`, `missed`, `not judged`, or empty without an expectation.
        run_id: the id of the tracked run; None without tracking.
        parent_run_id: the id of the sweep that started the run; None for a single run.
    """

    status: Status
    metrics: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    expectation_result: str = ""
    run_id: str | None = None
    parent_run_id: str | None = None

    @property
    def ending(self) -> str:
        """The status, and the reason up to its first full stop: `pruned at step 2 of 20: …`."""
        reason = self.message.partition(". ")[0]
        # The message of the pruner begins with the status.
        return reason if reason.startswith(self.status) else f"{self.status}: {reason}"

    @property
    def has_failed(self) -> bool:
        """Whether the job ended by an error or an interruption."""
        return self.status in ("failed", "killed")


def read_job_result(run: RunRecord, expects_divergence: bool = False) -> JobResult | None:
    """Return the result of a tracked run; None if its status is RUNNING."""
    if run.status not in STATUSES:
        return None
    status = STATUSES[run.status]
    if run.diverged and expects_divergence:
        status = "finished"
    message, expectation_result = run.tags.get("reason", ""), run.tags.get("expectation", "")
    return JobResult(status, run.metrics, message, expectation_result, run.run_id, run.parent)


def varying_settings(jobs: Iterable[Job]) -> list[str]:
    """Return the settings that differ between jobs, the seed last."""
    all_settings = [job.settings for job in jobs]
    keys = dict.fromkeys(key for settings in all_settings for key in settings)
    varying = [key for key in keys if len({settings.get(key) for settings in all_settings}) > 1]
    return sorted(varying, key=lambda key: key == "seed")


def run_name(job: Job, varying: Sequence[str]) -> str:
    """Return the name of a single run with the varying settings: `softmax-sgd-units=30-s0`."""
    return job.source.run_name(job.config, varying)
