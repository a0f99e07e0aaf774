"""The wheel of the package: its files, and its use in an empty environment."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).parents[2]


def run(*command: str, cwd: Path, exit_code: int = 0) -> str:
    """Run a command without this environment's packages, and return what it prints."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    process = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert process.returncode == exit_code, f"{command}\n{process.stdout}\n{process.stderr}"
    return process.stdout + process.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), cwd=CHECKOUT)
    return next(folder.glob("*.whl"))


def test_configs_experiments_and_data_are_in_the_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("conf", "experiments"):
        for file in (CHECKOUT / folder).rglob("*.yaml"):
            assert f"mnistexp/{file.relative_to(CHECKOUT)}" in names
    assert len([name for name in names if name.startswith("mnistexp/datasets/mnist/")]) == 5
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.timeout(3_600)  # It downloads and installs TensorFlow.
def test_the_installed_package_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "empty", with_pip=True)
    bin_folder = tmp_path / "empty" / "bin"
    constraints = str(CHECKOUT / "constraints.txt")
    run(str(bin_folder / "pip"), "install", "-q", "-c", constraints, str(wheel), cwd=tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    command = str(bin_folder / "mnistexp")
    assert "conv_big" in run(command, "--help", cwd=work)
    out = run(command, "model=two_layers", "optim=adam_decay", "train.epochs=1", cwd=work)
    assert "test accuracy" in out
    assert sorted(path.name for path in work.iterdir()) == ["mlflow.db", "mlruns", "runs"]

    # Grid sweeps need no extra packages; other launchers and sweepers name those that they need.
    out = run(command, "-m", "seed=0,1", "data.train_size=1000", "train.epochs=1", cwd=work)
    assert out.count("✓") == 2
    for choice, extra in (("launcher=processes", "processes"), ("sweeper=optuna", "search")):
        arguments = ["-m", f"hydra/{choice}", "optim.learning_rate=0.1,0.2"]
        out = run(command, *arguments, cwd=work, exit_code=2)
        assert f"pip install 'mnistexp[{extra}]'" in out
