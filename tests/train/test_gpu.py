"""conv_big on a GPU in every precision, with XLA on and off: `make test-gpu`."""

import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from mnistexp.device import count_gpus

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(count_gpus() == 0, reason="not run: no NVIDIA GPU here"),
]

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
XLA_SETTINGS = ("on", "off")


def test_conv_big_reaches_the_same_accuracy_in_every_precision(tmp_path: Path) -> None:
    """Train three epochs in each combination, each in a new process."""
    accuracies: dict[tuple[str, str], float] = {}
    for precision in PRECISIONS:
        for xla in XLA_SETTINGS:
            settings = [f"device.precision={precision}", f"device.xla={xla}", "train.epochs=3"]
            command = [sys.executable, "-m", "mnistexp", "device=gpu", "model=conv_big"]
            subprocess.run([*command, "optim=adam_decay", *settings], cwd=tmp_path, check=True)
            (run, *_) = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])
            assert run.data.tags["device_type"] == "gpu"
            accuracies[precision, xla] = run.data.metrics["test_accuracy"]
            speed = run.data.metrics["mean_images_per_second"]
            print(f"{precision:15} xla {xla:3} {accuracies[precision, xla]:.4f} {speed:,.0f}/s")
    assert min(accuracies.values()) > 0.985
    assert max(accuracies.values()) - min(accuracies.values()) < 0.005
