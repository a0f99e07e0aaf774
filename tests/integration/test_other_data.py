"""The networks of the lab on images of other shapes and numbers of classes."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from support import train_untracked

from mnistexp.config.config_groups import list_groups

pytestmark = pytest.mark.integration

FASHION = Path("/usr/share/datasets/fashion-mnist")
NETWORKS = (
    *("softmax", "two_layers", "five_layers", "five_layers_dropout", "five_layers_batchnorm"),
    *("conv", "conv_big", "conv_batchnorm"),
)
DATA = {
    "kmnist": ((28, 28), 10),
    "emnist_letters": ((28, 28), 26),
    "emnist_balanced": ((28, 28), 47),
    "cifar10": ((32, 32, 3), 10),
}
"""Image shape and number of classes of each option of `data`."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """For each option of `data`, a file with images of its shape, whose brightness is the class."""
    folder = tmp_path_factory.mktemp("small")
    random = np.random.default_rng(0)
    paths = {}
    for name, (shape, num_classes) in DATA.items():
        labels = np.arange(10 * num_classes) % num_classes
        noise = random.integers(0, 20, (len(labels), *shape))
        levels = labels * 220 // num_classes
        images = (noise + levels.reshape(-1, *[1] * len(shape))).astype("u1")
        paths[name] = folder / f"{name}.npz"
        np.savez(paths[name], x_train=images, y_train=labels, x_test=images, y_test=labels)
    return paths


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_of_the_lab_fits_the_data(
    network: str, data: str, files: Mapping[str, Path]
) -> None:
    result = train_untracked(
        *(f"model={network}", f"data={data}", f"data.directory={files[data]}"),
        *("data.validation_size=50", "train.steps=6", "train.batch_size=50", "device.xla=off"),
    )
    assert np.isfinite(result.metrics["test_loss"])
    if network == "softmax":
        shape, num_classes = DATA[data]
        assert result.metrics["num_parameters"] == (math.prod(shape) + 1) * num_classes


@pytest.mark.skipif(
    not FASHION.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"
)
@pytest.mark.parametrize("option", list_groups()["fashion_mnist"])
def test_every_experiment_on_fashion_mnist_runs_two_steps(option: str) -> None:
    small = ["data.train_size=600", "data.validation_size=200", "data.test_slice=[0,200]"]
    steps = ["train.epochs=null", "train.steps=2", "device.xla=off"]
    result = train_untracked(f"fashion_mnist={option}", *small, *steps)
    assert np.isfinite(result.metrics["test_loss"])
