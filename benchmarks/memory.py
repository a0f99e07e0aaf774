"""Measure the peak memory of a run and of a plain Keras script: `python benchmarks/memory.py`.

Each trains the same network for one epoch on the same images, in a process of its own. The script
keeps the images as bytes and scales them in the network, which needs less memory than floats. The peak is
that of the resident memory, as the operating system reports it. A run also has a process that
writes to MLflow, whose peak is another column. It prints one row for each network, for
docs/speed_profile.md.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from mnistexp.config.compose import compose_config
from mnistexp.data.source import find_source

NUM_ROUNDS = 3
NETWORKS = {
    "softmax": "layers.Flatten()",
    "conv_big": """layers.Conv2D(6, 6, padding="same", activation="relu"),
    layers.Conv2D(12, 5, 2, padding="same", activation="relu"),
    layers.Conv2D(24, 4, 2, padding="same", activation="relu"), layers.Flatten(),
    layers.Dense(200, activation="relu"), layers.Dropout(0.25)""",
}
KERAS_SCRIPT = """
import gzip
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers


def load(name, offset):
    content = gzip.decompress((Path(sys.argv[1]) / f"{name}-ubyte.gz").read_bytes())
    return np.frombuffer(content, "u1", offset=offset)


images = load("train-images-idx3", 16).reshape(-1, 28, 28, 1)
labels = load("train-labels-idx1", 8)
test_images = load("t10k-images-idx3", 16).reshape(-1, 28, 28, 1)
test_labels = load("t10k-labels-idx1", 8)
keras.utils.set_random_seed(0)
model = keras.Sequential([
    keras.Input((28, 28, 1)), layers.Rescaling(1 / 255), LAYERS, layers.Dense(10, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(images[5000:], labels[5000:], batch_size=100, epochs=1, verbose=0,
          validation_data=(images[:5000], labels[:5000]))
print(model.evaluate(test_images, test_labels, verbose=0))
"""


def main() -> None:
    data = str(find_source(compose_config([])[0].data).path)
    print("| network | MB of a run | of its tracking process | of plain Keras | ratio |")
    print("|---|---:|---:|---:|---:|")
    for network, layers in NETWORKS.items():
        script = KERAS_SCRIPT.replace("LAYERS", layers)
        settings = [f"model={network}", "optim=adam", "train.epochs=1"]
        ours, tracking, keras = [], [], []
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            for _ in range(NUM_ROUNDS):
                run, child = peak_megabytes(folder, ["-m", "mnistexp", *settings])
                ours.append(run)
                tracking.append(child)
                keras.append(peak_megabytes(folder, ["-c", script, data])[0])
        medians = [statistics.median(values) for values in (ours, tracking, keras)]
        cells = " | ".join(f"{value:,.0f}" for value in medians)
        print(f"| `{network}` | {cells} | {medians[0] / medians[2]:.2f} |", flush=True)


def peak_megabytes(folder: str, arguments: list[str]) -> tuple[float, float]:
    """Return the peak memory of a Python process, and that of its largest child process.

    A process writes both numbers when it ends, because its parent only learns the larger one.
    """
    report = Path(folder) / "peak.txt"
    code = (
        "import atexit, resource, runpy, sys\n"
        "def write():\n"
        "    usages = [resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN]\n"
        "    peaks = [resource.getrusage(usage).ru_maxrss for usage in usages]\n"
        f"    open({str(report)!r}, 'w').write(' '.join(map(str, peaks)))\n"
        "atexit.register(write)\n"
    )
    if arguments[0] == "-m":
        code += "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)\n"
    else:
        code += "exec(sys.argv.pop(1))\n"
    command = [sys.executable, "-c", code, *arguments[1:]]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment)
    own, child = report.read_text().split()
    return int(own) / 1024, int(child) / 1024


if __name__ == "__main__":
    main()
