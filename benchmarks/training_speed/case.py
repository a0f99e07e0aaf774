"""What every contender trains: network, batch size, precision, data, initial weights and steps."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config
from mnistexp.data import Data, load_data
from mnistexp.learner.network import MIN_STEPS_OF_SINGLE_LAYER
from mnistexp.model import NetworkConfig
from mnistexp.model.layers import Layer, ordered_layers

STEPS = {"softmax": 600, "five_layers": 600, "conv_big": 200, "conv_batchnorm": 40}
"""Networks, and the maximum number of steps of one block."""
NUM_IMAGES = 60_000
BATCH_SIZES = (32, 100, 512)
NORMALIZATION_LAYERS = ("norm1", "norm2", "norm3", "norm4")
ADAM_EPSILON = 1e-7
"""The default of Keras. PyTorch and JAX users have others, which do not change the speed."""
PRECISIONS = ("float32", "mixed_bfloat16")
"""`mixed_bfloat16`: layers compute with bfloat16; weights and loss are float32."""


@dataclass(frozen=True)
class Case:
    """A training in blocks of steps.

    steps: of a block. blocks: their number, with the first one, which includes compilation.
    threads: of one operation; None: all cores. precision: one of `PRECISIONS`.
    """

    network: str
    batch_size: int
    steps: int
    blocks: int
    threads: int | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        """Check the length of a block.

        Raises:
            ValueError: a block is longer than an epoch, at whose end Keras' `fit` would end it.
        """
        if self.steps * self.batch_size > NUM_IMAGES:
            raise ValueError(
                f"--steps: expected at most {NUM_IMAGES // self.batch_size}, an epoch of batches of "
                f"{self.batch_size} images. Received: {self.steps}"
            )

    def to_json(self) -> str:
        """Return the case as an argument of a process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Case":
        """Return the case of `to_json`."""
        return cls(**json.loads(text))

    @property
    def is_mixed(self) -> bool:
        """Whether the layers compute with bfloat16."""
        return self.precision == "mixed_bfloat16"

    def config(self, *more_overrides: str) -> Config:
        """Return the settings of mnistexp."""
        overrides = [f"model={self.network}", f"train.batch_size={self.batch_size}"]
        overrides += ["data=mnist_60000", "tracking=none", "train.evaluate_on=[]"]
        overrides += [f"train.steps={self.steps * self.blocks}", f"train.log_every={self.steps}"]
        overrides.append(f"train.evaluate_every={self.steps}")  # An evaluation ends a segment.
        overrides.append(f"device.precision={self.precision}")
        if self.threads is not None:
            overrides.append(f"device.threads={self.threads}")
        if self.network == "conv_batchnorm":
            # The moving averages of 0.999 need thousands of steps, unless their momentum warms up.
            for name in NORMALIZATION_LAYERS:
                layer = f"model.layers.{name}"
                overrides += [f"{layer}.momentum=0.9", f"{layer}.momentum_warmup=false"]
        return compose_config([*overrides, *more_overrides])[0]

    def data(self) -> Data:
        """Return the 60,000 training images and the 10,000 test images, uint8."""
        return load_data(self.config().data)

    def layers(self) -> list[tuple[str, Layer]]:
        """Return the layers of the model preset, by name."""
        model = self.config().model
        assert isinstance(model, NetworkConfig)
        return ordered_layers(model.layers)

    def batches(self, num_images: int) -> Iterator[np.ndarray]:
        """Yield the indices of the images of each block, int32 [steps, batch_size].

        The images are shuffled again in every epoch, and every batch is full.
        """
        random = np.random.default_rng(0)
        pending = np.empty(0, "i4")
        size = self.steps * self.batch_size
        while True:
            while len(pending) < size:
                pending = np.concatenate([pending, random.permutation(num_images).astype("i4")])
            yield pending[:size].reshape(self.steps, self.batch_size)
            pending = pending[size:]


def default_steps(network: str, batch_size: int) -> int:
    """Return the steps of one block: at most an epoch, and a multiple of 20 if it has so many."""
    epoch = NUM_IMAGES // batch_size
    return min(STEPS[network], epoch // 20 * 20 or epoch)


def default_rounds(network: str) -> int:
    """Return the number of rounds.

    A single dense layer trains for so many steps that mnistexp compiles it with XLA, unless the
    batches are so large that an epoch has fewer steps than `STEPS`.
    """
    return MIN_STEPS_OF_SINGLE_LAYER // STEPS[network] if network == "softmax" else 7


def initial_values(setting: Any, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Return initial weights, float32, by an initializer of the model presets.

    Raises:
        ValueError: the presets of this benchmark do not have this initializer.
    """
    if setting == "zeros" or isinstance(setting, float):
        return np.full(shape, 0.0 if setting == "zeros" else setting, "f4")
    if getattr(setting, "type", None) != "truncated_normal":
        raise ValueError(f"expected a number, zeros or truncated_normal. Received: {setting!r}")
    values = random.normal(size=math.prod(shape))
    while (far := np.abs(values) > 2).any():
        values[far] = random.normal(size=far.sum())
    scaled: np.ndarray = (values * setting.stddev).reshape(shape).astype("f4")
    return scaled
