"""Validate all jobs of a sweep before any of them is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mnistexp.config.compose import located_errors
from mnistexp.config.config import Config
from mnistexp.config.likely_mistakes import find_likely_mistakes, print_likely_mistakes
from mnistexp.data import load_data
from mnistexp.device import check_device
from mnistexp.errors import ConfigError, InputError
from mnistexp.learner import build_learner
from mnistexp.model import NetworkConfig
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.jobs import Job, varying_settings
from mnistexp.sweeps.launchers import LauncherTraits, check_launcher
from mnistexp.tracking import check_tracking


@dataclass(frozen=True)
class InvalidJob:
    """A combination of overrides that cannot be run, and the reason."""

    overrides: Sequence[str]
    message: str

    def __str__(self) -> str:
        settings = " ".join(override.lstrip("+") for override in self.overrides)
        return f"{settings}: {self.message}"


def validate_jobs(
    session: HydraSession, all_overrides: Sequence[Sequence[str]], traits: LauncherTraits
) -> tuple[list[Job], Mapping[str, int | None]]:
    """Compose all jobs and build their models.

    Returns:
        The valid jobs without duplicates, and their number of parameters by `seedless_hash`. It is
        None for a classical model, because it is not known before the fit.

    Raises:
        ConfigError: a combination is invalid, and `sweep.skip_invalid` is false.
    """
    jobs, not_composable = _compose(session, all_overrides, traits.threads)
    _refuse(not_composable, jobs)
    check_launcher(traits, jobs, varying_settings(jobs))
    num_parameters, not_buildable = _build_models(jobs, traits.in_process)
    jobs = [job for job in jobs if job.seedless_hash in num_parameters]
    _refuse(not_buildable, jobs)
    print_likely_mistakes(mistake for job in jobs for mistake in _find_likely_mistakes(job.config))
    for invalid in [*not_composable, *not_buildable]:
        print(f"skipped: {invalid}", flush=True)
    return jobs, num_parameters


def _compose(
    session: HydraSession, all_overrides: Sequence[Sequence[str]], threads: int | None
) -> tuple[list[Job], list[InvalidJob]]:
    jobs: dict[str, Job] = {}
    invalid = []
    for overrides in all_overrides:
        try:
            job = session.compose(overrides, threads)
        except InputError as error:
            invalid.append(InvalidJob(overrides, str(error)))
        else:
            jobs.setdefault(job.config_hash, job)
    return list(jobs.values()), invalid


def _build_models(
    jobs: Sequence[Job], in_process: bool
) -> tuple[Mapping[str, int | None], list[InvalidJob]]:
    """Build the model of each seed group once; see `validate_jobs`."""
    num_parameters: dict[str, int | None] = {}
    invalid = []
    for job in jobs:
        if job.seedless_hash in num_parameters:
            continue
        try:
            with located_errors(job.source):
                check_tracking(job.config.tracking)
                check_device(job.config.device)
                num_parameters[job.seedless_hash] = _count_parameters(job.config, in_process)
        except InputError as error:
            invalid.append(InvalidJob(job.overrides, str(error)))
    return num_parameters, invalid


def _count_parameters(config: Config, in_process: bool) -> int | None:
    if not in_process:
        # On the CPU, so that this process takes no memory of a GPU from its workers.
        device = config.device.model_copy(update={"type": "cpu", "threads": None, "onednn": "auto"})
        config = config.model_copy(update={"device": device})
    learner = build_learner(config, load_data(config.data))
    return learner.num_parameters if isinstance(config.model, NetworkConfig) else None


def _find_likely_mistakes(config: Config) -> list[str]:
    return find_likely_mistakes(config, len(load_data(config.data).train))


def _refuse(invalid: Sequence[InvalidJob], valid: Sequence[Job]) -> None:
    """Raise ConfigError for invalid jobs, unless they are to be skipped and valid jobs remain."""
    if not invalid or (valid and valid[0].config.sweep.skip_invalid):
        return
    message = "\n".join(map(str, invalid))
    if valid:
        end = "" if message.endswith("?") else "."
        message += f"{end} Set sweep.skip_invalid=true to run the other combinations"
    raise ConfigError(message)
