"""The training process starts fast, because the tracking process does what needs other packages."""

import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from support import FEW_STEPS

pytestmark = pytest.mark.integration
SCRIPT = """
import sys
sys.argv = ["mnistexp", *{arguments}]
from mnistexp.cli import main
main()
loaded = {{"mlflow", "matplotlib", "sklearn", "pandas"}} & set(sys.modules)
assert not loaded, loaded
"""


def test_the_training_process_imports_neither_mlflow_nor_matplotlib(tmp_path: Path) -> None:
    script = SCRIPT.format(arguments=["model=softmax", *FEW_STEPS])
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("mnistexp").experiment_id])
    figures = {item.path for item in client.list_artifacts(run.info.run_id, "figures")}
    names = ("confusion_matrix", "data", "first_layer", "learning_curves", "mistakes")
    assert figures == {f"figures/{name}.png" for name in (*names, "reliability")}
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert (Path(model.artifact_location) / "MLmodel").is_file()
