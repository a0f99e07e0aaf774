"""The benchmark of the training speed runs, and mnistexp trains faster than plain Keras."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
MIN_RATIOS = {"softmax": 1.5, "five_layers": 1.2}
"""Half of what is measured, or less."""
OPTIONAL = {"pytorch": ("torch", "PyTorch, eager"), "jax": ("jax", "JAX, `lax.scan`")}


def measure(folder: Path, *options: str) -> str:
    """Measure all contenders without variants in a folder. Return what is printed."""
    contenders = ["--contenders", "mnistexp", "mnistexp_parts", "keras", *OPTIONAL]
    files = ["--results", str(folder / "results.json"), "--report", str(folder / "speed.md")]
    command = [sys.executable, "-m", "training_speed", *options, *contenders, *files]
    done = subprocess.run(command, cwd=CHECKOUT / "benchmarks", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results and the page of a short measurement."""
    path = tmp_path_factory.mktemp("speed")
    options = ["--networks", *MIN_RATIOS, "--batch-sizes", "100", "--steps", "200", "--rounds", "5"]
    options += ["--threads", "1"]  # Other tests have little effect on its computing time.
    assert "round 5 of 5: mnistexp" in measure(path, *options)
    return path


def load_results(folder: Path) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = json.loads((folder / "results.json").read_text())
    return results


@pytest.mark.integration
def test_all_contenders_learn_the_digits_in_the_same_number_of_steps(folder: Path) -> None:
    for result in load_results(folder):
        assert {"mnistexp", "mnistexp_parts", "keras"} <= set(result["accuracy"])
        for name, accuracy in result["accuracy"].items():
            assert len(result["blocks"][name]) == 5
            assert accuracy > 0.88, name


@pytest.mark.integration
def test_contenders_whose_package_is_missing_have_empty_cells(folder: Path) -> None:
    page = (folder / "speed.md").read_text()
    for package, title in OPTIONAL.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| {title} |"))
        cells = [cell.strip() for cell in row.split("|")[2:-1]]
        assert len(cells) == 2
        assert all(bool(cell) == (find_spec(package) is not None) for cell in cells)


@pytest.mark.integration
@pytest.mark.parametrize("network", MIN_RATIOS)
def test_a_training_is_faster_than_with_plain_keras(folder: Path, network: str) -> None:
    (result,) = [result for result in load_results(folder) if result["network"] == network]
    assert result["threads"] == 1
    seconds = {name: median(blocks) for name, blocks in result["cpu_blocks"].items()}
    assert seconds["keras"] / seconds["mnistexp"] >= MIN_RATIOS[network]


@pytest.mark.integration
def test_blocks_of_keras_have_all_steps_if_they_do_not_fill_an_epoch(tmp_path: Path) -> None:
    """An epoch has 117 full batches. The contender fails if it has not trained for all steps."""
    options = ["--networks", "softmax", "--batch-sizes", "512", "--steps", "50", "--rounds", "3"]
    measure(tmp_path, *options)
    (result,) = load_results(tmp_path)
    assert len(result["blocks"]["keras"]) == 3


@pytest.mark.integration
def test_bfloat16_and_large_batches_have_a_table_of_their_own(tmp_path: Path) -> None:
    options = ["--networks", "softmax", "--rounds", "1", "--batch-sizes", "4096"]
    measure(tmp_path, *options, "--precision", "mixed_bfloat16")
    (result,) = load_results(tmp_path)
    assert result["steps"] == 60_000 // 4096
    for name, accuracy in result["accuracy"].items():
        assert accuracy > 0.75, name
    title = "## Batches of 4096 images, all cores, mixed_bfloat16"
    assert title in (tmp_path / "speed.md").read_text().splitlines()
