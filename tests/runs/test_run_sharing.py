"""`mnistexp export` and `import`: runs go to another store, in a file that is not trusted."""

import csv
import json
import math
import shutil
import stat
import zipfile
from hashlib import sha256
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run
from support import Command, TrackedRun

from mnistexp.runs.archive import MAX_RATIO
from mnistexp.runs.run_import import IMPORTED_TAG
from mnistexp.tracking import MlflowTracking, RunRecord, RunStore
from mnistexp.tracking.store import open_store

CHANGED_TAGS = {
    *("folder", "recording", "process", "process_start", IMPORTED_TAG),
    *("mlflow.parentRunId", "mlflow.runName"),
}


def store_of(folder: Path) -> RunStore:
    return RunStore(MlflowTracking(type="mlflow", uri=f"sqlite:///{folder}/mlflow.db"))


def files_below(folder: str) -> dict[str, bytes]:
    root = Path(folder.removeprefix("file://"))
    return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}


def contents(client: mlflow.MlflowClient, run: Run) -> dict[str, object]:
    """All that MLflow's client reads of a run, without ids and paths."""
    models = run.outputs.model_outputs if run.outputs else []
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "times": (run.info.start_time, run.info.end_time),
        "params": run.data.params,
        "tags": {key: text for key, text in run.data.tags.items() if key not in CHANGED_TAGS},
        "metrics": {
            name: sorted(
                (value.timestamp, value.step, value.value)
                for value in client.get_metric_history(run.info.run_id, name)
            )
            for name in run.data.metrics
        },
        "datasets": [
            (used.dataset.to_dictionary(), [(tag.key, tag.value) for tag in used.tags])
            for used in run.inputs.dataset_inputs
        ],
        "artifacts": files_below(run.info.artifact_uri),
        "models": [
            files_below(client.get_logged_model(model.model_id).artifact_location)
            for model in models
        ],
    }


def export(mnistexp: Command, source: RunStore, *names: str) -> Path:
    result = mnistexp("export", *names, "-o", "runs.zip", "--uri", source.uri)
    assert result.exit_code == 0, result.err
    return Path("runs.zip")


def test_a_run_is_complete_in_the_other_store(
    mnistexp: Command, store_with_models: RunStore, tmp_path: Path
) -> None:
    file = export(mnistexp, store_with_models, "good", "forest", "bare")
    assert mnistexp("import", str(file)).out.strip().endswith("3 runs imported")
    imported = store_of(tmp_path)
    assert {run.name for run in imported.runs()} == {"good", "forest", "bare"}
    for run in imported.runs():
        before = store_with_models.client.get_run(run.tags[IMPORTED_TAG])
        after = imported.client.get_run(run.run_id)
        assert contents(imported.client, after) == contents(store_with_models.client, before)
        assert not {"process", "folder"} & set(after.data.tags)


def test_a_summary_has_the_settings_and_the_last_value_of_each_metric(
    mnistexp: Command, store_with_models: RunStore, tmp_path: Path
) -> None:
    result = mnistexp(
        *("export", "good", "--summary", "-o", "summary.zip", "--uri", store_with_models.uri)
    )
    assert result.exit_code == 0, result.err
    complete = export(mnistexp, store_with_models, "good")
    assert Path("summary.zip").stat().st_size < 0.1 * complete.stat().st_size

    assert mnistexp("import", "summary.zip").exit_code == 0
    (run,) = store_of(tmp_path).runs()
    before = store_with_models.client.get_run(run.tags[IMPORTED_TAG]).data
    after = store_of(tmp_path).client.get_run(run.run_id).data
    assert (after.params, after.metrics) == (before.params, before.metrics)
    assert after.tags["config_hash"] == before.tags["config_hash"]
    histories = [
        store_of(tmp_path).client.get_metric_history(run.run_id, name) for name in after.metrics
    ]
    assert [len(values) for values in histories] == [1] * len(histories)
    assert run.model_id is None
    assert "Received: one without a model" in mnistexp("evaluate", "good").err
    for command in (["compare", "good"], ["show", "good"], ["list"]):
        assert mnistexp(*command).exit_code == 0
    # The complete run may follow: it has the same id and hash, and is left out.
    assert "left out" in mnistexp("import", str(complete)).out


