"""The hash that identifies a run: what changes it, and what does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnistexp.config import config_hash as config_hash_module
from mnistexp.config.compose import compose_config
from mnistexp.config.config_hash import config_hash, seedless_hash, step_hash, workload_hash
from mnistexp.data.files import DATASETS

STORED_HASHES = {
    "model=softmax": "8dd92355f6bbb485dee70137c17baace2dcb292c0377981a6a9b478444b50435",
    "model=conv_big optim=adam_decay": (
        "7a0333f4439b653ea6a5dc04a7d0651a298f34ba0e94cc53a8460576f5eb9840"
    ),
    "lab=3_1_conv_big_dropout": "927a651c2ffae244d8cee1c0f3aa7cb81e20833e523b14383084c7847aca4dc3",
}
"""`config_hash` of each config with the data digest "data" and two threads."""


def hash_of(*overrides: str, threads: int = 2) -> str:
    return config_hash(compose_config(list(overrides))[0], "data", threads)


@pytest.mark.parametrize("overrides", STORED_HASHES)
def test_hashes_are_the_stored_ones(overrides: str) -> None:
    found = hash_of(*overrides.split())
    assert found == STORED_HASHES[overrides], (
        f"The hash of {overrides!r} changed, so `verify` and sweeps no longer recognize earlier "
        "runs of it. Did you rename a setting, change a default or an option? If so, and if that "
        f"is intended, store the new hash here: {found}. If equal configs now give other results, "
        "raise RESULTS_VERSION in mnistexp/config/config_hash.py too."
    )


@pytest.mark.parametrize(
    "override",
    [
        *("tracking=none", "tracking.tags={a: b}", "tracking.register=x"),
        "device.index=1",
        "train.epochs=5",  # The length without a setting.
    ],
)
def test_a_setting_without_effect_on_results_keeps_the_hash(override: str) -> None:
    assert hash_of(override) == hash_of()


def test_a_copy_of_the_data_keeps_name_and_hash(tmp_path: Path) -> None:
    for file in (DATASETS / "mnist").glob("*.gz"):
        (tmp_path / file.name).symlink_to(file)
    config, _ = compose_config([f"data.directory={tmp_path}"])
    assert config.data.name == "mnist"
    assert hash_of(f"data.directory={tmp_path}") == hash_of()


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "optim.learning_rate=0.4",
        "data.train_size=100",
        "device.precision=mixed_bfloat16",
        "train.epochs=2",
    ],
)
def test_a_setting_with_effect_on_results_changes_the_hash(override: str) -> None:
    assert hash_of(override) != hash_of()


@pytest.mark.parametrize("model", ["conv", "conv_batchnorm"])
def test_the_hash_contains_the_threads_if_the_weights_depend_on_them(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"model={model}"
    assert hash_of(name, threads=1) != hash_of(name, threads=2)
    assert hash_of(name, "device.threads=1", threads=2) == hash_of(name, threads=1)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    config = compose_config([name])[0]
    assert config_hash(config, "data") == hash_of(name, threads=7)


@pytest.mark.parametrize(
    "overrides",
    [
        *("model=five_layers_dropout", "model=five_layers_batchnorm", "model=random_forest"),
        "model=conv device=gpu",
    ],
)
def test_the_hash_does_not_contain_the_threads_if_the_weights_do_not_depend_on_them(
    overrides: str,
) -> None:
    names = overrides.split()
    assert hash_of(*names, threads=1) == hash_of(*names, threads=2)


def test_other_data_files_change_the_hash() -> None:
    config, _ = compose_config([])
    assert config_hash(config, "data") != config_hash(config, "other data")


def test_another_package_version_keeps_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_of()
    monkeypatch.setattr("mnistexp.version.__version__", "99.0")
    monkeypatch.setattr("importlib.metadata.version", lambda _: "99.0")
    assert hash_of() == before


def test_another_results_version_changes_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_of()
    monkeypatch.setattr(config_hash_module, "RESULTS_VERSION", 99)
    assert hash_of() != before


def test_the_seedless_hash_ignores_only_the_seed() -> None:
    config, other_seed = compose_config([])[0], compose_config(["seed=1"])[0]
    assert seedless_hash(config, "data") == seedless_hash(other_seed, "data")
    other_model = compose_config(["model=two_layers"])[0]
    assert seedless_hash(config, "data") != seedless_hash(other_model, "data")


def test_the_workload_hash_ignores_the_optimizer_and_the_seed() -> None:
    config, other_optimizer = compose_config([])[0], compose_config(["optim=adam", "seed=1"])[0]
    assert workload_hash(config) == workload_hash(other_optimizer)
    assert workload_hash(config) != workload_hash(compose_config(["train.epochs=2"])[0])


def test_the_step_hash_also_ignores_the_length() -> None:
    hashes = {
        step_hash(compose_config(overrides)[0])
        for overrides in ([], ["train.epochs=2"], ["train.steps=9"], ["data.train_size=500"])
    }
    assert len(hashes) == 1
    assert step_hash(compose_config(["train.batch_size=50"])[0]) not in hashes


def test_hashes_and_shared_settings_are_equal_in_every_process() -> None:
    """Python orders sets of strings by a hash that PYTHONHASHSEED changes."""
    code = (
        "from mnistexp.config.compose import compose_config\n"
        "from mnistexp.config.config import SHARED_MODEL_SETTINGS\n"
        "from mnistexp.config.config_hash import config_hash\n"
        "print(config_hash(compose_config(['model=conv'])[0], 'data'), SHARED_MODEL_SETTINGS)\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
