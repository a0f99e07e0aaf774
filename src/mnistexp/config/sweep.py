"""The config section `sweep`."""

from typing import Literal

from mnistexp.schema import Section

PrunerName = Literal["none", "median", "successive_halving", "hyperband"]


class TrialConfig(Section):
    """The trial of a search that a job runs."""

    storage: str
    """The file of the study."""
    study: str
    """The name of the study."""
    number: int
    """The number of the trial, from 0."""
    objective: str
    """The metric that is reported to the pruner."""
    pruner: PrunerName


class JobConfig(Section):
    """The settings that a sweep adds to each of its jobs."""

    name: str
    """The name of the run."""
    config_hash: str
    """Identifies the job; see `config_hash`."""
    parent_run_id: str | None = None
    """The id of the sweep's run, or a reference to its journal; None without tracking."""
    trial: TrialConfig | None = None
    """Only in a search."""
    resumed_run_id: str | None = None
    """The id of an interrupted run of this job, which goes on from its checkpoint."""


class SweepConfig(Section):
    """How a sweep treats its jobs."""

    rerun: Literal["failed", "all", "none"] = "failed"
    """Which jobs that already have a run in the store are run again: `failed` (also interrupted
    ones), `all` or `none`."""
    skip_invalid: bool = False
    """Skip combinations that cannot be run, instead of refusing the sweep."""
    dry_run: bool = False
    """Compose, check and list the jobs without training."""
    job: JobConfig | None = None
    """Set by the sweep for each of its jobs."""
