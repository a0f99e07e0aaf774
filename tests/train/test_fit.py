"""The loop: against plain Keras, against itself, its cadence and its stops."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support import build_optimization, network_config, train_network

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data
from mnistexp.errors import TrainingDiverged
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.model import build_model
from mnistexp.train import History
from mnistexp.train.batch_order import BatchOrder


def run(*overrides: str) -> RunResult:
    return run_experiment(compose_config([*overrides, "tracking=none"])[0])


def plan(*overrides: str) -> Any:
    return compose_config(list(overrides))[0].train


@pytest.fixture(scope="module")
def data() -> Data:
    return load_data(compose_config(["data.train_size=2000"])[0].data)


def test_no_thread_of_tensorflow_is_waited_for_at_the_end(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainings took twice as long at times, for the thread that tunes a tf.data pipeline."""
    given = []
    keras_fit = keras.Model.fit

    def spying(model: keras.Model, dataset: Any, **settings: Any) -> Any:
        given.append(dataset.options().autotune.enabled)
        return keras_fit(model, dataset, **settings)

    monkeypatch.setattr(keras.Model, "fit", spying)
    train_network(data, "model=softmax", "train.steps=10")
    assert given == [False]


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("optim", ["sgd", "nesterov", "adam_decay", "adamw_cosine"])
def test_the_fast_loop_trains_as_plain_keras_does(data: Data, optim: str, xla: bool) -> None:
    """The same batches in the same order give the same weights as Keras' own train_on_batch."""
    settings = ["model=two_layers", f"optim={optim}", "train.steps=45", "optim.learning_rate=0.01"]
    ours, training = train_network(data, *settings, xla=xla)

    config, _ = compose_config(settings)
    keras.utils.set_random_seed(1)
    plain = build_model(network_config(*settings))
    plain.compile(
        build_optimization(config, 2_000)[0],
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses = []
    for batch in BatchOrder(2_000, 100, "every_epoch", seed=1).take(45):
        images = data.train.images[batch].astype("f4") / 255
        losses.append(plain.train_on_batch(images, data.train.labels[batch]))
    for mine, theirs in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-4)
    assert training.history.last("train_loss") is not None


def test_training_metrics_are_means_since_they_were_last_logged(data: Data) -> None:
    _, every_step = train_network(data, "train.steps=20", "train.log_every=1")
    _, every_ten = train_network(data, "train.steps=20", "train.log_every=10")
    for name in ("train_loss", "train_accuracy"):
        single = list(every_step.history[name].values())
        expected = [np.mean(single[:10]), np.mean(single[10:])]
        assert list(every_ten.history[name].values()) == pytest.approx(expected)


def test_evaluation_agrees_with_plain_keras(data: Data) -> None:
    network, training = train_network(data, "train.steps=20", "train.evaluate_on=[validation,test]")
    network.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    for prefix, split in (("val", data.validation), ("test", data.test)):
        expected = network.evaluate(split.images / np.float32(255), split.labels, verbose=0)
        ours = [training.history.last(f"{prefix}_{name}") for name in ("loss", "accuracy")]
        assert ours == pytest.approx(expected, rel=1e-5)


def test_the_learning_rate_is_that_of_the_last_step_done(data: Data) -> None:
    _, training = train_network(data, "optim=adam_decay", "train.steps=30", "train.log_every=10")
    expected = {step: 0.0001 + 0.003 * np.exp(-(step - 1) / 2000) for step in (10, 20, 30)}
    assert training.history["learning_rate"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("overrides", "num_steps", "evaluations"),
    [
        ([], 2_750, [550, 1100, 1650, 2200, 2750]),
        (["train.epochs=2", "train.batch_size=128"], 860, [430, 860]),
        (["train.steps=1000"], 1_000, [550, 1000]),
        (["train.steps=120", "train.evaluate_every=50"], 120, [50, 100, 120]),
        (["train.epochs=4", "train.evaluate_every=2 epochs"], 2_200, [1100, 2200]),
        (
            [
                *("train.steps=120", "train.evaluate_every=50 steps"),
                *("train.log_every=20", "train.evaluate_early=true"),
            ],
            120,
            [20, 40, 50, 100, 120],
        ),
    ],
)
def test_length_and_cadence(overrides: list[str], num_steps: int, evaluations: list[int]) -> None:
    assert plan(*overrides).num_steps(55_000) == num_steps
    assert plan(*overrides).evaluation_steps(55_000) == evaluations


