"""Hashes that identify a run by everything that determines its results."""

import hashlib
import json
from collections.abc import Collection

from mnistexp.config.config import Config

RESULTS_VERSION = 1
"""Raise this number when a change of the code changes the results of equal configs on purpose.

It is part of every hash. After it is raised, `verify` and sweeps ignore earlier runs and train
again. The version of the package is not part of the hash, so a release keeps earlier runs.
`tests/config/test_config_hash.py` compares the hashes of some configs with stored ones.
"""
SECTIONS_WITHOUT_EFFECT_ON_RESULTS = ("tracking", "dashboard", "sweep", "expect")


def config_hash(config: Config, data_digest: str) -> str:
    """Return the SHA-256 of everything that determines a result.

    Included: the settings, the content of the data files and `RESULTS_VERSION`. Excluded: tracking,
    dashboard, sweep, expectation, the folder and URL of the data files, the index of the GPU, the
    interval of checkpoints, and settings at their default. So a new setting with a default does not
    change existing hashes.

    Args:
        config: the config of the run.
        data_digest: the digest of the data files, `Data.digest`.
    """
    return _hash_settings(config, (), data_digest)


def seedless_hash(config: Config, data_digest: str) -> str:
    """Return the hash without the seed: equal for runs that differ only in their seed."""
    return _hash_settings(config, ("seed",), data_digest)


def workload_hash(config: Config) -> str:
    """Return the hash without optimizer, seed and data. Equal hashes mean about equal durations."""
    return _hash_settings(config, ("seed", "optim"), "")


def step_hash(config: Config) -> str:
    """Return the workload hash without the length. Equal hashes: about equal seconds per step."""
    train = config.train.model_copy(update={"epochs": None, "steps": None})
    data = config.data.model_copy(update={"train_size": None})
    return workload_hash(config.model_copy(update={"train": train, "data": data}))


def _hash_settings(config: Config, excluded: Collection[str], data_digest: str) -> str:
    sections = (*SECTIONS_WITHOUT_EFFECT_ON_RESULTS, *config.unused_sections, *excluded)
    settings = config.model_dump(
        mode="json",
        exclude_defaults=True,
        exclude={
            "data": {"directory", "url"},
            "device": {"index"},
            "train": {"checkpoint_every"},
            **dict.fromkeys(sections, True),
        },
    )
    # Keys are not sorted: the order of layers has an effect, and the schema orders all others.
    hashed = {"config": settings, "data": data_digest, "results_version": RESULTS_VERSION}
    return hashlib.sha256(json.dumps(hashed).encode()).hexdigest()
