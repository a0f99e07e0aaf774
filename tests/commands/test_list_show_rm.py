"""`mnistexp list`, `show` and `rm`: find runs, read what is recorded of them, and remove them."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
from support import Command, one_line

from mnistexp.commands.list import print_entries
from mnistexp.runs.run_list import count_jobs, describe_runs, shorten_reason, unnamed_differences
from mnistexp.tracking import COMMAND_TAG, RunRecord, RunStore
from mnistexp.tracking.orphaned_runs import process_tags


@pytest.fixture
def sweeps(mnistexp: Command, store_with_sweep: Path, tmp_path: Path) -> Command:
    """The command in a copy of a folder with a diverged run and two sweeps."""
    shutil.copytree(store_with_sweep, tmp_path, dirs_exist_ok=True)
    return mnistexp


@pytest.fixture
def models(mnistexp: Command, store_with_models: RunStore, tmp_path: Path) -> Command:
    """The command in a copy of a folder with the models `bad`, `good` and `forest`."""
    folder = Path(store_with_models.uri.removeprefix("sqlite:///")).parent
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return mnistexp


def read_json(command: Command, *arguments: str) -> Any:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.err
    return json.loads(result.out)


def test_the_runs_are_listed_newest_first(sweeps: Command) -> None:
    entries = read_json(sweeps, "list")
    assert [entry["started"] for entry in entries] == sorted(
        (entry["started"] for entry in entries), reverse=True
    )
    assert entries[-1]["status"] == "failed"
    assert "the loss became" in entries[-1]["reason"]
    newest_sweep = next(entry for entry in entries if entry["num_jobs"] is not None)
    assert newest_sweep["num_jobs"] == 6
    assert entries[0]["sweep"] == newest_sweep["run_id"]
    assert {"model=two_layers", "seed=2"} <= set(entries[0]["differs"])
    assert not set(entries[0]["differs"]) & {"model=softmax", "seed=0"}


def record(name: str, command: str, **params: str) -> RunRecord:
    tags = {COMMAND_TAG: f"mnistexp {command}"}
    return RunRecord("0", name, "FINISHED", datetime(2026, 1, 1), None, params, {}, tags)


@pytest.mark.parametrize(
    ("name", "command", "listed"),
    [
        (  # The value 2 occurs elsewhere in the name.
            "softmax-sgd-learning_rate=0.2-s2",
            "train.epochs=2 data.train_size=2000 optim.learning_rate=0.2 train.evaluate_every=5 "
            "seed=2 model=softmax tracking=none dashboard=record device=cpu",
            ["data.train_size=2000", "train.epochs=2"],
        ),
        ("lab.1_0_softmax-adam-s0", "lab=1_0_softmax optim=adam seed=0 data=mnist", []),
        (
            "mine",
            "optim.learning_rate=1 seed=1 model=conv optim.learning_rate=2",
            ["model=conv", "optim.learning_rate=2", "seed=1"],
        ),
        (
            "conv-adam-no_drop-s0",
            "model=conv ~model.layers.drop device.precision=float32",
            ["device.precision=float32"],
        ),
    ],
)
def test_the_list_says_what_was_altered_and_is_not_in_the_name(
    name: str, command: str, listed: list[str]
) -> None:
    (entry,) = describe_runs([record(name, command)], {})
    assert unnamed_differences(entry) == listed


@pytest.mark.parametrize(
    ("reason", "listed"),
    [
        ("pruned at step 1,050 of 2,000: worse than others", None),
        ("the loss became nan at step 1,050: an output overflowed", "nan at step 1,050 of 2,000: "),
        ("the loss became nan at step 1,050,000", "at step 1,050 of 2,000 the loss became"),
        ("Ctrl-C", "at step 1,050 of 2,000 Ctrl-C"),
    ],
)
def test_the_step_where_a_run_ended_is_listed_once(
    reason: str, listed: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = {**record("a", "").tags, "reason": reason, "ended_at": "at step 1,050 of 2,000"}
    print_entries(describe_runs([replace(record("a", ""), status="FAILED", tags=tags)], {}))
    output = one_line(capsys.readouterr().out)
    assert (listed or reason) in output
    assert output.count("of 2,000") == 1


def test_evaluations_are_listed_where_they_select_the_weights() -> None:
    command = "train.evaluate_every=5 train.early_stopping={}"
    stopped = record("s0", command, **{"train.early_stopping.patience": "5"})
    (entry,) = describe_runs([stopped], {})
    assert "train.evaluate_every=5" in entry["differs"]


def test_settings_without_room_become_an_ellipsis() -> None:
    command = " ".join(f"train.setting_{number}={'x' * 30}" for number in range(9))
    (entry,) = describe_runs([record("s0", command)], {})
    shown = unnamed_differences(entry)
    assert shown[-1] == "…"
    assert 100 < len("  ".join(shown)) <= 160


def test_the_advice_of_a_long_reason_is_listed() -> None:
    reason = f"the loss became nan. {'Try this. ' * 20}Seen with adam. Try optim.learning_rate=0.05"
    shown = "the loss became nan … Try optim.learning_rate=0.05"
    assert shorten_reason(reason) == shown
    assert shorten_reason("Ctrl-C") == "Ctrl-C"


def test_the_list_fits_in_80_columns(sweeps: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = sweeps("list", "--limit", "3").out.splitlines()
    assert lines[0].split() == ["name", "started", "status", "val", "test", "id"]
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert lines[-1] == "… and 10 older: mnistexp list --all"
    assert " older: " not in sweeps("list", "--all").out


def test_a_name_in_the_list_begins_with_model_and_optimizer_or_is_shown_in_full(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"two_layers-adam-steps=200-units={units}00-extra=dropout-s0" for units in (1, 2)]
    entries = describe_runs([record(name, "") for name in names], {})
    print_entries(entries)
    rows = [line for line in capsys.readouterr().out.splitlines() if "finished" in line]
    assert [row[:16] for row in rows] == ["two_layers-adam-"] * 2
    print_entries(entries, wide=True)
    assert all(f"\n{name}  " in output for output in [capsys.readouterr().out] for name in names)


def test_a_sweep_of_one_run_is_listed_in_the_singular(capsys: pytest.CaptureFixture[str]) -> None:
    sweep = replace(record("a", ""), tags={"kind": "sweep"})
    print_entries(describe_runs([sweep], {"0": 1}))
    assert "sweep of 1 run\n" in capsys.readouterr().out


def test_a_sweep_that_has_ended_is_listed_with_all_its_jobs() -> None:
    # Two of its eight jobs finished earlier, so that they are not its children.
    sweep = replace(record("a", ""), tags={"kind": "sweep"}, metrics={"num_jobs": 8.0})
    running = replace(sweep, run_id="1", metrics={})
    jobs = [replace(record("b", ""), parent=run_id) for run_id in ["0"] * 6 + ["1"] * 2]
    assert count_jobs([sweep, running, *jobs]) == {"0": 8, "1": 2}


def test_the_list_can_be_filtered(sweeps: Command) -> None:
    assert [entry["status"] for entry in read_json(sweeps, "list", "--failed")] == ["failed"]
    assert len(read_json(sweeps, "list", "--where", "model = softmax and seed = 1")) == 2
    assert len(read_json(sweeps, "list", "--data", "mnist")) == 11
    unknown = sweeps("list", "--data", "mnits")
    assert unknown.exit_code == 2
    assert "--data: expected one of mnist. Received: 'mnits'. Did you mean mnist?" in unknown.err


def test_show_says_why_a_run_failed(sweeps: Command) -> None:
    failed = read_json(sweeps, "list", "--failed")[0]["run_id"]
    text = sweeps("show", failed[:8]).out
    assert re.search(r"^status +failed at step \d+ of 20$", text, re.MULTILINE)
    assert "\nWhy it failed\n  the loss became" in text
    titles = [line for line in text.splitlines() if line and not line.startswith(" ")][-3:]
    assert titles == ["Why it failed", "Files", "Config"]
    assert "\n    learning_rate: 1.0e+30\n" in text
    assert "command   mnistexp model=two_layers optim.learning_rate=1e30 " in text


def test_show_describes_a_sweep(sweeps: Command) -> None:
    entry = next(entry for entry in read_json(sweeps, "list") if entry["num_jobs"])
    details = read_json(sweeps, "show", entry["name"])
    assert details["command"].startswith("mnistexp -m model=softmax,two_layers ")
    assert details["metrics"]["num_finished"] == 6


@pytest.mark.parametrize(
    ("name", "weights"), [("good", "weights[-1].shape"), ("forest", "len(model.classes_)")]
)
def test_the_printed_lines_load_the_model_without_mnistexp(
    models: Command, name: str, weights: str
) -> None:
    details = read_json(models, "show", name)
    assert len(details["load"]) == 3
    assert all(f"\n  {line}\n" in models("show", name).out for line in details["load"])
    code = "\n".join([*details["load"], f"import sys; print('mnistexp' in sys.modules, {weights})"])
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={key: value for key, value in os.environ.items() if not key.startswith("TF_")},
        capture_output=True,
        text=True,
    )
    assert process.stdout.strip() in ("False (10,)", "False 10"), process.stderr
    assert not re.search(r"^E0000|failed call|Traceback", process.stderr, re.MULTILINE)


def test_a_sweep_is_removed_with_its_runs_and_files(sweeps: Command, tmp_path: Path) -> None:
    sweep = next(entry for entry in read_json(sweeps, "list") if entry["num_jobs"])
    others = [
        e["run_id"]
        for e in read_json(sweeps, "list")
        if sweep["run_id"] not in (e["run_id"], e["sweep"])
    ]
    size = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.parent != tmp_path)
    removed = read_json(sweeps, "rm", sweep["name"], "--yes")
    assert len(removed["removed"]) == 7
    assert removed["kept"] == []
    left = [file for file in tmp_path.rglob("*") if file.is_file() and file.parent != tmp_path]
    assert removed["freed_bytes"] > 10_000
    assert not any(run_id in str(file) for file in left for run_id in removed["removed"])
    assert sum(1 for _ in tmp_path.glob("runs/*/*/config.yaml")) == 4
    assert all(any(folder.iterdir()) for folder in tmp_path.rglob("runs/*"))
    assert size > removed["freed_bytes"]
    assert [entry["run_id"] for entry in read_json(sweeps, "list")] == others
    assert sweeps("show", removed["removed"][0]).exit_code == 2


def test_nothing_is_removed_without_a_yes(sweeps: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    result = sweeps("rm", "--failed")
    assert "Nothing was removed." in result.out
    assert "1 run, " in result.err
    assert len(read_json(sweeps, "list")) == 13
    assert len(read_json(sweeps, "rm", "--where", "seed=2", "--yes")["removed"]) == 2
    assert sweeps("rm").exit_code == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    unanswered = sweeps("rm", "--failed")
    assert unanswered.exit_code == 2
    assert unanswered.err.endswith("Use --yes to remove without a question\n")


def test_a_run_that_is_being_trained_is_not_removed(sweeps: Command, tmp_path: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    client.create_run("1", run_name="active", tags=process_tags())
    result = sweeps("rm", "active", "--yes")
    assert result.exit_code == 2
    assert "active: expected a run that has ended. Received:" in result.err


def test_the_registered_version_of_a_removed_model_is_removed(models: Command) -> None:
    result = models("rm", "good", "--yes")
    assert "Also removed: the registered model digits/2" in result.err
    assert "Removed 1 run, " in result.out
    assert re.search(
        r"expected one of .*digits/1\. Received: digits/2", models("evaluate", "digits/2").err
    )


def test_a_copy_of_a_database_alone_removes_no_files_of_the_original(
    mnistexp: Command, store_with_models: RunStore, tmp_path: Path
) -> None:
    original = Path(store_with_models.uri.removeprefix("sqlite:///"))
    files = sorted(original.parent.rglob("*"))
    shutil.copy(original, tmp_path)
    removed = read_json(mnistexp, "rm", "good", "--yes")
    assert removed["freed_bytes"] == 0
    assert all(str(original.parent) in location for location in removed["kept"])
    assert sorted(original.parent.rglob("*")) == files


def test_run_names_are_completed(sweeps: Command) -> None:
    for command in ("show", "rm"):
        line = f"mnistexp {command} sweep-"
        out = sweeps("completion", "--shell", "fish", "--complete", line).out
        assert "sweep-model-seed" in out
