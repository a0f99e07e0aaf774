"""The settings of a sweep: many runs of one command."""

from typing import Literal

from mnistexp.schema import Section

PrunerName = Literal["none", "median", "successive_halving", "hyperband"]


class TrialConfig(Section):
    """The trial of a search that a job is."""

    storage: str
    """The file of the study."""
    study: str
    """The name of the study."""
    number: int
    """Of the trial, from 0."""
    objective: str
    """The metric by which hopeless trials are given up."""
    direction: Literal["maximize", "minimize"]
    pruner: PrunerName
    """What decides which ones are hopeless."""


class JobConfig(Section):
    """What a sweep tells each of its jobs."""

    name: str
    """Of the run."""
    config_hash: str
    """By which the sweep knows the job."""
    parent: str | None = None
    """The id of the sweep's own run; None where nothing is tracked."""
    trial: TrialConfig | None = None
    """In a search."""


class SweepConfig(Section):
    """What a sweep does with its jobs."""

    rerun: Literal["failed", "all", "none"] = "failed"
    """Jobs that are in the store already: do `all` again, those that `failed` or were stopped, or
    `none`, so that only what was never tried is done."""
    skip_invalid: bool = False
    """Leave combinations out that cannot work, instead of refusing the sweep."""
    dry_run: bool = False
    """Compose, check and list the jobs, and train nothing."""
    job: JobConfig | None = None
    """Set by the sweep for each of its jobs."""
