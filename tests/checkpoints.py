"""Helpers of the tests of checkpoints: one for every step, and what must be equal afterwards."""

from typing import Any

import keras
import pytest
from support import train_network

from mnistexp.data import Data
from mnistexp.train import Checkpoint, CheckpointFolder, TrainingResult, checkpoint


def results(training: tuple[keras.Model, TrainingResult]) -> tuple[bytes, dict[str, Any]]:
    """All weights, and the curves of all metrics but the speed."""
    network, result = training
    curves = {name: result.history[name] for name in result.history.names}
    del curves["images_per_second"]
    return b"".join(weight.tobytes() for weight in network.get_weights()), curves


def call_with_one_step(patch: pytest.MonkeyPatch) -> None:
    """Let each call of the compiled loop have one step, and keep all checkpoints."""
    patch.setattr("mnistexp.train.compiled_trainer.FIRST_CHUNK_STEPS", 1)
    patch.setattr("mnistexp.train.compiled_trainer.CHUNK_SECONDS", 0)
    patch.setattr(checkpoint, "NUM_KEPT", 1_000)


def checkpoints_of_every_step(
    data: Data, folder: CheckpointFolder, *settings: str, xla: bool = False
) -> list[Checkpoint]:
    """Train with calls of one step, and return the checkpoint after each step."""
    with pytest.MonkeyPatch.context() as patch:
        call_with_one_step(patch)
        settings = (*settings, "train.checkpoint_every=1")
        train_network(data, *settings, xla=xla, checkpoints=folder)
    found = []
    while (latest := folder.read_latest()) is not None:
        found.append(latest)
        max(folder.path.iterdir()).unlink()
    return found[::-1]
