"""The hash that identifies a run: what changes it, and what does not."""

import os
import subprocess
import sys

import pytest

from mnistexp.config import config_hash as config_hash_module
from mnistexp.config.compose import compose_config
from mnistexp.config.config_hash import config_hash, seedless_hash, step_hash, workload_hash

STORED_HASHES = {
    "model=softmax": "95bda7839ba9dd291c783b42ebd85a8ce0a945bfe3161a0d2cd8e9665b20c259",
    "model=conv_big optim=adam_decay": (
        "b3a2b6e3b4ded143f08b852384278192041e6fb7dab6f3d71218520cc44cd280"
    ),
    "lab=3_1_conv_big_dropout": "afeca094877b30c82e4ada3c2bb1a1b84faaba06321edb539327151f217f50bf",
}
"""`config_hash` of each config with the data digest "data"."""


def hash_of(*overrides: str) -> str:
    return config_hash(compose_config(list(overrides))[0], "data")


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
        *("data.directory=/x", "device.index=1"),
    ],
)
def test_a_setting_without_effect_on_results_keeps_the_hash(override: str) -> None:
    assert hash_of(override) == hash_of()


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
    monkeypatch.setattr(config_hash_module, "RESULTS_VERSION", 2)
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