def test_segments_cover_all_steps_and_end_at_every_event() -> None:
    segments = plan("train.steps=120", "train.log_every=50", "train.evaluate_every=80").segments(
        55_000
    )
    assert segments == [(0, 50), (50, 80), (80, 100), (100, 120)]


def test_what_was_logged_has_the_cadence(data: Data) -> None:
    _, training = train_network(
        data, "train.steps=50", "train.log_every=20", "train.evaluate_every=25"
    )
    assert list(training.history["train_loss"]) == [20, 25, 40, 50]
    assert list(training.history["val_loss"]) == [25, 50]
    assert training.num_steps == 50


def test_batches_are_full_and_run_across_the_end_of_an_epoch() -> None:
    batches = BatchOrder(10, 4, "every_epoch", seed=0).take(5)
    assert batches.shape == (5, 4)
    assert sorted(batches.ravel()[:10]) == sorted(batches.ravel()[10:]) == list(range(10))
    assert list(batches.ravel()[:10]) != list(batches.ravel()[10:])


def test_one_shuffle_serves_all_epochs_if_wanted() -> None:
    indices = BatchOrder(10, 5, "once", seed=0).take(4).reshape(2, 10)
    assert list(indices[0]) == list(indices[1]) != list(range(10))


def test_without_shuffling_the_order_is_that_of_the_files() -> None:
    assert BatchOrder(10, 5, "never", seed=0).take(2).ravel().tolist() == list(range(10))


def test_however_batches_are_taken_they_are_the_same() -> None:
    one_by_one = BatchOrder(10, 4, "every_epoch", seed=3)
    singles = [one_by_one.take(1)[0].tolist() for _ in range(6)]
    assert BatchOrder(10, 4, "every_epoch", seed=3).take(6).tolist() == singles


@pytest.mark.parametrize("model", ["conv_big", "five_layers_dropout"])
def test_equal_seeds_give_equal_weights(model: str) -> None:
    settings = [f"model={model}", "optim=adam", "train.steps=30", "data.train_size=2000"]
    first, second, other = run(*settings), run(*settings), run(*settings, "seed=1")
    assert first.learner.digest() == second.learner.digest() != other.learner.digest()
    assert first.history["train_loss"] == second.history["train_loss"]
    assert first.metrics["test_loss"] == second.metrics["test_loss"]


def test_looking_more_often_changes_nothing() -> None:
    settings = ["model=conv_big", "optim=adam", "train.steps=30", "data.train_size=2000"]
    often = run(
        *settings, "train.log_every=3", "train.evaluate_every=7", "train.evaluate_on=[test]"
    )
    assert often.learner.digest() == run(*settings).learner.digest()


def test_softmax_reaches_91_percent_in_one_epoch() -> None:
    assert run("train.epochs=1").metrics["test_accuracy"] > 0.91


def test_a_convolutional_network_reaches_96_percent_in_200_steps() -> None:
    result = run("model=conv_big", "optim=adam_decay", "train.steps=200")
    assert result.metrics["test_accuracy"] > 0.96


def test_the_naive_loss_runs_into_nan_and_stops_there() -> None:
    settings = ["model=five_layers", "optim=sgd", "optim.learning_rate=5.0", "train.steps=200"]
    with pytest.raises(TrainingDiverged, match=r"at step \d+\. Try a lower optim.learning_rate"):
        run(*settings, "train.loss=naive_cross_entropy", "data.scale=1.0")


