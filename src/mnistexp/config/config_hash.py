"""Hashes that identify a run by everything that determines its results."""

import hashlib
import json
from collections.abc import Collection

from mnistexp.config.config import Config
from mnistexp.device import num_threads
from mnistexp.model import NetworkConfig
from mnistexp.model.layers import walk_layers
from mnistexp.train.config import DEFAULT_EPOCHS

RESULTS_VERSION = 2
"""Raise this number when a change of the code changes the results of equal configs on purpose.

It is part of every hash. After it is raised, `verify` and sweeps ignore earlier runs and train
again. The version of the package is not part of the hash, so a release keeps earlier runs.
`tests/config/test_config_hash.py` compares the hashes of some configs with stored ones.
"""
SECTIONS_WITHOUT_EFFECT_ON_RESULTS = ("tracking", "dashboard", "sweep", "expect")


THREAD_INDEPENDENT_LAYERS = {
    *("dense", "flatten", "dropout", "activation", "batch_normalization", "residual")
}
"""Layers whose results are the same with any number of threads. Those of convolutions are not:
TensorFlow splits their sums between the threads, so they are rounded in another way."""


def config_hash(config: Config, data_digest: str, threads: int | None = None) -> str:
    """Return the SHA-256 of everything that determines a result.

    Included: the settings, the content of the data files and `RESULTS_VERSION`. Excluded: tracking,
    dashboard, sweep, expectation, the folder and URL of the data files, the index of the GPU, the
    interval of checkpoints, and settings at their default, such as 5 epochs. So a new setting with
    a default does not change existing hashes. The number of threads is included for networks whose
    weights depend on it.

    Args:
        config: the config of the run.
        data_digest: the digest of the data files, `Data.digest`.
        threads: that one operation may use where the run is trained, unless `device.threads` is
            set. Default: those of this process.
    """
    if not depends_on_threads(config):
        return _hash_settings(config, (), data_digest)
    number = config.device.threads or threads or num_threads(config.device)
    return _hash_settings(config, (), data_digest, number)


def depends_on_threads(config: Config) -> bool:
    """Return whether the weights depend on the number of threads, on a CPU."""
    if not isinstance(config.model, NetworkConfig) or config.device.type == "gpu":
        return False
    types = {layer.type for _, layer in walk_layers(config.model.layers)}
    return not types <= THREAD_INDEPENDENT_LAYERS


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


def _hash_settings(
    config: Config, excluded: Collection[str], data_digest: str, threads: int | None = None
) -> str:
    sections = (*SECTIONS_WITHOUT_EFFECT_ON_RESULTS, *config.unused_sections, *excluded)
    # The recorded config always names its length; the config that is trained may leave it out.
    default_length = {"epochs"} if config.train.epochs == DEFAULT_EPOCHS else set()
    settings = config.model_dump(
        mode="json",
        exclude_defaults=True,
        exclude={
            "data": {"directory", "url", "class_names"},
            "device": {"index"} if threads is None else {"index", "threads"},
            "train": {"checkpoint_every"} | default_length,
            **dict.fromkeys(sections, True),
        },
    )
    # Keys are not sorted: the order of layers has an effect, and the schema orders all others.
    hashed = {"config": settings, "data": data_digest, "results_version": RESULTS_VERSION}
    if threads is not None:
        hashed["threads"] = threads
    return hashlib.sha256(json.dumps(hashed).encode()).hexdigest()
