"""`mnistexp compare`: the rows of a store's runs, compared with MLflow's own client."""

import io
import json
import re
import statistics
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from support import QUICK, Command, CommandResult


@pytest.fixture
def here(mnistexp: Command, store_with_sweep: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in a folder that has runs, with a terminal of 100 columns."""
    monkeypatch.chdir(store_with_sweep)
    monkeypatch.setenv("COLUMNS", "100")
    return mnistexp


def rows_of(outcome: CommandResult) -> list[dict[str, object]]:
    assert outcome.exit_code == 0, outcome.err
    rows: list[dict[str, object]] = json.loads(outcome.out)
    return rows


def accuracies_in_mlflow(where: str) -> list[float]:
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    return [run.data.metrics["val_accuracy"] for run in client.search_runs(["1"], where)]


def test_the_last_sweep_is_compared_over_its_seeds(here: Command) -> None:
    rows = rows_of(here("compare", "--format", "json"))
    assert {row["model"] for row in rows} == {"softmax", "two_layers"}
    for row in rows:
        sweep = f"params.model = '{row['model']}' and params.`train.steps` = '20'"
        logged = accuracies_in_mlflow(f"{sweep} and attributes.status = 'FINISHED'")
        assert row["n"] == len(logged) == 3
        assert row["val_accuracy_mean"] == pytest.approx(statistics.mean(logged))
        assert row["val_accuracy_std"] == pytest.approx(statistics.stdev(logged))
    assert rows[0]["best"]
    assert not rows[1]["best"]
    means = [row["val_accuracy_mean"] for row in rows]
    assert rows[1]["change"] == pytest.approx(means[1] - means[0])  # type: ignore[operator]


def test_only_the_settings_that_differ_are_columns(here: Command) -> None:
    table = pd.read_csv(io.StringIO(here("compare", "--format", "csv").out))
    names = [name for name in table.columns if "." in name or name in ("model", "optim", "seed")]
    assert names == ["model"]  # The layers differ with it, so they are not named.


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_terminal_shows_mean_and_standard_deviation_and_what_they_are(
    here: Command, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out = here("compare").out
    legend, _, table = out.partition("\n\n")
    assert re.search(r"^two_layers +3 +0\.\d{4} ± 0\.\d{4}", table, re.MULTILINE)
    legend_words = " ".join(legend.split())
    assert legend_words.startswith("compared the last sweep: sweep-model-seed, ")
    assert ", mean ± standard deviation over n seeds order " in legend_words
    assert re.search("^order +best val_accuracy first$", legend, re.MULTILINE)
    assert re.search("^change +difference in val_accuracy to the first row$", legend, re.MULTILINE)
    assert re.search("^★ +best val_accuracy$", legend, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= int(columns)


def test_wide_shows_the_columns_that_do_not_fit(
    here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert "left out: " in here("compare").out
    wide = here("compare", "--wide").out
    assert "left out: " not in wide
    assert re.search("^model .* parameters$", wide, re.MULTILINE)


def test_markdown_has_the_rows_of_the_table(here: Command) -> None:
    lines = here("compare", "--format", "markdown").out.splitlines()
    assert lines[0].startswith("| model | n | val_accuracy |")
    assert set(lines[1]) <= set("| -:")
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("option", "reference"), [([], "first row"), (["--to-previous"], "row above")]
)
def test_experiments_are_shown_with_their_changes(
    here: Command, option: list[str], reference: str
) -> None:
    out = here("compare", "lab", *option).out
    assert f"difference in test_accuracy to the {reference}\n" in out
    first, second = out.index("lab.1_0_softmax"), out.index("lab.1_1_two_layers_sigmoid")
    assert first < second
    assert "+ hidden1 (dense 200)" in out
    assert re.search(r"159,010 \(×20\)", out)
    assert re.search("^★ +highest test_accuracy; choose by validation$", out, re.MULTILINE)


def test_variants_of_one_experiment_are_ranked(mnistexp: Command) -> None:
    """A search or a sweep over settings of an experiment is no progression."""
    for rate in ("0.0001", "0.3", "0.1"):
        mnistexp("lab=1_0_softmax", f"optim.learning_rate={rate}", *QUICK)
    rows = rows_of(mnistexp("compare", "--format", "json"))
    accuracies = [row["test_accuracy_mean"] for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)  # type: ignore[type-var]
    lines = mnistexp("compare").out.partition("\n\n")[2].splitlines()
    assert lines[0].split()[:2] == ["learning", "rate"]
    assert [line.split()[0] for line in lines[1:]] == [
        str(row["optim.learning_rate"]) for row in rows
    ]


def test_a_sweep_is_selected_by_name_and_by_id_and_runs_by_experiment(here: Command) -> None:
    runs = pd.read_csv(io.StringIO(here("compare", "--format", "csv").out))
    (sweep,) = [
        run
        for run in mlflow.MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db").search_runs(["1"])
        if run.info.run_name == "sweep-model-seed"
    ]
    by_name = here("compare", sweep.info.run_name, "--format", "csv").out
    by_id = here("compare", sweep.info.run_id[:8], "--format", "csv").out
    assert by_name == by_id
    assert pd.read_csv(io.StringIO(by_name)).equals(runs)
    one = rows_of(here("compare", "lab=1_0_softmax", "softmax-sgd-s1", "--format", "json"))
    assert [row["n"] for row in one] == [2, 1]


def test_a_baseline_a_metric_an_order_and_columns_can_be_chosen(here: Command) -> None:
    arguments = ["--baseline", "softmax-sgd", "--metric", "test_loss", "--sort", "name"]
    rows = rows_of(here("compare", *arguments, "--format", "json"))
    assert [row["name"] for row in rows] == ["softmax-sgd", "two_layers-sgd"]
    losses = [row["test_loss_mean"] for row in rows]
    assert rows[0]["to_baseline"] is None
    assert rows[1]["to_baseline"] == pytest.approx(losses[1] - losses[0])  # type: ignore[operator]
    assert [row["best"] for row in rows] == [losses[0] < losses[1], losses[1] < losses[0]]  # type: ignore[operator]
    chosen = here("compare", "--columns", "n,test_accuracy", "--format", "csv").out
    assert chosen.splitlines()[0] == "n,test_accuracy_mean,test_accuracy_std"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["softmx-sgd-s0"], "Did you mean softmax-sgd-s0"),
        (["--where", "test_accuracy > 2"], "no run matches 'test_accuracy > 2'"),
        (["--sort", "test_acuracy"], "^error: --sort: expected n, .* Did you mean test_accuracy"),
        (["--metric", "foo"], "^error: --metric: expected .*test_loss.*Received: 'foo'"),
        (["--columns", "n,modle"], "--columns: .*Received: 'modle'. Did you mean model"),
        (
            ["--baseline", "softmax"],
            "softmax: .*Did you mean softmax-sgd",
        ),
        (["--where", "status = FAILED"], "at least one finished run"),
        (["--uri", "sqlite:////nowhere/mlflow.db"], "expected an existing folder"),
    ],
)
def test_an_invalid_argument_is_reported_in_one_line(
    here: Command, arguments: list[str], message: str
) -> None:
    outcome = here("compare", *arguments)
    assert outcome.exit_code == 2
    assert re.search(message, outcome.err)
    assert len(outcome.err.splitlines()) == 1


def test_a_seed_that_was_run_twice_counts_once(mnistexp: Command) -> None:
    mnistexp(*QUICK)
    mnistexp(*QUICK)
    mnistexp("seed=1", *QUICK)
    (row,) = rows_of(mnistexp("compare", "--format", "json"))
    assert row["n"] == 2


def test_a_report_says_what_it_leaves_out(
    mnistexp: Command, store_with_sweep: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    uri = f"sqlite:///{store_with_sweep}/mlflow.db"
    result = mnistexp("report", "--where", "model = two_layers", "-o", str(page), "--uri", uri)
    assert "report.html: 5 runs (1 failed left out), " in result.out, result.err
    assert "left out: 1 failed</p>" in page.read_text()