def test_no_weight_changes_after_the_step_that_is_named(data: Data) -> None:
    settings = ["model=five_layers", "optim.learning_rate=5.0", "train.loss=naive_cross_entropy"]
    with pytest.raises(TrainingDiverged) as caught:
        train_network(data, *settings, "train.steps=200", "train.log_every=200")
    step = int(str(caught.value).split("at step ")[1].split(".")[0])
    network, _ = train_network(data, *settings, f"train.steps={step - 1}")
    assert np.isfinite(network.get_weights()[0]).all()


def test_a_loss_that_is_nan_after_the_last_step_is_no_success() -> None:
    settings = ["model=two_layers", "train.steps=1", "optim.learning_rate=1e38"]
    with pytest.raises(TrainingDiverged, match="loss became nan at step 1"):
        run(*settings, "data.train_size=2000")


def test_small_data_in_large_batches_is_counted_in_epochs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("train.epochs=5", "train.batch_size=5000", "data.train_size=2000")
    assert "epoch 5/5  step 2/2" in capsys.readouterr().out


def test_early_stopping_stops_by_validation(data: Data) -> None:
    _, training = train_network(
        data,
        *("model=two_layers", "optim=sgd", "optim.learning_rate=1e-9", "train.steps=200"),
        *("train.evaluate_every=10", "train.early_stopping.patience=3", "train.evaluate_on=[]"),
        "train.early_stopping.min_delta=0.01",
    )
    # The first evaluation is the best; three more are not better.
    assert training.num_steps == 40


def test_the_best_weights_are_put_back(data: Data) -> None:
    network, training = train_network(
        data,
        *("model=softmax", "optim=sgd", "optim.learning_rate=20.0", "train.steps=60"),
        *("train.evaluate_every=5", "train.restore_best_weights=val_accuracy"),
    )
    seen = training.history["val_accuracy"].values()
    logits = network(data.validation.images / np.float32(255)).numpy()
    accuracy = (logits.argmax(axis=1) == data.validation.labels).mean()
    assert accuracy == pytest.approx(max(seen))
    assert max(seen) > list(seen)[-1]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_reduced_precision_learns_too(precision: str) -> None:
    settings = [
        "model=two_layers",
        "optim=adam",
        "train.steps=100",
        f"device.precision={precision}",
    ]
    result = run(*settings, "device.xla=off")
    assert result.metrics["test_accuracy"] > 0.85
    assert all(weight.dtype == np.float32 for weight in result.learner._network.get_weights())  # type: ignore[attr-defined]


def test_regularisation_shrinks_the_weights(data: Data) -> None:
    settings = ["model=two_layers", "train.steps=40", "optim.learning_rate=0.1"]
    free, _ = train_network(data, *settings)
    held, _ = train_network(data, *settings, "model.layers.hidden1.kernel_regularizer.l2=0.1")
    assert (
        np.abs(held.get_layer("hidden1").kernel).mean()
        < np.abs(free.get_layer("hidden1").kernel).mean()
    )


def test_a_history_is_a_table_by_step() -> None:
    history = History()
    history.record({"train_loss": 2.0}, 10)
    history.record({"train_loss": 1.0, "val_loss": 1.5}, 20)
    frame = history.to_frame()
    assert frame.index.tolist() == [10, 20]
    assert frame["train_loss"].tolist() == [2.0, 1.0]
    assert frame["val_loss"].isna().tolist() == [True, False]
    assert history.last("val_loss") == 1.5
    assert history.last("test_loss") is None


def test_progress_without_a_terminal_is_plain_lines(
    data: Data, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    train_network(data, "train.steps=20")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    for shown in ("epoch 1/1", "step 20/20", "loss", "val_accuracy", "lr 5.00e-01", "images/s"):
        assert shown in lines[0]
