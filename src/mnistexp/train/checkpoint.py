"""Checkpoints: everything that the rest of a training depends on, in one file.

A file is a line that names the format, the SHA-256 of the content, and the content in MessagePack.
It is written whole or not at all: a kill, a crash or a full disk leaves the checkpoint before.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from mnistexp.file_writing import write_whole
from mnistexp.train.batch_order import BatchPosition

MAGIC = b"mnistexp checkpoint 1\n"
SUFFIX = ".checkpoint"
NUM_KEPT = 2
DIGEST_SIZE = hashlib.sha256().digest_size


@dataclass(frozen=True)
class StopperState:
    """The state of one of Keras' early-stopping callbacks.

    wait: evaluations since the best one. best: the best value; None before the first evaluation.
    best_step: where it was measured. best_weights: only if they are restored at the end.
    """

    wait: int
    best: float | None
    best_step: int
    best_weights: list[np.ndarray] | None


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after `step` steps, inside a segment (`TrainConfig.segments`).

    What follows from a complete segment (metrics, evaluations) is not in the checkpoint, but
    computed again. So a training continues in the same way from every step.

    segment_start: the step at which the segment begins. losses, accuracies: of its steps so far,
        float32. segment_seconds: duration of these steps.
    seconds: duration of the training so far.
    variables: of the network (weights, random states), then of the optimizer.
    position: of the order of the batches.
    curves: steps and values of each metric, up to the start of the segment.
    stoppers: the callbacks that stop the training or restore the best weights.
    """

    step: int
    segment_start: int
    losses: np.ndarray
    accuracies: np.ndarray
    segment_seconds: float
    seconds: float
    variables: list[np.ndarray]
    position: BatchPosition
    curves: Mapping[str, tuple[list[int], list[float]]]
    stoppers: list[StopperState]


class CheckpointFolder:
    """The folder with the last two checkpoints of a run."""

    def __init__(self, path: Path) -> None:
        """Args: path: is created when the first checkpoint is written."""
        self.path = path

    @property
    def is_empty(self) -> bool:
        """Whether there is no checkpoint, not even a damaged one."""
        return not self._files()

    @property
    def last_step(self) -> int:
        """The step of the last checkpoint; 0 if there is none."""
        return max((int(file.stem.removeprefix("step-")) for file in self._files()), default=0)

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and remove all but the last two.

        Raises:
            OSError: it cannot be written, for example on a full disk. The last one is intact.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / f"step-{checkpoint.step:09}{SUFFIX}"
        write_whole(file, _encode(checkpoint), durable=True)
        for old in [*self._files()[:-NUM_KEPT], *self.path.glob("*.unfinished")]:
            old.unlink()

    def read_latest(self) -> Checkpoint | None:
        """Return the latest checkpoint that is intact; None if there is none.

        A damaged one is removed, with a line that says so.
        """
        for file in reversed(self._files()):
            try:
                return _decode(file.read_bytes())
            except (ValueError, KeyError, TypeError) as error:
                print(f"{file}: this checkpoint is damaged ({error}); using the one before it")
                file.unlink()
        return None

    def _files(self) -> list[Path]:
        """Return the files in the order of their steps."""
        return sorted(self.path.glob(f"*{SUFFIX}"))


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a training.

    folder: where they are written; None writes none. start: where the training continues; None for
    its start.
    """

    folder: CheckpointFolder | None = None
    start: Checkpoint | None = None


NO_CHECKPOINTS = Checkpoints()


def _encode(checkpoint: Checkpoint) -> bytes:
    content = bytes(msgpack.packb(asdict(checkpoint), default=_encode_array))
    return MAGIC + hashlib.sha256(content).digest() + content


def _decode(data: bytes) -> Checkpoint:
    """Return the checkpoint in the content of a file. Raises ValueError if it is damaged."""
    if not data.startswith(MAGIC):
        raise ValueError("it does not begin as a checkpoint of this version of mnistexp")
    digest, content = data[len(MAGIC) :][:DIGEST_SIZE], data[len(MAGIC) + DIGEST_SIZE :]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("its checksum does not match")
    fields = msgpack.unpackb(content, object_hook=_decode_array)
    return Checkpoint(
        **{
            **fields,
            "position": BatchPosition(**fields["position"]),
            "stoppers": [StopperState(**state) for state in fields["stoppers"]],
        }
    )


def _encode_array(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.str, "shape": array.shape, "values": array.tobytes()}


def _decode_array(packed: dict[str, Any]) -> Any:
    if packed.keys() != {"dtype", "shape", "values"}:
        return packed
    return np.frombuffer(packed["values"], packed["dtype"]).reshape(packed["shape"])


def curves_before(
    curves: Mapping[str, Mapping[int, float]], step: int
) -> Iterator[tuple[str, tuple[list[int], list[float]]]]:
    """Yield the steps and values of each metric, up to a step, in the form of a checkpoint."""
    for name, curve in curves.items():
        points = {at: value for at, value in curve.items() if at <= step}
        if points:
            yield name, (list(points), list(points.values()))
