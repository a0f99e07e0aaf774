"""The losses of the first steps of every model preset, and the file in which they are stored.

    python tests/stored_curves.py

writes the file again, in a few minutes. Do that only if a change of the results is intended, or
if the versions of the packages have changed, and say so in the commit.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.device import cpu_device
from mnistexp.learner.network import NetworkLearner

FILE = Path(__file__).parent / "stored_curves.json"
NUM_STEPS = 100
NUM_STEPS_OF_SLOW = 20
"""Of `SLOW_WITH_XLA` with XLA, which takes up to seconds for a step, and is not the default."""
SLOW_WITH_XLA = ("conv_batchnorm", "conv_small", "conv_fast", "conv_deep")
GROWING = ("conv", "conv_big", "conv_batchnorm", "conv_small", "conv_fast", "conv_deep")
"""Models in which the rounding errors of another processor grow from step to step. A change of the
first weights by 1e-7 changes the losses by up to 7e-2 within 100 steps, and those with batch
normalization by 2e-3 at step 5. After the first steps, the tolerance is higher."""
NUM_STEPS_BEFORE_GROWTH = 4
MAX_GROWTH = 0.15
MODELS = (
    *("softmax", "linear", "two_layers", "five_layers", "five_layers_dropout"),
    *("five_layers_batchnorm", "conv", "conv_big", "conv_batchnorm"),
    *("conv_small", "conv_fast", "conv_deep"),
)
XLA_SETTINGS = ("off", "on")
FAST = (
    *((model, "off") for model in ("softmax", "linear", "two_layers", "five_layers", "conv")),
    ("five_layers_batchnorm", "on"),
)
"""Model and XLA of the unit tests."""
SLOW = tuple((model, xla) for model in MODELS for xla in XLA_SETTINGS if (model, xla) not in FAST)
"""Model and XLA of the integration tests."""


def num_steps(model: str, xla: str) -> int:
    """Return the number of steps whose losses are stored."""
    return NUM_STEPS_OF_SLOW if xla == "on" and model in SLOW_WITH_XLA else NUM_STEPS


def compute_losses(model: str, xla: str) -> np.ndarray:
    """Train a preset with its optimizer and seed 0 on the CPU; return float32 [num_steps]."""
    steps = num_steps(model, xla)
    config, _ = compose_config(
        [
            *(f"model={model}", "seed=0", "device=cpu", f"device.xla={xla}"),
            *("data.train_size=10000", "data.validation_size=1000", "dashboard=off"),
            *(f"train.steps={steps}", "train.log_every=1", f"train.evaluate_every={steps}"),
        ]
    )
    data = load_data(config.data)
    result = NetworkLearner(config, data).fit(data, log_metrics=lambda *_: None)
    return np.array(list(result.history["train_loss"].values()), "f4")


def check_losses(model: str, xla: str, cases: tuple[tuple[str, str], ...]) -> None:
    """Check that a preset has the stored losses: exactly on the machine that stored them.

    Args:
        cases: the models and XLA settings that are computed together, in a new process.
    """
    stored, computed = json.loads(FILE.read_text()), _compute_in_new_process(cases)
    name = f"{model} xla={xla}"
    hint = f"{model} gives other losses. If that is intended: python tests/stored_curves.py"
    # Convolutions sum in another order with another number of cores.
    is_same = stored["machine"] == computed["machine"]
    found, expected = np.array(computed[name], "f4"), np.array(stored[name], "f4")
    first = slice(NUM_STEPS_BEFORE_GROWTH if model in GROWING else None)
    tolerance = 0 if is_same else 1e-3
    np.testing.assert_allclose(found[first], expected[first], rtol=tolerance, err_msg=hint)
    tolerance = 0 if is_same else MAX_GROWTH
    np.testing.assert_allclose(found, expected, rtol=tolerance, err_msg=hint)


@cache
def _compute_in_new_process(cases: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return machine and losses. No other test has set up the TensorFlow of a new process."""
    names = [f"{model}:{xla}" for model, xla in cases]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "losses.json"
        subprocess.run([sys.executable, __file__, str(file), *names], check=True)
        losses: dict[str, Any] = json.loads(file.read_text())
        return losses


def describe_machine() -> dict[str, Any]:
    """Return what the last bits of a loss depend on."""
    packages = ("tensorflow", "keras", "numpy")
    return {
        "cpu": cpu_device().name,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        **{name: version(name) for name in packages},
    }


def write_file(file: Path, cases: Iterable[tuple[str, str]]) -> None:
    """Write the machine and the curves of some cases, each on a line of its own."""
    curves = {f"{model} xla={xla}": compute_losses(model, xla) for model, xla in cases}
    lines = [f'"machine": {json.dumps(describe_machine())}']
    lines += [f'"{name}": [{", ".join(map(str, losses))}]' for name, losses in curves.items()]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    if sys.argv[1:]:
        pairs = [name.split(":") for name in sys.argv[2:]]
        write_file(Path(sys.argv[1]), [(model, xla) for model, xla in pairs])
    else:
        write_file(FILE, [(model, xla) for model in MODELS for xla in XLA_SETTINGS])
