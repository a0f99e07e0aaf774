"""How Hydra's launchers run jobs, and how their workers share a machine."""

import multiprocessing
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from shutil import which
from typing import Any

from hydra.plugins.launcher import Launcher

from mnistexp.device import num_cores
from mnistexp.errors import ConfigError
from mnistexp.sweeps.jobs import Job

THREADS_VARIABLE = "TF_NUM_INTRAOP_THREADS"
"""The environment variable that TensorFlow reads if `device.threads` is not set."""
FIXED_IN_PROCESS = ("device", "device.type", "device.index", "device.threads", "device.onednn")
"""Settings that cannot change once TensorFlow has started."""


@dataclass(frozen=True)
class LauncherTraits:
    """How a launcher runs jobs.

    Attributes:
        in_process: whether jobs run one after the other in the process of the sweep.
        process_per_job: whether each job has a new process.
        n_jobs: the number of parallel jobs on this machine; None if a cluster schedules them.
        killed_with_parent: whether jobs end with the process of the sweep.
        program: the program that submits the jobs, which must be installed; empty for none.
        num_cpus: the number of cores of each job, if the launcher has such a setting.
    """

    in_process: bool
    process_per_job: bool
    n_jobs: int | None
    killed_with_parent: bool = True
    program: str = ""
    num_cpus: int | None = None

    @property
    def threads(self) -> int | None:
        """The number of threads that one operation may use in a worker.

        None for jobs in the process of the sweep, which use those of the process.
        """
        if self.in_process:
            return None
        set_number = os.environ.get(THREADS_VARIABLE, "")
        if set_number.isdigit() and int(set_number) > 0:
            return int(set_number)
        return self.num_cpus or max(1, num_cores() // (self.n_jobs or 1))


def _joblib_traits(launcher: Any, num_jobs: int) -> LauncherTraits:
    n_jobs = int(launcher.joblib.get("n_jobs", -1))
    num_cores = os.cpu_count() or 1
    num_workers = n_jobs if n_jobs > 0 else max(1, num_cores + 1 + n_jobs)
    return LauncherTraits(False, process_per_job=False, n_jobs=min(num_workers, num_jobs))


def _ray_traits(launcher: Any, num_jobs: int) -> LauncherTraits:  # noqa: ARG001
    remote = launcher.ray_cfg.get("remote") or {}
    num_cpus = max(1, int(remote.get("num_cpus") or 1))
    return LauncherTraits(
        False, process_per_job=remote.get("max_calls") == 1, n_jobs=None, num_cpus=num_cpus
    )


def _slurm_traits(launcher: Any, num_jobs: int) -> LauncherTraits:  # noqa: ARG001
    num_cpus = int(launcher.params.get("cpus_per_task") or 1)
    return replace(CLUSTER, program="sbatch", num_cpus=num_cpus)


CLUSTER = LauncherTraits(False, process_per_job=True, n_jobs=None, killed_with_parent=False)
"""The traits of launchers that are not in `TRAITS`."""
# Launchers are recognized by the names of their classes: importing them would need their packages.
TRAITS: Mapping[str, Callable[[Any, int], LauncherTraits]] = {
    "BasicLauncher": lambda *_: LauncherTraits(True, process_per_job=False, n_jobs=1),
    "JoblibLauncher": _joblib_traits,
    "LocalLauncher": lambda _, num_jobs: LauncherTraits(False, True, n_jobs=num_jobs),
    "RayLauncher": _ray_traits,
    "SlurmLauncher": _slurm_traits,
}


def launcher_traits(launcher: Launcher, num_jobs: int) -> LauncherTraits:
    """Return the traits of a launcher that gets at most `num_jobs` jobs at a time."""
    find_traits = TRAITS.get(type(launcher).__name__)
    return find_traits(launcher, num_jobs) if find_traits else CLUSTER


def check_launcher(traits: LauncherTraits, jobs: Sequence[Job], varying: Sequence[str]) -> None:
    """Refuse a launcher that cannot run the jobs here.

    Args:
        varying: the settings that differ between the jobs.

    Raises:
        ConfigError: its program is not installed, a setting of the process differs and jobs share
            a process, or the stores differ.
    """
    if traits.program and which(traits.program) is None and not jobs[0].config.sweep.dry_run:
        raise ConfigError(
            f"hydra/launcher: expected the command {traits.program} of this launcher. "
            f"Received: it was not found. Start the sweep where {traits.program} is installed, "
            "such as the login node of the cluster, or choose hydra/launcher=processes"
        )
    fixed = [key for key in varying if key in FIXED_IN_PROCESS]
    if fixed and not traits.process_per_job:
        raise ConfigError(
            f"{fixed[0]}: expected one value, because jobs share a process and TensorFlow reads it "
            "once. Received: several. Set hydra/launcher=slurm_local, which starts a process for "
            "each job"
        )
    if len({type(job.config.tracking) for job in jobs}) > 1:
        raise ConfigError("tracking: expected the same for all jobs of a sweep. Received: several")


def partition_resources(n_jobs: int | None, threads: int) -> None:
    """Give a worker its part of the cores and one GPU, before TensorFlow starts in it.

    Args:
        n_jobs: the number of workers on this machine; None if a cluster assigns the GPUs.
        threads: of one operation, `LauncherTraits.threads`, on which the hash of a job may depend.
    """
    os.environ[THREADS_VARIABLE] = str(threads)
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(threads))
    if n_jobs is None:
        return
    gpus = _visible_gpus()
    if len(gpus) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[_worker_index() % len(gpus)]


def _visible_gpus() -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu]
    from mnistexp.device import count_gpus

    return [str(index) for index in range(count_gpus())]


def _worker_index() -> int:
    """Return 2 for joblib's `LokyProcess-3`; the process id for a name without a number."""
    number = re.search(r"-(\d+)$", multiprocessing.current_process().name)
    return int(number[1]) - 1 if number else os.getpid()
