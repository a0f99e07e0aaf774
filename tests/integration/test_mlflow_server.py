"""A real MLflow server: runs that are sent to it, and `mnistexp ui` on a local store."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pytest
from playwright.sync_api import Browser, expect
from support import FEW_STEPS, running_server

from mnistexp.tracking.mlflow_private import TRAINING_PAGES
from mnistexp.tracking.store import runs_url

pytestmark = pytest.mark.integration


def run(folder: Path, *arguments: str) -> str:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "mnistexp", *FEW_STEPS, *arguments]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_a_run_is_sent_to_a_server_with_its_model(tmp_path: Path) -> None:
    server = ("mlflow", "server", "--host", "127.0.0.1", "--workers", "1")
    with running_server(tmp_path / "server", *server) as address:
        out = run(tmp_path / "here", f"tracking.uri={address}", "tracking.experiment=remote")
        page = re.search(rf"{address}/#/experiments/(\d+)/runs/(\w+)", out)
        assert page is not None
        client = mlflow.MlflowClient(address)
        finished = client.get_run(page[2])
        assert finished.info.status == "FINISHED"
        assert client.get_experiment(page[1]).name == "remote"
        mlflow.set_tracking_uri(address)
        model = mlflow.pyfunc.load_model(f"models:/{finished.outputs.model_outputs[0].model_id}")
        assert model.predict(np.zeros((2, 28, 28, 1), "u1")).shape == (2, 10)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["runs"]


def test_exported_runs_are_imported_into_a_server(tmp_path: Path) -> None:
    here = tmp_path / "here"
    run(here, "-m", "seed=0,1")
    mnistexp = [sys.executable, "-m", "mnistexp"]
    subprocess.run([*mnistexp, "export", "seed=0", "seed=1", "-o", "two.zip"], cwd=here, check=True)
    local = mlflow.MlflowClient(f"sqlite:///{here}/mlflow.db")
    server = ("mlflow", "server", "--host", "127.0.0.1", "--workers", "1")
    with running_server(tmp_path / "server", *server) as address:
        for _ in range(2):  # The second time, the runs are recognized.
            subprocess.run([*mnistexp, "import", "two.zip", "--uri", address], cwd=here, check=True)
        remote = mlflow.MlflowClient(address)
        experiment = remote.get_experiment_by_name("mnistexp")
        assert experiment is not None
        where = "params.seed != ''"
        imported = remote.search_runs([experiment.experiment_id], where)
        exported = local.search_runs(["1"], where)
        assert sorted(r.data.params["seed"] for r in imported) == ["0", "1"]
        for sent in imported:
            (original,) = (r for r in exported if r.data.params == sent.data.params)
            assert sent.data.metrics == original.data.metrics
            assert sent.info.status == "FINISHED"
            figures = [file.path for file in remote.list_artifacts(sent.info.run_id, "figures")]
            assert figures == [
                file.path for file in local.list_artifacts(original.info.run_id, "figures")
            ]
            assert figures
        mlflow.set_tracking_uri(address)
        (model,) = imported[0].outputs.model_outputs
        loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
        assert loaded.predict(np.zeros((2, 28, 28, 1), "u1")).shape == (2, 10)


def test_the_ui_shows_the_store_that_the_runs_used(tmp_path: Path) -> None:
    out = run(tmp_path)
    run_id = re.search(r"run id +(\w+)", out)
    assert run_id is not None
    with (
        (tmp_path / "ui.log").open("w") as log,
        running_server(tmp_path, "mnistexp", "ui", output=log) as address,
    ):
        with urlopen(address, timeout=30) as response:
            assert b"MLflow" in response.read()
        query = Request(
            f"{address}/api/2.0/mlflow/runs/search",
            data=json.dumps({"experiment_ids": ["1"]}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(query, timeout=30) as response:
            (found,) = json.load(response)["runs"]
    assert found["info"]["run_id"] == run_id[1]
    assert found["info"]["run_name"].startswith("softmax-sgd-")
    # The address of the runs is the last line, without notes of MLflow and a line per request.
    title, *_, last = (tmp_path / "ui.log").read_text().splitlines()
    assert title.startswith("MLflow UI of sqlite:///")
    assert last == runs_url(address, "1")


def test_the_ui_shows_runs_metrics_artifacts_and_a_comparison(
    store_with_sweep: Path, browser: Browser
) -> None:
    """The runs, a run with its description and curves, three runs compared, and a figure."""
    client = mlflow.MlflowClient(f"sqlite:///{store_with_sweep}/mlflow.db")
    runs = client.search_runs(["1"], "params.model = 'two_layers' and status = 'FINISHED'")
    sweep = client.get_run(runs[0].data.tags["mlflow.parentRunId"])
    # MLflow's pages log errors in the console, and render only the columns that have room.
    page = browser.new_page(viewport={"width": 2400, "height": 1200})
    with running_server(store_with_sweep, "mnistexp", "ui") as address:
        page.goto(runs_url(address, "1"))
        for name in ("val_accuracy", "test_accuracy", "val_loss", "model", "optim", "seed"):
            heading = page.get_by_role("columnheader", name=name, exact=True)
            expect(heading.first).to_be_attached(timeout=30_000)
        expect(page.get_by_text("Sort: val_accuracy")).to_be_visible()
        expect(page.get_by_text("share key")).to_have_count(0)  # "Error loading shared view state"
        page.goto("about:blank")  # Else only the part after # changes, and the page stays open.
        page.goto(f"{runs_url(address, '1')}&compareRunsMode=CHART")
        expect(page.get_by_text("Accuracy and loss").first).to_be_visible(timeout=30_000)
        chart = page.locator(".js-plotly-plot").first
        expect(chart.locator(".scatterlayer .point").first).to_be_attached(timeout=30_000)
        drawn = chart.evaluate("chart => chart.data.flatMap(line => [...line.y])")
        logged = client.search_runs(["1"], "status = 'FINISHED'")
        measured = [
            point.value
            for run in logged
            for point in client.get_metric_history(run.info.run_id, "val_accuracy")
        ]
        assert set(drawn) <= set(measured)  # MLflow draws a moving average by default.
        page.goto(f"{address}/#/experiments/1/runs/{sweep.info.run_id}?{TRAINING_PAGES}")
        expect(page.get_by_role("heading", name=str(sweep.info.run_name))).to_be_visible()

        start = f"{address}/#/experiments/1/runs/{runs[0].info.run_id}"
        page.goto(f"{start}?{TRAINING_PAGES}")
        expect(page.get_by_role("heading", name=str(runs[0].info.run_name))).to_be_visible()
        expect(page.get_by_text(str(sweep.info.run_name)).first).to_be_visible()  # Its parent.
        expect(page.get_by_text("mnistexp model=two_layers optim=sgd").first).to_be_visible()

        page.goto(f"{start}/model-metrics")
        charts = page.get_by_role("heading").filter(has_text=re.compile("accuracy|loss|rate"))
        expect(charts.filter(has_text="val_loss").first).to_be_visible(timeout=30_000)
        assert charts.all_inner_texts()[:2] == ["test_accuracy", "test_loss"]
        expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=30_000)

        page.goto(f"{start}/artifacts/figures/confusion_matrix.png")
        picture = page.locator("img[src^=blob], img[src*=confusion]").first
        expect(picture).to_be_visible(timeout=30_000)
        assert picture.evaluate("image => image.naturalWidth") == 900

        experiments = quote(json.dumps(["1"]))
        chosen = quote(json.dumps([run.info.run_id for run in runs[:3]]))
        page.goto(f"{address}/#/compare-runs?runs={chosen}&experiments={experiments}")
        expect(page.get_by_text("Comparing 3 Runs")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("optim.learning_rate").first).to_be_visible()