def test_metrics_that_are_not_finite_are_imported(mnistexp: Command, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    client, experiment = open_store(store_of(tmp_path / "other").config)
    run = client.create_run(experiment, run_name="diverged", tags={"config_hash": "1"})
    for step, value in enumerate((1.0, math.inf, math.nan)):
        client.log_metric(run.info.run_id, "val_loss", value, step=step)
    client.set_terminated(run.info.run_id, "FAILED")

    file = export(mnistexp, store_of(tmp_path / "other"), "diverged")
    assert mnistexp("import", str(file)).exit_code == 0
    (imported,) = store_of(tmp_path).runs()
    before = client.get_metric_history(run.info.run_id, "val_loss")
    after = store_of(tmp_path).client.get_metric_history(imported.run_id, "val_loss")
    np.testing.assert_equal([m.value for m in after], [m.value for m in before])
    assert math.isnan(after[-1].value)


def test_an_imported_run_is_evaluated_shown_and_compared(
    mnistexp: Command, store_with_models: RunStore
) -> None:
    mnistexp("import", str(export(mnistexp, store_with_models, "good", "forest")))
    for name in ("good", "forest"):
        here = mnistexp("evaluate", name, "--json")
        there = mnistexp("evaluate", name, "--json", "--uri", store_with_models.uri)
        assert here.exit_code == 0, here.err
        assert json.loads(here.out)["accuracy"] == json.loads(there.out)["accuracy"]
    assert "keras.saving.load_model" in mnistexp("show", "good").out
    assert mnistexp("diff", "good", "forest").exit_code == 0
    assert mnistexp("compare", "good", "forest").exit_code == 0


def test_runs_are_imported_once(
    mnistexp: Command, store_with_models: RunStore, tmp_path: Path
) -> None:
    file = export(mnistexp, store_with_models, "good", "bare")
    mnistexp("import", str(file))
    again = json.loads(mnistexp("import", str(file), "--json").out)
    assert again["imported"] == []
    assert sorted(again["known"]) == ["bare", "good"]
    assert len(store_of(tmp_path).runs()) == 2

    # What was imported can be exported again, and the first store knows it.
    original = Path(store_with_models.uri.removeprefix("sqlite:///")).parent
    shutil.copytree(original, tmp_path / "original")
    second = export(mnistexp, store_of(tmp_path), "good")
    uri = f"sqlite:///{tmp_path}/original/mlflow.db"
    assert json.loads(mnistexp("import", str(second), "--json", "--uri", uri).out) == {
        "imported": [],
        "known": ["good"],
    }


def test_a_sweep_is_imported_with_its_runs(
    mnistexp: Command, store_with_sweep: Path, tmp_path: Path
) -> None:
    source = store_of(store_with_sweep)
    sweep = [run for run in source.runs() if run.is_sweep][-1]
    mnistexp("import", str(export(mnistexp, source, sweep.run_id)))
    imported = store_of(tmp_path)
    (parent,) = [run for run in imported.runs() if run.is_sweep]
    jobs = [run for run in imported.runs() if run.parent == parent.run_id]
    assert len(jobs) == 6
    table = imported.artifact(parent.run_id, "jobs.csv")
    assert table is not None
    listed = {row["run_id"] for row in csv.DictReader(table.decode().splitlines())}
    assert listed == {job.run_id for job in jobs}
    assert {job.tags["config_hash"] for job in jobs} == {
        run.tags["config_hash"] for run in source.runs() if run.parent == sweep.run_id
    }
    for command in (["compare"], ["list"], ["report", "-o", "report.html"]):
        result = mnistexp(*command)
        assert result.exit_code == 0, result.err


def test_a_recorded_run_is_watched_in_the_other_store(
    mnistexp: Command, recorded_run: TrackedRun, tmp_path: Path
) -> None:
    mnistexp("import", str(export(mnistexp, store_of(recorded_run.folder), "recorded")))
    (run,) = store_of(tmp_path).runs()
    assert run.tags["recording"].startswith(str(tmp_path))
    assert mnistexp("watch", "recorded", "--save", "last.png").exit_code == 0
    assert (tmp_path / "last.png").read_bytes().startswith(b"\x89PNG")


def test_a_password_of_the_store_is_not_exported(
    mnistexp: Command, store_with_models: RunStore, tmp_path: Path
) -> None:
    original = Path(store_with_models.uri.removeprefix("sqlite:///")).parent
    shutil.copytree(original, tmp_path / "original")
    store = store_of(tmp_path / "original")
    run = next(run for run in store.runs() if run.name == "bare")
    secret = "http://alice:secret@host/mlflow"
    mlflow.MlflowClient(store.uri).set_tag(
        run.run_id, "mlflow.source.name", f"mnistexp uri={secret}"
    )
    config = Path(store.artifact_location(run.run_id)) / "config.yaml"
    config.write_text(f"tracking: {{uri: '{secret}'}}\n")
    with zipfile.ZipFile(export(mnistexp, store, "bare")) as archive:
        texts = [archive.read(info).decode(errors="replace") for info in archive.infolist()]
    assert not any("secret" in text for text in texts)
    assert any("http://host/mlflow" in text for text in texts)


def test_a_run_that_is_being_trained_is_not_exported(
    mnistexp: Command, store_with_models: RunStore, tmp_path: Path
) -> None:
    original = Path(store_with_models.uri.removeprefix("sqlite:///")).parent
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    store = store_of(tmp_path)
    run = next(run for run in store.runs() if run.name == "bare")
    mlflow.MlflowClient(store.uri).update_run(run.run_id, status="RUNNING")
    result = mnistexp("export", "bare", "-o", "runs.zip")
    assert result.exit_code == 2
    assert "is being trained" in result.err
    assert not Path("runs.zip").exists()
    assert mnistexp("export", "good", "-o", str(tmp_path)).exit_code == 2


RUN = "0" * 32


def run_json(**changes: object) -> bytes:
    entry = {
        "run_id": RUN,
        "name": "crafted",
        "status": "FINISHED",
        "start_time": 1,
        "end_time": 2,
        "params": {},
        "tags": {},
        "metrics": {},
        "datasets": [],
        "has_model": False,
    }
    return json.dumps({**entry, **changes}).encode()


def write_archive(
    file: Path, contents: dict[str, bytes], manifest: dict[str, object] | None = None
) -> None:
    """Write an archive whose manifest is right for these files, unless another one is given."""
    entries = {
        path: {"num_bytes": len(content), "sha256": sha256(content).hexdigest()}
        for path, content in contents.items()
    }
    complete = {"format": "mnistexp runs", "version": 1, "runs": [RUN], "files": entries}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in contents.items():
            archive.writestr(path, content)
        archive.writestr("manifest.json", json.dumps({**complete, **(manifest or {})}))


def assert_is_refused(mnistexp: Command, file: Path, message: str) -> None:
    """The import ends with one line, and makes neither a store nor a file."""
    before = set(file.parent.parent.rglob("*"))
    result = mnistexp("import", str(file))
    assert result.exit_code == 2
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert set(file.parent.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        f"runs/{RUN}/artifacts/../../../../outside",
        "/tmp/outside",
        f"runs/{RUN}/artifacts/a\\..\\b",
        f"runs/{RUN}/artifacts//b",
        f"runs/{RUN}/artifacts/./b",
        f"runs/{RUN}/artifacts/{'x' * 300}",
        f"runs/{RUN}/artifacts/a\nb",
        f"runs/{'1' * 32}/artifacts/a",
        f"runs/{RUN}/other/a",
        "outside",
    ],
)
def test_a_file_outside_of_the_folder_of_its_run_is_refused(
    mnistexp: Command, tmp_path: Path, path: str
) -> None:
    file = tmp_path / "crafted.zip"
    write_archive(file, {f"runs/{RUN}/run.json": run_json(), path: b"text"})
    assert_is_refused(mnistexp, file, "crafted.zip: expected ")


