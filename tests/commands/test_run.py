"""A run from the command line: its output, its exit codes, and the user's own config groups."""

import re
from pathlib import Path

import mlflow
from omegaconf import OmegaConf
from support import QUICK, Command, one_line, write_user_experiment


def test_a_run_prints_a_table_of_results_and_how_to_open_them(mnistexp: Command) -> None:
    outcome = mnistexp(*QUICK, "train.evaluate_on=[validation,test]")
    assert outcome.exit_code == 0
    for row in (
        *("train accuracy", "validation accuracy", "test accuracy", "test accuracy, maximum"),
        *("optimizer", "seconds", "images per second", "parameters", "run id"),
    ):
        assert re.search(rf"^{row} +\S", outcome.out, re.MULTILINE), row
    assert "mnistexp ui" in outcome.out
    assert outcome.err == ""
    *lines, address = outcome.out.splitlines()[2:]
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert re.fullmatch(r"http://127.0.0.1:5000/#/experiments/1/runs/\w{32}\?\S+", address)


def test_a_sweeper_or_a_launcher_without_a_sweep_is_refused(mnistexp: Command) -> None:
    for choice in ("hydra/sweeper=optuna", "hydra/launcher=processes"):
        outcome = mnistexp(choice, *QUICK)
        assert outcome.exit_code == 2
        assert "expected together with -m, since only sweeps and searches use it" in outcome.err


def test_cfg_prints_the_settings_without_a_run(mnistexp: Command, tmp_path: Path) -> None:
    outcome = mnistexp("model=conv", "seed=5", "--cfg", "job")
    assert outcome.exit_code == 0
    assert "seed: 5" in outcome.out
    assert "kernel_size: 5" in outcome.out
    settings = OmegaConf.create(outcome.out)
    assert (settings.optim.type, settings.optim.learning_rate) == ("adam", 0.001)
    assert settings.train.log_every == "100 steps"  # A default of the schema.
    assert (settings.train.epochs, settings.train.steps) == (5, None)  # Without a length.
    assert list(tmp_path.iterdir()) == []


def test_the_hint_how_to_open_the_results_names_another_store(mnistexp: Command) -> None:
    outcome = mnistexp(*QUICK, "tracking.uri=sqlite:///other.db")
    assert "mnistexp ui --uri sqlite:///other.db" in outcome.out


def test_runs_with_a_target_say_when_it_was_reached_and_are_ranked_by_it(
    mnistexp: Command, tmp_path: Path
) -> None:
    target = [*QUICK, "train.evaluate_every=5", "train.target.value=0.7"]
    reached = mnistexp(*target, "optim=adam", "optim.learning_rate=0.01")
    pattern = r"^target +val_accuracy >= 0\.7: reached at step (5|10|15|20), \d+\.\d seconds"
    assert re.search(pattern, reached.out, re.MULTILINE)
    missed = mnistexp(*target, "optim=adam", "optim.learning_rate=1e-9")
    assert re.search(r"^target +val_accuracy >= 0\.7: not reached", missed.out, re.MULTILINE)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs(["1"], "metrics.`system/steps_to_target` > 0")
    metrics = run.data.metrics
    assert 0 < metrics["system/seconds_to_target"] < metrics["system/seconds"]
    compared = mnistexp("compare")
    assert "best seconds_to_target first" in one_line(compared.out)


def test_the_recorded_settings_name_the_default_length(mnistexp: Command) -> None:
    target = ["data.train_size=200", "train.target.value=1.0"]
    assert mnistexp(*target, "tracking.figures=false").exit_code == 0
    out = mnistexp("show", "softmax-sgd-train_size=200-target.value=1.0-s0").out
    assert "    epochs: 5\n" in out
    assert '"name"' in mnistexp("list", "--where", "train.epochs = 5", "--json").out


def test_the_table_names_the_device_and_the_class_of_the_optimizer(mnistexp: Command) -> None:
    out = mnistexp(*QUICK, "device.xla=on", "optim=keras", "optim.class_name=Lion").out
    assert re.search(r"^optimizer +Lion, learning rate 0.0003$", out, re.MULTILINE)
    assert re.search(r"^device +.*cores, float32, XLA", out, re.MULTILINE)


def test_a_training_that_diverges_ends_with_exit_code_1(mnistexp: Command) -> None:
    outcome = mnistexp(*QUICK, "optim.learning_rate=1e30", "model=two_layers")
    assert outcome.exit_code == 1
    error, run, kept = outcome.err.splitlines()
    assert re.match(
        r"error: the loss became (nan|inf) at step (\d+): the output of layer logits", error
    )
    step = re.findall(r"at step (\d+)", error)[0]
    assert re.fullmatch(
        rf"Run two_layers-adam-\S+-s0, id \w{{32}}, failed at step {step} of 20, epoch 1/1", run
    )
    assert kept == "Kept: settings, metrics. The model is saved only at the end of a run"


def test_options_in_a_config_folder_of_the_user_can_be_chosen(
    mnistexp: Command, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "tiny.yaml").write_text(
        "layers: {flatten: {type: flatten}, logits: {type: dense, units: 10}}\n"
    )
    outcome = mnistexp("--config-dir", "mine", "model=tiny", *QUICK)
    assert outcome.exit_code == 0, outcome.err
    assert re.search(r"^parameters +7,850", outcome.out, re.MULTILINE)


def test_an_experiment_in_the_working_folder_can_be_chosen(
    mnistexp: Command, tmp_path: Path
) -> None:
    write_user_experiment(tmp_path, "mine", "defaults:\n  - override /model: two_layers\nseed: 5\n")
    assert "mine" in mnistexp("--help").out
    outcome = mnistexp("user=mine", "--cfg", "job")
    assert "seed: 5" in outcome.out
    assert "seed: 6" in mnistexp("user=mine", "seed=6", "--cfg", "job").out
    assert mnistexp("-m", "user=glob(*)", *QUICK).exit_code == 0


def test_an_early_stop_is_explained(mnistexp: Command) -> None:
    stopping = ["train.early_stopping.patience=2", "train.early_stopping.min_delta=0.5"]
    settings = ["optim.learning_rate=1e-9", "train.steps=200", "train.evaluate_every=10"]
    outcome = mnistexp(*QUICK, *settings, *stopping)
    pattern = (
        "stopped early after step 30 of 200, because val_loss was no better than at step [123]0"
    )
    assert re.search(pattern, one_line(outcome.out)), outcome.out + outcome.err
