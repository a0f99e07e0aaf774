"""`mnistexp compare` and `mnistexp diff`: read back, and compared with MLflow's own client."""

import io
import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from support import QUICK, Command, CommandResult

from mnistexp.analysis.comparison import compare
from mnistexp.analysis.seed_groups import SeedGroup, group_by_seed
from mnistexp.analysis.setting_differences import describe_changes, differing_settings
from mnistexp.analysis.significance import is_within_noise


@pytest.fixture
def here(mnistexp: Command, store_with_sweep: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in a folder that has runs, a terminal of 100 columns wide."""
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


def runs_of(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """A table of runs as the store would give it."""
    given = [
        {"run_id": f"run{n}", "name": f"run{n}-s{row.get('seed', 0)}", "status": "FINISHED", **row}
        for n, row in enumerate(rows)
    ]
    table = pd.DataFrame(given)
    settings = table.drop(columns=["run_id", "name", "status", "test_accuracy"])
    settings = settings.astype(object).map(str)
    table["tags.config_hash"] = settings.agg("-".join, axis=1)
    table["tags.seedless_hash"] = settings.drop(columns="seed").agg("-".join, axis=1)
    return table


def seed_group(accuracies: list[float], **settings: Any) -> SeedGroup:
    rows = [{"seed": n, "test_accuracy": a, **settings} for n, a in enumerate(accuracies)]
    return group_by_seed(runs_of(rows))[0]


def test_the_last_sweep_is_compared_with_its_seeds_folded(here: Command) -> None:
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


def test_the_terminal_says_what_the_marks_mean(here: Command) -> None:
    out = here("compare").out
    assert re.search(r"^two_layers +3 +0\.\d{4} ± 0\.\d{4}", out, re.MULTILINE)
    assert "★ best val_accuracy" in out
    assert max(map(len, out.splitlines())) <= 100


def test_markdown_has_the_rows_of_the_table(here: Command) -> None:
    lines = here("compare", "--format", "markdown").out.splitlines()
    assert lines[0].startswith("| model | n | val_accuracy |")
    assert set(lines[1]) <= set("| -")
    assert len(lines) == 4


def test_a_progression_is_told_as_a_story(here: Command) -> None:
    out = here("compare", "lab").out
    first, second = out.index("lab.1_0_softmax"), out.index("lab.1_1_two_layers_sigmoid")
    assert first < second
    assert "+ hidden1 (dense 200)" in out
    assert re.search(r"159,010 \(×20\)", out)
    assert "★ highest test_accuracy; choose by validation" in out


def test_runs_are_named_in_many_ways(here: Command) -> None:
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
    words = ["--baseline", "softmax-sgd", "--metric", "test_loss", "--sort", "name"]
    rows = rows_of(here("compare", *words, "--format", "json"))
    assert [row["name"] for row in rows] == ["softmax-sgd", "two_layers-sgd"]
    losses = [row["test_loss_mean"] for row in rows]
    assert rows[1]["to_baseline"] == pytest.approx(losses[1] - losses[0])  # type: ignore[operator]
    assert [row["best"] for row in rows] == [losses[0] < losses[1], losses[1] < losses[0]]  # type: ignore[operator]
    chosen = here("compare", "--columns", "n,test_accuracy", "--format", "csv").out
    assert chosen.splitlines()[0] == "n,test_accuracy_mean,test_accuracy_std"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["softmx-sgd-s0"], "Did you mean softmax-sgd-s0"),
        (["--where", "test_accuracy > 2"], "no run has 'test_accuracy > 2'"),
        (["--sort", "test_acuracy"], "Did you mean test_accuracy"),
        (["--columns", "n,modle"], "--columns: .*Received: 'modle'. Did you mean model"),
        (
            ["--baseline", "softmax"],
            "softmax: .*Did you mean softmax-sgd",
        ),
        (["--where", "status = FAILED"], "at least one finished run"),
        (["--uri", "sqlite:////nowhere/mlflow.db"], "expected an existing folder"),
    ],
)
def test_a_wrong_word_is_answered_in_one_line(
    here: Command, words: list[str], complaint: str
) -> None:
    outcome = here("compare", *words)
    assert outcome.exit_code == 2
    assert re.search(complaint, outcome.err)
    assert len(outcome.err.splitlines()) == 1


def test_the_same_seed_again_is_no_further_seed(mnistexp: Command) -> None:
    mnistexp(*QUICK)
    mnistexp(*QUICK)
    mnistexp("seed=1", *QUICK)
    (row,) = rows_of(mnistexp("compare", "--format", "json"))
    assert row["n"] == 2


def test_a_choice_explains_the_settings_that_go_with_it() -> None:
    same = {"seed": 0, "test_accuracy": 0.9}
    softmax = {"model": "softmax", "model.layers.logits.units": 10, "optim.learning_rate": 0.1}
    conv = {"model": "conv", "model.layers.c.filters": 4, "optim.learning_rate": 0.2}
    assert differing_settings(group_by_seed(runs_of([same | softmax, same | conv]))) == [
        "model",
        "optim.learning_rate",
    ]
    wider = {**conv, "model.layers.c.filters": 8}
    assert "model.layers.c.filters" in differing_settings(
        group_by_seed(runs_of([same | softmax, same | conv, same | wider]))
    )


def test_what_changed_is_told_in_few_words() -> None:
    layers: dict[str, Any] = {
        f"model.layers.hidden{n}.{key}": value
        for n in (1, 2)
        for key, value in {"type": "dense", "activation": "relu"}.items()
    }
    drop = {"model.layers.drop.type": "dropout", "model.layers.drop.rate": 0.25}
    decay = {"optim.decay.type": "exponential", "optim.decay.floor": 0.1}
    tanh = {name: "tanh" for name, value in layers.items() if value == "relu"}
    told = describe_changes(
        seed_group([0.9], **layers, **{"optim.decay.type": "none", "optim.type": "sgd"}),
        seed_group(
            [0.9], **layers | tanh | drop | decay, **{"optim.type": "adam", "optim.beta_1": 1}
        ),
    )
    assert told == [
        "+ drop (dropout 0.25)",
        "activation relu → tanh (hidden1, hidden2)",
        "optim.decay none → exponential (floor 0.1)",
        "optim.type sgd → adam",
    ]


def test_noise_is_judged_by_welchs_t_test() -> None:
    wide, narrow = [0.90, 0.92, 0.94], [0.93, 0.931, 0.932]
    assert is_within_noise(seed_group(wide), seed_group(narrow), "test_accuracy")
    far = [0.97, 0.971, 0.972]
    assert is_within_noise(seed_group(narrow), seed_group(far), "test_accuracy") is False
    # B. L. Welch's statistic and its degrees of freedom, by hand.
    errors = [np.var(sample, ddof=1) / 3 for sample in (narrow, far)]
    statistic = (np.mean(far) - np.mean(narrow)) / math.sqrt(sum(errors))
    freedom = sum(errors) ** 2 / sum(error**2 / 2 for error in errors)
    assert freedom == pytest.approx(4)
    assert statistic > 2.776  # The 97.5 % quantile of Student's t for 4 degrees of freedom.


def test_one_seed_says_nothing_of_noise() -> None:
    assert is_within_noise(seed_group([0.9]), seed_group([0.9, 0.91]), "test_accuracy") is None
    comparison = compare([seed_group([0.9], optim="sgd"), seed_group([0.92], optim="adam")])
    assert comparison.rows["change_within_noise"].isna().all()
    assert comparison.rows["change"].iloc[1] == pytest.approx(0.02)


def test_equal_figures_without_any_spread_are_equal() -> None:
    assert is_within_noise(seed_group([0.9, 0.9]), seed_group([0.9, 0.9]), "test_accuracy")
    assert not is_within_noise(seed_group([0.9, 0.9]), seed_group([0.91, 0.91]), "test_accuracy")


def test_two_runs_side_by_side(here: Command, tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    outcome = here("diff", "lab=1_0_softmax", "lab.1_1_two_layers_sigmoid-s0", "-o", str(picture))
    assert outcome.exit_code == 0, outcome.err
    assert "A  lab.1_0_softmax, 2 seeds" in outcome.out
    assert "seed 0, 1 → 0" in outcome.out
    assert "+ hidden1 (dense 200)" in outcome.out
    assert re.search(r"^num_parameters +7,850 +159,010 +\+1\.512e\+05", outcome.out, re.MULTILINE)
    assert re.search(r"^ *40 +0\.\d{4} +0\.\d{4}", outcome.out, re.MULTILINE)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["lab", "lab=1_0_softmax"], "lab: expected the name of one finished run. Received: 2"),
        (["lab=1_0_softmax", "nothing"], "nothing: expected the id or the name"),
        (["lab=1_0_softmax", "softmax-sgd-s0", "-o", "a.txt"], "expected a .png"),
    ],
)
def test_diff_wants_two_runs(here: Command, words: list[str], complaint: str) -> None:
    outcome = here("diff", *words)
    assert outcome.exit_code == 2
    assert complaint in outcome.err
