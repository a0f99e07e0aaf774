"""The runs that become the members of an ensemble."""

from pathlib import Path

import mlflow
import pytest

from mnistexp.experiment.ensemble_members import select_members
from mnistexp.tracking import MlflowTracking, RunStore


@pytest.mark.parametrize("typed", ["net", "lab=1_0"])
def test_runs_of_one_name_with_other_settings_than_the_newest_are_left_out(
    typed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("mnistexp")
    for seed, settings in enumerate(["5 epochs", "4 epochs", "4 epochs"]):
        tags = {"seedless_hash": settings}
        run = client.create_run(experiment, run_name=f"net-s{seed}", tags=tags)
        client.log_param(run.info.run_id, "lab", "1_0")
        client.set_terminated(run.info.run_id)
    store = RunStore(MlflowTracking(type="mlflow", uri=uri))
    assert [run.name for run in select_members(store, [typed])] == ["net-s1", "net-s2"]
    assert "runs of different settings; 2 have those of the newest" in capsys.readouterr().err
    assert len(select_members(store, ["net-s0", "net-s1"])) == 2
