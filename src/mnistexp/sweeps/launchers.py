"""How Hydra's launchers run jobs, as far as a sweep has to know."""

import multiprocessing
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.plugins.launcher import Launcher

from mnistexp.errors import ConfigError
from mnistexp.sweeps.jobs import Job

FIXED = ("device", "device.type", "device.index", "device.threads", "device.onednn")
"""Settings that cannot change once TensorFlow has started."""


@dataclass(frozen=True)
class LauncherTraits:
    """How a launcher runs jobs.

    in_process: in this very process, one after the other. process_per_job: a job never meets what
    another one has left. num_at_once: jobs that share this machine; None where others see to that.
    killed_with_parent: no job goes on when the sweep's process ends.
    """

    in_process: bool
    process_per_job: bool
    num_at_once: int | None
    killed_with_parent: bool = True


def launcher_traits(launcher: Launcher, num_jobs: int) -> LauncherTraits:
    """The engine behind a launcher. One that is not known is taken for a cluster."""
    name = type(launcher).__name__
    settings: Any = launcher
    if name == "BasicLauncher":
        return LauncherTraits(in_process=True, process_per_job=False, num_at_once=1)
    if name == "JoblibLauncher":
        n_jobs = int(settings.joblib.get("n_jobs", -1))
        wanted = n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)
        return LauncherTraits(False, False, min(wanted, num_jobs))
    if name == "LocalLauncher":
        return LauncherTraits(False, True, num_jobs)
    if name == "RayLauncher":
        remote = settings.ray_cfg.get("remote") or {}
        return LauncherTraits(False, remote.get("max_calls") == 1, None)
    return LauncherTraits(False, True, None, killed_with_parent=False)


def check_launcher(engine: LauncherTraits, jobs: Sequence[Job], different: Sequence[str]) -> None:
    """Refuse a sweep over what cannot change within a process.

    Raises:
        ConfigError: the launcher gives several jobs to one process.
    """
    fixed = [key for key in different if key in FIXED]
    if fixed and not engine.process_per_job:
        raise ConfigError(
            f"{fixed[0]}: cannot differ between jobs of one process, once TensorFlow has started. "
            "Add hydra/launcher=slurm_local, which gives each job a process of its own"
        )
    parts = {type(job.config.tracking).__name__ for job in jobs}
    if len(parts) > 1:
        raise ConfigError("tracking: expected the same for all jobs of a sweep. Received: several")


def partition_resources(num_at_once: int | None) -> None:
    """In a worker, before TensorFlow starts: its part of the cores, and one of the GPUs.

    Args:
        num_at_once: workers on this machine; None where a cluster deals out its resources.
    """
    if num_at_once is None:
        return
    threads = max(1, (os.cpu_count() or 1) // num_at_once)
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(threads))
    gpus = _visible_gpus()
    if len(gpus) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[_worker_number() % len(gpus)]


def _visible_gpus() -> list[str]:
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [gpu for gpu in chosen.split(",") if gpu]
    from mnistexp.device import count_gpus

    return [str(index) for index in range(count_gpus())]


def _worker_number() -> int:
    """`LokyProcess-3` is the third worker; a process without a number goes by its id."""
    number = re.search(r"-(\d+)$", multiprocessing.current_process().name)
    return int(number[1]) - 1 if number else os.getpid()