def test_a_link_is_refused(mnistexp: Command, tmp_path: Path) -> None:
    file = tmp_path / "crafted.zip"
    path = f"runs/{RUN}/artifacts/link"
    write_archive(file, {f"runs/{RUN}/run.json": run_json(), path: b"/etc/passwd"})
    with zipfile.ZipFile(file) as archive:
        contents = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if name == path else 0o600 << 16
            archive.writestr(info, content)
    assert_is_refused(mnistexp, file, "without links")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"version": 2}, "version"),
        ({"format": "another"}, "format"),
        ({"runs": ["../.."]}, "runs.0"),
        ({"runs": [RUN, RUN]}, "a run twice"),
        ({"runs": []}, "files of its runs"),
        ({"files": {}}, "other files"),
        ({"files": {f"runs/{RUN}/run.json": {"num_bytes": 3, "sha256": "0" * 64}}}, "another size"),
        ({"files": {f"runs/{RUN}/run.json": {"num_bytes": -1, "sha256": ""}}}, "num_bytes"),
    ],
)
def test_a_wrong_manifest_is_refused(
    mnistexp: Command, tmp_path: Path, manifest: dict[str, object], message: str
) -> None:
    file = tmp_path / "crafted.zip"
    write_archive(file, {f"runs/{RUN}/run.json": run_json()}, manifest)
    assert_is_refused(mnistexp, file, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "run_id"),
        (b"[" * 100_000, "expected a run"),
        (run_json(run_id="1" * 32), "run 1111"),
        (run_json(status="RUNNING"), "status"),
        (run_json(tags={"x" * 300: "y"}), "tags"),
        (run_json(metrics={"loss": [[1, 2, "high"]]}), "metrics.loss"),
        (run_json(start_time=10**30), "start_time"),
    ],
)
def test_a_wrong_run_is_refused(
    mnistexp: Command, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "crafted.zip"
    write_archive(file, {f"runs/{RUN}/run.json": content})
    assert_is_refused(mnistexp, file, message)


def test_a_bomb_is_refused_before_it_is_unpacked(mnistexp: Command, tmp_path: Path) -> None:
    file = tmp_path / "crafted.zip"
    bomb = bytes(MAX_RATIO * 200_000)
    write_archive(file, {f"runs/{RUN}/run.json": run_json(), f"runs/{RUN}/artifacts/a": bomb})
    assert_is_refused(mnistexp, file, f"at most {MAX_RATIO} times its size")


def test_damaged_files_are_refused(
    mnistexp: Command, store_with_models: RunStore, tmp_path: Path
) -> None:
    file = export(mnistexp, store_with_models, "good")
    whole = file.read_bytes()
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(b"")
    for position in range(0, len(whole), len(whole) // 20):
        damaged.write_bytes(whole[:position])
        assert_is_refused(mnistexp, damaged, "damaged.zip: expected")
    middle = len(whole) // 3
    damaged.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert_is_refused(mnistexp, damaged, "damaged.zip: expected")
    assert_is_refused(mnistexp, tmp_path / "gone.zip", "no such file")


def test_a_run_that_the_store_refuses_is_not_left_half(mnistexp: Command, tmp_path: Path) -> None:
    file = tmp_path / "crafted.zip"
    crafted = run_json(metrics={"loss$": [[1, 2, 0.5]]})
    write_archive(file, {f"runs/{RUN}/run.json": crafted})
    result = mnistexp("import", str(file))
    assert result.exit_code == 1
    assert "the store failed during the import" in result.err
    assert store_of(tmp_path).runs() == []


def test_tags_of_another_computer_are_not_taken_over(mnistexp: Command, tmp_path: Path) -> None:
    file = tmp_path / "crafted.zip"
    tags = {"folder": f"{tmp_path}/runs/victim", "recording": "/etc/passwd", "process": "a:1"}
    write_archive(file, {f"runs/{RUN}/run.json": run_json(tags={**tags, "purpose": "a test"})})
    assert mnistexp("import", str(file)).exit_code == 0
    run: RunRecord
    (run,) = store_of(tmp_path).runs()
    assert not {"folder", "recording", "process"} & set(run.tags)
    assert run.tags["purpose"] == "a test"
