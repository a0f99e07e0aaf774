"""The contenders by name, and the process in which one of them trains."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from training_speed.block_timer import BlockTimer
from training_speed.case import Case

OURS = "mnistexp"
OURS_IN_PARTS = "mnistexp_parts"
JAX_SINGLE_THREAD = "--xla_cpu_multi_thread_eigen=false"


@dataclass(frozen=True)
class Contender:
    """A way to train.

    title: for the report. module: in this folder. package: that must be installed. settings: of
    the function `train`. steps_divisor: the steps of a block must be a multiple of it.
    splits_batches: computes parts of a batch on their own, which batch normalization does not allow.
    """

    title: str
    module: str
    package: str
    settings: dict[str, Any] = field(default_factory=dict)
    steps_divisor: int = 1
    for_convolutions: bool = False
    splits_batches: bool = False

    def can_train(self, case: Case) -> bool:
        """Whether its package is installed and the case makes sense for it."""
        if self.for_convolutions and not case.network.startswith("conv"):
            return False
        if self.splits_batches and case.network == "conv_batchnorm":
            return False
        return find_spec(self.package) is not None and case.steps % self.steps_divisor == 0


def _keras(title: str, steps: int = 1, **settings: Any) -> Contender:
    settings["steps_per_execution"] = steps
    return Contender(title, "keras_contenders", "keras", settings, steps)


def _pytorch(title: str, *, compiled: bool, channels_last: bool) -> Contender:
    settings = {"compiled": compiled, "channels_last": channels_last}
    return Contender(title, "pytorch_contender", "torch", settings, for_convolutions=channels_last)


def _mnistexp(title: str, *overrides: str, call_steps: int | None = None) -> Contender:
    settings = {"overrides": overrides, "call_steps": call_steps}
    return Contender(title, "mnistexp_contender", "mnistexp", settings)


CONTENDERS = {
    OURS: Contender("mnistexp", "mnistexp_contender", "mnistexp"),
    OURS_IN_PARTS: Contender(
        *("mnistexp, batches in two parts", "mnistexp_contender", "mnistexp"),
        {"in_parts": True},
        splits_batches=True,
    ),
    "keras": _keras("Keras `fit` as it comes"),
    "keras_20": _keras("Keras, 20 steps per execution", 20, jit_compile=False),
    "keras_20_xla": _keras("Keras, 20 steps, XLA", 20, jit_compile=True),
    "keras_200": _keras("Keras, 200 steps per execution", 200, jit_compile=False),
    "keras_200_xla": _keras("Keras, 200 steps, XLA", 200, jit_compile=True),
    "keras_gather": _keras("Keras, 20 steps, gathers", 20, jit_compile=False, gather=True),
    "keras_gather_xla": _keras("Keras, 20 steps, gathers, XLA", 20, jit_compile=True, gather=True),
    "pytorch": _pytorch("PyTorch, eager", compiled=False, channels_last=False),
    "pytorch_last": _pytorch("PyTorch, eager, channels last", compiled=False, channels_last=True),
    "pytorch_compiled": _pytorch("PyTorch, compiled", compiled=True, channels_last=False),
    "pytorch_compiled_last": _pytorch(
        "PyTorch, compiled, channels last", compiled=True, channels_last=True
    ),
    "jax": Contender("JAX, `lax.scan`", "jax_contender", "jax"),
}
ALTERNATIVES = {
    "xla_on": _mnistexp("`device.xla=on`", "device.xla=on"),
    "xla_off": _mnistexp("`device.xla=off`", "device.xla=off"),
    "one_thread": _mnistexp("`device.threads=1`", "device.threads=1"),
    "calls_of_10": _mnistexp("calls of 10 steps", call_steps=10),
    "calls_of_200": _mnistexp("calls of 200 steps", call_steps=200),
}
"""mnistexp with other settings than it chooses itself."""


def find_contender(name: str) -> Contender:
    """Return a contender or an alternative."""
    return {**CONTENDERS, **ALTERNATIVES}[name]


class ContenderProcess:
    """A contender that is set up in a new process and waits for its next block.

    Each has a process of its own, so the settings of one do not affect another.
    """

    def __init__(self, name: str, case: Case, errors: IO[str]) -> None:
        self.name = name
        self._errors = errors
        self._process = subprocess.Popen(
            [sys.executable, "-m", "training_speed.contenders", name, case.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(
                    filter(None, [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH")])
                ),
                "TF_CPP_MIN_LOG_LEVEL": "3",
                **({"XLA_FLAGS": JAX_SINGLE_THREAD} if case.threads == 1 else {}),
            },
        )

    def train_block(self) -> tuple[float, float]:
        """Train a block; return its seconds, and the computing time of all threads."""
        assert self._process.stdin is not None
        print("go", file=self._process.stdin, flush=True)
        seconds, cpu_seconds = self._read()
        return seconds, cpu_seconds

    def read_accuracy(self) -> float:
        """Return the test accuracy, after the last block."""
        return float(self._read())

    def _read(self) -> Any:
        """Return the next value that the process sends.

        Raises:
            RuntimeError: the process has ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"{self.name} ended:\n{self._errors.read()[-2000:]}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def main(name: str, case_text: str) -> None:
    """Train in this process, block by block; then send the test accuracy."""
    timer = BlockTimer()
    contender = find_contender(name)
    module = importlib.import_module(f"training_speed.{contender.module}")
    timer.send(module.train(Case.from_json(case_text), timer, **contender.settings))


if __name__ == "__main__":
    main(*sys.argv[1:])
