"""How launchers run jobs, and how workers share a machine."""

import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from support import QUICK, Command
from sweep_store import make_job

from mnistexp.errors import ConfigError
from mnistexp.sweeps.launchers import (
    LauncherTraits,
    check_launcher,
    launcher_traits,
    partition_resources,
)


@pytest.mark.parametrize(
    "setting", ["device.threads=1,2", "device=cpu,auto", "device.onednn=on,off"]
)
def test_settings_of_the_process_cannot_differ_between_jobs_of_one_process(
    mnistexp: Command, setting: str
) -> None:
    result = mnistexp("-m", setting, *QUICK)
    assert result.exit_code == 2
    assert "hydra/launcher=slurm_local" in result.err


def test_different_stores_in_one_sweep_are_refused() -> None:
    jobs = [make_job("seed=0", "tracking=mlflow"), make_job("seed=1", "tracking=none")]
    with pytest.raises(ConfigError, match="tracking: expected the same for all jobs of a sweep"):
        check_launcher(LauncherTraits(True, False, 1), jobs, ["seed"])


def test_a_sweep_on_slurm_needs_its_command(mnistexp: Command, tmp_path: Path) -> None:
    result = mnistexp("-m", "hydra/launcher=slurm", "seed=0,1", *QUICK)
    assert result.exit_code == 2
    (line,) = result.err.splitlines()
    assert line.startswith(
        "error: hydra/launcher: expected the command sbatch of this launcher. Received: it was not"
    )
    assert list(tmp_path.iterdir()) == []


def launcher(class_name: str, **attributes: Any) -> Any:
    return type(class_name, (), attributes)()


@pytest.mark.parametrize(
    ("example", "traits"),
    [
        (launcher("BasicLauncher"), LauncherTraits(True, False, 1)),
        (launcher("JoblibLauncher", joblib={"n_jobs": 4}), LauncherTraits(False, False, 3)),
        (launcher("JoblibLauncher", joblib={"n_jobs": -2}), LauncherTraits(False, False, 1)),
        (launcher("LocalLauncher"), LauncherTraits(False, True, 3)),
        (
            launcher("RayLauncher", ray_cfg={"remote": {"max_calls": 1}}),
            LauncherTraits(False, True, None, num_cpus=1),
        ),
        (
            launcher("RayLauncher", ray_cfg={"remote": {"num_cpus": 3}}),
            LauncherTraits(False, False, None, num_cpus=3),
        ),
        (
            launcher("SlurmLauncher", params={"cpus_per_task": 4}),
            LauncherTraits(False, True, None, False, program="sbatch", num_cpus=4),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_launcher_has_its_traits(
    example: Any, traits: LauncherTraits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert launcher_traits(example, num_jobs=3) == traits


def test_workers_of_a_machine_share_its_cores_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = []
    for number in (1, 2, 3):
        monkeypatch.setattr(os, "environ", {"CUDA_VISIBLE_DEVICES": "4,6"})
        monkeypatch.setattr(multiprocessing.current_process(), "name", f"LokyProcess-{number}")
        partition_resources(3, threads=2)
        gpus.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert gpus == ["4", "6", "4"]
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "2"


def test_a_cluster_assigns_the_gpus_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"CUDA_VISIBLE_DEVICES": "4,6"})
    partition_resources(None, threads=4)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,6"
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "4"


@pytest.mark.parametrize(
    ("traits", "threads"),
    [
        (LauncherTraits(True, False, 1), None),
        (LauncherTraits(False, False, 3), 2),
        (LauncherTraits(False, False, 16), 1),
        (LauncherTraits(False, True, None, num_cpus=4), 4),
    ],
)
def test_the_threads_of_a_worker_are_known_before_it_starts(
    traits: LauncherTraits, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert traits.threads == threads
    if threads is not None:
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")  # It is also that of the workers.
        assert traits.threads == 7
