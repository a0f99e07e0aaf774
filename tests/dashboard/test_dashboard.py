"""What a recording holds, and what is drawn of it, against independent computations."""

import itertools
import os
import subprocess
from pathlib import Path

import imageio_ffmpeg
import keras
import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseButton, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from support import Command, TrackedRun, network_config, train_network

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.config.config_hash import config_hash
from mnistexp.dashboard import ViewerProcess, draw_recording
from mnistexp.dashboard.digit_panels import COMPUTED_COLOUR, TRUE_COLOUR, errors_first
from mnistexp.dashboard.panels import Panels
from mnistexp.dashboard.player import Player
from mnistexp.dashboard.recorded_run import RecordedRun, frames
from mnistexp.dashboard.recording import Header, Moment, Recording, Writer
from mnistexp.dashboard.view import PANELS
from mnistexp.dashboard.viewer_session import ViewerSession
from mnistexp.dashboard.window import Window
from mnistexp.data import Data, load_data
from mnistexp.errors import ConfigError, RecordingError, TrainingDiverged
from mnistexp.experiment import RunResult, run_experiment
from mnistexp.model import build_model
from mnistexp.train import (
    Evaluation,
    QuantileSource,
    Snapshot,
    SnapshotRecorder,
    TrainingResult,
)
from mnistexp.train.batch_order import BatchOrder
from mnistexp.train.compiled_trainer import LOSSES
from mnistexp.train.layer_statistics import LayerStatistics
from mnistexp.train.snapshot import quantile_edges

QUIET = "train.evaluate_every=1000"
"""No evaluation but that after the last step."""


class Witness(SnapshotRecorder):
    """A recorder that keeps all that it is shown."""

    def __init__(self, quantile_source: QuantileSource = "auto") -> None:
        self.quantile_source: QuantileSource = quantile_source
        self.seen: list[Snapshot] = []

    def record(self, snapshot: Snapshot) -> None:
        self.seen.append(snapshot)


@pytest.fixture(scope="module")
def data() -> Data:
    return load_data(compose_config(["data.train_size=2000"])[0].data)


@pytest.fixture
def film(recorded_run: TrackedRun) -> RecordedRun:
    assert recorded_run.result.recording is not None
    return RecordedRun(recorded_run.result.recording)


def train(
    data: Data, witness: Witness | None, *overrides: str, xla: bool = False
) -> tuple[keras.Model, TrainingResult]:
    quiet = [*overrides, "train.evaluate_on=[]"]
    return train_network(data, *quiet, recorder=witness, xla=xla)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 1000, 184_900])
def test_boundaries_are_the_quantiles_that_numpy_computes(size: int) -> None:
    values = np.random.default_rng(size).normal(size=size).astype("f4")
    expected = np.quantile(values.astype("f8"), np.arange(8) / 7)
    np.testing.assert_allclose(quantile_edges(values.copy()), expected, rtol=1e-5, atol=1e-7)


def test_without_values_there_are_no_boundaries() -> None:
    assert np.isnan(quantile_edges(np.empty(0, "f4"))).all()


@pytest.mark.parametrize("xla", [False, True])
def test_weights_and_biases_are_those_of_all_layers(data: Data, xla: bool) -> None:
    witness = Witness()
    network, _ = train(data, witness, "model=five_layers", "train.steps=30", xla=xla)
    weights = np.concatenate([w.ravel() for w in network.get_weights() if w.ndim > 1])
    biases = np.concatenate([w.ravel() for w in network.get_weights() if w.ndim == 1])
    assert len(weights) + len(biases) == 185_300
    last = witness.seen[-1].quantiles
    assert list(last) == ["weights", "biases"]
    for name, values in (("weights", weights), ("biases", biases)):
        np.testing.assert_allclose(last[name], np.quantile(values, np.arange(8) / 7), rtol=1e-5)


def by_hand(network: keras.Model, images: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weighted sums and activations of dense layers with normalisation by the batch and relu."""
    sums, activations = [], []
    values = images.reshape(len(images), -1).astype("f8") / 255
    for number in (1, 2, 3, 4):
        sums.append(values @ network.get_layer(f"hidden{number}").kernel.numpy())
        norm = network.get_layer(f"norm{number}")
        centred = (sums[-1] - sums[-1].mean(axis=0)) / np.sqrt(sums[-1].var(axis=0) + 1e-5)
        values = np.maximum(centred + norm.beta.numpy(), 0)
        activations.append(values)
    last = network.get_layer("logits")
    sums.append(values @ last.kernel.numpy() + last.bias.numpy())
    return sums, activations


def test_with_batch_normalisation_logits_and_activations_are_shown(data: Data) -> None:
    witness = Witness()
    settings = ["model=five_layers_batchnorm", "optim=adam", "train.steps=20"]
    network, _ = train(data, witness, *settings)
    last = witness.seen[-1]
    sums, activations = by_hand(network, data.train.images[last.batch])
    logits = np.concatenate([values.ravel() for values in sums])
    highest = np.concatenate([values.max(axis=0) for values in activations])
    expected = np.quantile(logits, np.arange(8) / 7)
    np.testing.assert_allclose(last.quantiles["logits"], expected, rtol=1e-3, atol=1e-3)
    expected = np.quantile(highest, np.arange(8) / 7)
    np.testing.assert_allclose(last.quantiles["activations"], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(last.on_batch.predictions, sums[-1].argmax(axis=1))


def test_activations_of_layers_that_hold_them_are_found_too(data: Data) -> None:
    witness = Witness("activations")
    network, _ = train(data, witness, "model=two_layers", "train.steps=5")
    images = data.train.images[witness.seen[-1].batch].reshape(-1, 784) / 255
    hidden = network.get_layer("hidden1")
    sums = images @ hidden.kernel.numpy() + hidden.bias.numpy()
    highest = keras.activations.get(hidden.activation)(sums).numpy().max(axis=0)
    expected = np.quantile(highest, np.arange(8) / 7)
    np.testing.assert_allclose(witness.seen[-1].quantiles["activations"], expected, atol=1e-4)


def test_looking_changes_no_layer_that_is_trained(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evaluation that was compiled meanwhile would have lost its activations."""
    network = build_model(network_config("model=two_layers"))
    weights = [weight.value.read_value() for weight in network.weights]
    looked_at = LayerStatistics(network, 255.0, LOSSES["cross_entropy"])
    changed = []
    set_attribute = keras.layers.Dense.__setattr__

    def spying(layer: keras.layers.Dense, name: str, value: object) -> None:
        changed.append(layer)
        set_attribute(layer, name, value)

    monkeypatch.setattr(keras.layers.Dense, "__setattr__", spying)
    looked_at.evaluate(weights, data.train.images[:10], data.train.labels[:10], "activations")
    assert changed
    assert not {id(layer) for layer in changed} & {id(layer) for layer in network.layers}


@pytest.mark.parametrize("model", ["five_layers_batchnorm", "five_layers_dropout"])
def test_being_observed_changes_nothing(data: Data, model: str) -> None:
    settings = [f"model={model}", "optim=adam", "train.steps=60", "train.log_every=7"]
    seen, observed = train(data, Witness("activations"), *settings)
    unseen, alone = train(data, None, *settings)
    for mine, theirs in zip(seen.get_weights(), unseen.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for name in ("train_loss", "train_accuracy", "learning_rate"):
        assert observed.history[name] == alone.history[name]
    assert not observed.history["test_loss"]


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("model", ["five_layers", "five_layers_dropout"])
@pytest.mark.parametrize("steps", [25, 50])
def test_the_batch_is_the_next_one_before_its_update_without_dropout(
    data: Data, model: str, steps: int, xla: bool
) -> None:
    witness = Witness("parameters")
    settings = [f"model={model}", "optim=adam", "train.batch_size=150", "train.log_every=25", QUIET]
    train(data, witness, *settings, "train.steps=50", xla=xla)
    assert [snapshot.step for snapshot in witness.seen] == [0, 25, 50]
    moment = witness.seen[steps // 25]

    network, _ = train(data, None, *settings, f"train.steps={steps}", xla=xla)
    batch = BatchOrder(2_000, 150, "every_epoch", seed=1).take(51)[steps]
    logits = network(data.train.images[batch] / np.float32(255)).numpy()
    truth = data.train.labels[batch]
    assert moment.batch.tolist() == batch[:100].tolist()
    np.testing.assert_array_equal(moment.on_batch.predictions, logits.argmax(axis=1)[:100])
    assert moment.on_batch.accuracy == pytest.approx((logits.argmax(axis=1) == truth).mean())
    loss = keras.losses.sparse_categorical_crossentropy(truth, logits, from_logits=True)
    assert moment.on_batch.loss == pytest.approx(float(np.mean(loss)), rel=1e-4)
    weights = np.concatenate([w.ravel() for w in network.get_weights() if w.ndim > 1])
    expected = np.quantile(weights, np.arange(8) / 7)
    np.testing.assert_allclose(moment.quantiles["weights"], expected, rtol=1e-5, atol=1e-7)


def test_what_waits_for_the_next_step_is_shown_when_that_one_fails(data: Data) -> None:
    witness = Witness()
    settings = ["optim=sgd", "optim.learning_rate=1e30", "train.steps=50", "train.log_every=1"]
    with pytest.raises(TrainingDiverged):
        train(data, witness, "model=five_layers", *settings, QUIET)
    seen = [snapshot.step for snapshot in witness.seen]
    assert seen == list(range(len(seen)))
    assert np.isfinite(witness.seen[0].on_batch.loss)
    assert np.isfinite(witness.seen[0].quantiles["weights"]).all()


def test_the_test_digits_are_seen_whatever_is_evaluated(data: Data) -> None:
    witness = Witness()
    network, _ = train(data, witness, "train.steps=30", "train.log_every=10", QUIET)
    assert [snapshot.on_test is not None for snapshot in witness.seen] == [True, False, False, True]
    last = witness.seen[-1].on_test
    assert last is not None
    logits = network(data.test.images / np.float32(255)).numpy()
    np.testing.assert_array_equal(last.predictions, logits.argmax(axis=1))
    assert last.accuracy == pytest.approx((logits.argmax(axis=1) == data.test.labels).mean())


def test_a_recording_gives_back_what_was_seen(recorded_run: TrackedRun, film: RecordedRun) -> None:
    history = recorded_run.result.history
    track = film.track
    assert track.steps.tolist() == list(range(0, 201, 20))
    assert track.steps[track.test].tolist() == [0, 100, 200]
    assert track.test_accuracies[1:].tolist() == list(history["test_accuracy"].values())
    losses = list(history["test_loss"].values())
    assert (track.test_losses[1:] / 100).tolist() == pytest.approx(losses)
    assert film.recording.ending == "finished"
    assert film.recording.header.run_id == recorded_run.result.run_id
    last = film.recording.moments[-1].snapshot.on_test
    assert last is not None
    computed = recorded_run.result.learner.predict_probabilities(film.test.images).argmax(axis=1)
    np.testing.assert_array_equal(last.predictions, computed)


def test_recording_and_picture_are_artifacts_of_the_run(recorded_run: TrackedRun) -> None:
    assert recorded_run.result.run_id is not None
    folder = recorded_run.client.download_artifacts(recorded_run.result.run_id, "dashboard")
    assert sorted(path.name for path in Path(folder).iterdir()) == [
        "training.png",
        "training.recording",
    ]
    assert size_of(Path(folder) / "training.png") == (1440, 810)
    assert recorded_run.result.recording is not None
    stored = (Path(folder) / "training.recording").read_bytes()
    assert stored == recorded_run.result.recording.read_bytes()


def size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size


def panels_of(film: RecordedRun, index: int = -1) -> Panels:
    figure = Figure()
    FigureCanvasAgg(figure)
    panels = Panels(figure, film)
    panels.show(range(len(film.recording.moments))[index])
    return panels


def test_errors_come_first_each_in_the_order_of_the_digits() -> None:
    predictions, truth = np.array([1, 2, 3, 4, 5]), np.array([1, 0, 3, 0, 5])
    assert errors_first(predictions, truth, 5).tolist() == [1, 3, 0, 2, 4]
    assert errors_first(predictions, truth, 3).tolist() == [1, 3, 0]


def test_the_labels_of_the_test_digits_are_the_predictions(film: RecordedRun) -> None:
    panels = panels_of(film)
    on_test = film.recording.moments[-1].snapshot.on_test
    assert on_test is not None
    wrong = np.flatnonzero(on_test.predictions != film.test.labels)
    assert 200 < len(wrong) < 10_000
    shown = wrong[:1000]
    labels = panels.test.labels()
    for colour, side, digits in (
        (TRUE_COLOUR, 0, film.test.labels[shown]),
        (COMPUTED_COLOUR, 14, on_test.predictions[shown]),
    ):
        at = {(x, y): digit for x, y, its_colour, digit in labels if its_colour == colour}
        by_cell = {(int(y // 28), int((x - side) // 28)): digit for (x, y), digit in at.items()}
        expected = {divmod(number, 40): digit for number, digit in enumerate(digits.tolist())}
        assert by_cell == expected
    assert len(labels) == 2 * len(shown)


def test_right_digits_are_on_white_and_wrong_ones_on_pink(film: RecordedRun) -> None:
    panels = panels_of(film)
    snapshot = film.recording.moments[-1].snapshot
    picture = np.asarray(panels.batch._image.get_array())
    assert picture.shape == (280, 280, 3)
    right = snapshot.on_batch.predictions == film.train.labels[snapshot.batch]
    corners = picture[::28, ::28].reshape(100, 3)  # Top left of each cell, where there is no ink.
    assert (corners[right] == 255).all()
    assert ((corners[~right, 0] == 255) & (corners[~right, 1] < 230)).all()
    ink = film.train.images[snapshot.batch[0], :27, :27, 0]
    np.testing.assert_allclose(picture[:27, :27, 0], 255 - ink.astype(int), atol=1)


def test_the_border_of_the_errors_reads_as_the_accuracy(film: RecordedRun) -> None:
    truth = film.test.labels
    predictions = np.where(np.arange(10_000) % 25 == 0, (truth + 1) % 10, truth).astype("u1")
    last = film.recording.moments[-1]
    seen = Evaluation(0.1, 0.96, predictions)
    snapshot = Snapshot(**{**vars(last.snapshot), "on_test": seen})
    film.recording.moments[-1] = Moment(snapshot, last.seconds)
    panels = panels_of(film)
    axes = panels._axes["test"]
    scale = {
        text.get_text(): y
        for text, y in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
    }
    height = 25 * 28
    assert (scale["100 %"], scale["90 %"]) == pytest.approx((0, height))
    picture = np.asarray(panels.test._image.get_array())
    pink_lines = (picture[::28, 0, 1] < 230).sum()
    assert pink_lines * 28 == pytest.approx(scale["96 %"])


def test_the_panels_are_the_labs(film: RecordedRun) -> None:
    panels = panels_of(film)
    panels.figure.canvas.draw()
    titles = [panels._axes[name].get_title() for name in PANELS]
    assert titles == [
        *("Accuracy", "Cross entropy loss (× 100)", "Training digits"),
        *("Weights", "Biases", "Test digits"),
    ]
    places = [panels._axes[name].get_position() for name in PANELS]
    assert [round(place.x0 * 3) for place in places] == [0, 1, 2, 0, 1, 2]
    assert [place.y0 > 0.5 for place in places] == [True] * 3 + [False] * 3
    assert panels.limits("accuracy") == (0, 200, 0, 1)
    assert panels.limits("loss") == (0, 200, 0, 100)
    training, test = panels._axes["accuracy"].lines
    assert training.get_linewidth() < test.get_linewidth()
    bands = panels._axes["first_spread"].collections
    last = film.recording.moments[-1].snapshot.quantiles["weights"]
    for band, (low, high) in zip(bands, [(3, 4), (2, 5), (1, 6), (0, 7)], strict=True):
        points = np.asarray(band.get_paths()[0].vertices)
        at_end = points[points[:, 0] == 200, 1]
        assert (at_end.min(), at_end.max()) == pytest.approx((last[low], last[high]))
    darkness = [float(np.asarray(band.get_facecolor())[0, :3].mean()) for band in bands]
    assert darkness == sorted(darkness)


@pytest.fixture
def window(film: RecordedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Window:
    """A window whose keys and mouse are matplotlib's own events, without a display."""
    monkeypatch.chdir(tmp_path)
    figure = Figure(figsize=(14.4, 8.1))
    FigureCanvasAgg(figure)
    window = Window(ViewerSession(figure, film, speed=1e6), until_end=False)
    window.refresh()
    figure.canvas.draw()
    return window


def press(window: Window, *keys: str) -> tuple[str, ...]:
    """Press keys; the panels that are seen then."""
    canvas = window._show.panels.figure.canvas
    for key in keys:
        canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", canvas, key))
    canvas.draw()
    axes = window._show.panels._axes
    return tuple(name for name in PANELS if axes[name].get_visible())


@pytest.mark.parametrize(
    ("key", "panels"),
    [
        *((str(number + 1), (name,)) for number, name in enumerate(PANELS)),
        ("7", ("accuracy", "loss")),
        ("8", ("first_spread", "second_spread")),
        ("9", ("batch", "test")),
        ("0", PANELS),
        ("escape", PANELS),
    ],
)
def test_keys_choose_the_panels(window: Window, key: str, panels: tuple[str, ...]) -> None:
    assert press(window, "1", key) == panels


def drag(window: Window, start: tuple[int, int], end: tuple[int, int]) -> None:
    canvas = window._show.panels.figure.canvas
    for name, point in (
        ("button_press_event", start),
        ("motion_notify_event", end),
        ("button_release_event", end),
    ):
        canvas.callbacks.process(name, MouseEvent(name, canvas, *point, MouseButton.LEFT))


def test_a_zoom_survives_what_is_drawn_later_and_h_ends_it(
    window: Window, film: RecordedRun
) -> None:
    panels = window._show.panels
    axes = panels._axes["accuracy"]
    start, end = (
        (round(x), round(y)) for x, y in axes.transData.transform([(50, 0.2), (150, 0.6)])
    )
    drag(window, start, end)
    assert panels.limits("accuracy") == (0, 200, 0, 1)  # Not without o.
    press(window, "o")
    drag(window, start, end)
    zoomed = panels.limits("accuracy")
    assert zoomed[:2] == pytest.approx((50, 150), abs=1)
    assert zoomed[2:] == pytest.approx((0.2, 0.6), abs=0.005)
    panels.show(3)
    press(window, "1", "0", " ", " ")
    assert panels.limits("accuracy") == zoomed
    press(window, "h")
    assert panels.limits("accuracy") == (0, 200, 0, 1)


def test_ctrl_s_saves_the_picture_and_says_where(window: Window) -> None:
    press(window, "ctrl+s")
    (file,) = Path.cwd().glob("*.png")
    assert file.name == "recorded-step-200.png"
    assert size_of(file) == (2880, 1620)
    window.refresh()
    assert str(file) in window._show.panels._notice.get_text()


def test_a_question_mark_lists_the_keys(window: Window) -> None:
    text = window._show.panels._help
    assert not text.get_visible()
    press(window, "?")
    assert text.get_visible()
    for key in ("1 to 6", "7", "8", "9", "0, Esc", "space", "o", "h", "Ctrl-S", "?"):
        assert any(line.startswith(f"{key} ") for line in text.get_text().splitlines())
    press(window, "?")
    assert not text.get_visible()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


HEADER = Header("made_up", None, 1000, 100, {"name": "mnist"}, "")


def made_up(step: int, num_test: int = 0, seed: int = 0) -> Snapshot:
    random = np.random.default_rng(seed + step)
    on_test = Evaluation(0.5, 0.5, random.integers(0, 10, num_test, "u1")) if num_test else None
    batch = random.integers(0, 60_000, 100, "i4")
    return Snapshot(
        step=step,
        learning_rate=0.1,
        batch=batch,
        on_batch=Evaluation(1.0, 0.5, random.integers(0, 10, 100, "u1")),
        quantiles={name: random.normal(size=8).astype("f4") for name in ("weights", "biases")},
        on_test=on_test,
    )


def write(file: Path, count: int) -> None:
    writer = Writer(file, HEADER)
    for number in range(count):
        writer.write(Moment(made_up(number), seconds=float(number)))
    writer.close("finished")


def test_a_finished_training_is_played_at_the_chosen_speed(tmp_path: Path) -> None:
    write(tmp_path / "r", 101)
    clock = Clock()
    player = Player(Recording(tmp_path / "r"), speed=2.0, clock=clock)
    assert player.advance(paused=False) == 0
    clock.now = 3.0
    assert (player.advance(paused=False), player.skipped) == (6, 5)
    clock.now = 100.0
    assert player.advance(paused=True) == 6
    clock.now = 101.0
    assert player.advance(paused=False) == 6
    clock.now = 102.0
    assert player.advance(paused=False) == 8
    clock.now = 200.0
    assert (player.advance(paused=False), player.is_at_end) == (100, True)
    player.restart()
    assert player.advance(paused=False) == 0
    assert Player(Recording(tmp_path / "r")).speed == pytest.approx(100 / 30)


def test_a_training_that_goes_on_is_followed_and_pause_holds_the_picture(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "r", HEADER)
    recording = Recording(tmp_path / "r")
    player = Player(recording)
    assert recording.is_running
    assert player.advance(paused=False) == -1
    for number in range(3):
        writer.write(Moment(made_up(number), float(number)))
    assert recording.read_new()
    assert not recording.read_new()
    assert player.advance(paused=False) == 2
    writer.write(Moment(made_up(3), 3.0))
    recording.read_new()
    assert player.advance(paused=True) == 2
    assert player.advance(paused=False) == 3
    writer.close("finished")
    recording.read_new()
    assert (recording.is_running, player.is_at_end) == (False, True)


def test_several_read_what_one_writes(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "r", HEADER)
    readers = [Recording(tmp_path / "r") for _ in range(3)]
    writer.write(Moment(made_up(0), 0.0))
    assert [reader.read_new() for reader in readers] == [True] * 3
    assert all(reader.is_running for reader in readers)
    np.testing.assert_array_equal(readers[1].moments[0].snapshot.batch, made_up(0).batch)
    writer.close("finished")


def test_ten_thousand_steps_of_the_lab_are_small(tmp_path: Path) -> None:
    """At its densest cadence, every 10 and every 50 steps, with figures that do not compress."""
    writer = Writer(tmp_path / "r", HEADER)
    for step in range(0, 10_001, 10):
        writer.write(Moment(made_up(step, 10_000 if step % 50 == 0 else 0), step / 100))
    writer.close("finished")
    assert (tmp_path / "r").stat().st_size < 2.5e6


def test_a_recording_that_is_cut_is_played_up_to_there(tmp_path: Path) -> None:
    write(tmp_path / "r", 10)
    whole = (tmp_path / "r").read_bytes()
    (tmp_path / "r").write_bytes(whole[:-200])
    recording = Recording(tmp_path / "r")
    assert 8 <= len(recording.moments) < 10
    assert recording.fault.startswith("it is cut ")
    assert not recording.is_running


def test_a_recording_that_is_damaged_is_played_up_to_there(tmp_path: Path) -> None:
    write(tmp_path / "r", 10)
    content = bytearray((tmp_path / "r").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "r").write_bytes(content)
    recording = Recording(tmp_path / "r")
    assert 3 <= len(recording.moments) <= 6
    assert recording.fault.startswith("it is damaged behind byte ")
    np.testing.assert_array_equal(recording.moments[2].snapshot.batch, made_up(2).batch)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "expected a recording. No such file"),
        (b"", "Received: an empty file"),
        (b"\x89PNG\r\n", "Received: another kind of file"),
        (b"mnistexp recording 9\n", "Received: one of another version"),
        (b"mnistexp recording 1\n\x05", "the start of this recording is damaged"),
        (b"mnistexp recording 1\n" + b"\xff" * 100, "the start of this recording is damaged"),
    ],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / "r").write_bytes(content)
    with pytest.raises(RecordingError, match=complaint):
        Recording(tmp_path / "r")


def test_every_cut_of_a_recording_is_refused_or_played(tmp_path: Path) -> None:
    write(tmp_path / "r", 2)
    whole = (tmp_path / "r").read_bytes()
    for size in range(0, len(whole), 7):
        (tmp_path / "r").write_bytes(whole[:size])
        try:
            recording = Recording(tmp_path / "r")
        except RecordingError:
            assert size < len(whole) / 2
        else:
            assert recording.ending is None
            assert recording.fault


def test_a_disk_that_is_full_ends_the_recording_and_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: Writer, moment: Moment) -> None:
        if moment.snapshot.step >= 20:
            raise OSError(28, "No space left on device")
        write_for_real(self, moment)

    write_for_real = Writer.write
    monkeypatch.setattr(Writer, "write", full)
    result = run("dashboard=record", "train.steps=40", "train.log_every=10")
    assert result.metrics["test_accuracy"] > 0.3
    assert "recording stopped: No space left on device" in capsys.readouterr().out
    assert result.recording is not None
    assert len(Recording(result.recording).moments) == 2


def run(*overrides: str) -> RunResult:
    config, _ = compose_config(["data.train_size=2000", "tracking=none", *overrides])
    return run_experiment(config)


def test_a_training_that_diverges_leaves_a_recording_up_to_there(
    recorded_run: TrackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [
        *("model=five_layers", "optim=sgd", "optim.learning_rate=5.0", "data.scale=1.0"),
        *("train.loss=naive_cross_entropy", "train.log_every=1", "data.train_size=2000"),
        *("dashboard=record", f"tracking.uri=sqlite:///{recorded_run.folder}/mlflow.db"),
    ]
    with pytest.raises(TrainingDiverged):
        run_experiment(*compose_config(settings))
    (file,) = tmp_path.rglob("runs/*/training.recording")
    recording = Recording(file)
    assert recording.moments
    assert recording.ending is not None
    assert "the loss became nan" in recording.ending
    (run,) = recorded_run.client.search_runs(["1"], "tags.diverged = 'true'")
    assert len(recorded_run.client.list_artifacts(run.info.run_id, "dashboard")) == 2


def test_a_movie_has_a_frame_for_each_moment_at_24_a_second(
    film: RecordedRun, mnistexp: Command, tmp_path: Path
) -> None:
    recording = str(film.recording.file)
    assert mnistexp("watch", recording, "--save", "a.mp4").exit_code == 0
    decode = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", "a.mp4", "-f", "rawvideo"]
    decoded = subprocess.run([*decode, "-pix_fmt", "gray", "-"], capture_output=True, check=True)
    pictures = np.frombuffer(decoded.stdout, "u1").reshape(-1, 810, 1440)
    assert len(pictures) == 11
    assert b"24 fps" in decoded.stderr
    assert all((a != b).any() for a, b in itertools.pairwise(pictures))
    assert mnistexp("watch", recording, "--save", "a.gif").exit_code == 0
    with Image.open("a.gif") as gif:
        assert gif.n_frames == 11  # type: ignore[attr-defined]
        assert gif.info["duration"] == 40  # In hundredths of a second, 24 frames are 25.
    outcome = mnistexp("watch", recording, "--save", "a.png")
    assert outcome.out == "a.png: 1 picture\n"
    assert size_of(Path("a.png")) == (1440, 810)


def test_a_movie_at_a_speed_lasts_as_long_as_that(film: RecordedRun) -> None:
    seconds = film.recording.moments[-1].seconds - film.recording.moments[0].seconds
    assert len(frames(film, speed=0.5)) == pytest.approx(2 * seconds * 24, abs=2)
    assert frames(film, speed=0.5)[-1] == 10


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere"], "nowhere: expected the id or the name of a run"),
        (["."], "expected a recording below it. Received: none"),
        ([], "runs: expected a recording below it"),
        (["--save", "a.avi"], "--save: expected a name with .mp4, .gif or .png. Received: a.avi"),
        (["--save", "no/a.gif"], "--save: expected an existing folder. Received: no"),
    ],
)
def test_what_cannot_be_watched_is_said(
    mnistexp: Command, arguments: list[str], complaint: str
) -> None:
    outcome = mnistexp("watch", *arguments)
    assert outcome.exit_code == 2
    assert complaint in outcome.err
    assert os.listdir() == []


def test_without_ffmpeg_the_remedy_is_said(
    film: RecordedRun, mnistexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistexp.dashboard.recorded_run.which", lambda _: None)
    monkeypatch.setattr("mnistexp.dashboard.recorded_run.find_spec", lambda _: None)
    outcome = mnistexp("watch", str(film.recording.file), "--save", "a.mp4")
    assert outcome.exit_code == 2
    assert "pip install 'mnistexp[movie]', or save as .gif" in outcome.err


def test_a_run_is_found_by_id_name_and_folder_and_without_its_folder(
    recorded_run: TrackedRun, mnistexp: Command
) -> None:
    file = recorded_run.result.recording
    assert file is not None
    uri = f"sqlite:///{recorded_run.folder}/mlflow.db"
    run_id = recorded_run.result.run_id
    assert run_id is not None

    def saved(run: str) -> bytes:
        outcome = mnistexp("watch", run, "--uri", uri, "--save", "a.png")
        assert outcome.exit_code == 0, outcome.err
        return Path("a.png").read_bytes()

    expected = saved(str(file))
    assert saved(run_id) == saved("recorded") == saved(str(file.parent)) == expected
    aside = file.rename(file.with_suffix(".aside"))
    try:
        assert saved(run_id) == expected
    finally:
        aside.rename(file)
    outcome = mnistexp("watch", "unknown", "--uri", uri)
    assert outcome.exit_code == 2


def test_a_run_that_was_not_recorded_says_how_it_would_be(
    two_layers_run: TrackedRun, mnistexp: Command
) -> None:
    assert two_layers_run.result.run_id is not None
    uri = f"sqlite:///{two_layers_run.folder}/mlflow.db"
    outcome = mnistexp("watch", two_layers_run.result.run_id, "--uri", uri)
    assert outcome.exit_code == 2
    assert "expected a run that was recorded, with dashboard=record" in outcome.err


def test_other_data_than_was_recorded_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "r", 1)
    with pytest.raises(RecordingError, match="expected mnist as it was recorded"):
        RecordedRun(tmp_path / "r")


def test_a_notebook_gets_a_figure_that_shows_itself(recorded_run: TrackedRun) -> None:
    assert recorded_run.result.recording is not None
    figure = draw_recording(recorded_run.result.recording)
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert len([axes for axes in figure.axes if axes.get_label() in PANELS]) == 6


def composed(*overrides: str) -> tuple[str, str]:
    config, _ = compose_config(list(overrides))
    return config.dashboard.type, config_hash(config, "data")


def test_recording_makes_no_other_run_of_a_config() -> None:
    off, recording, live = (
        composed("model=conv_big", f"dashboard={name}") for name in ("off", "record", "live")
    )
    assert [off[0], recording[0], live[0]] == ["off", "record", "live"]
    assert off[1] == recording[1] == live[1]
    assert composed("model=conv_big") == off
    assert composed("dashboard=live", "dashboard.hold=true")[1] == composed()[1]


@pytest.mark.parametrize("name", list_groups()["lab"])
def test_the_lab_records_and_may_be_told_not_to(name: str) -> None:
    assert composed(f"lab={name}")[0] == "record"
    config, origin = compose_config([f"lab={name}", "dashboard=off"])
    assert config.dashboard.type == "off"
    assert origin.altered_settings == []


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["dashboard=liv"], "dashboard: expected one of live, off, record. Received: 'liv'"),
        (["dashboard.hold=true"], "dashboard.hold: unknown setting"),
        (["dashboard=live", "dashboard.port=0"], "dashboard.port: expected a number >= 1"),
        (
            ["dashboard=record", "dashboard.quantiles=all"],
            "dashboard.quantiles: expected one of auto",
        ),
        (["model=random_forest", "dashboard=record"], "dashboard.type: expected off for random"),
    ],
)
def test_wrong_settings_of_the_dashboard_are_said(overrides: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        compose_config(overrides)


def test_only_what_is_live_opens_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def open_view(_: object, file: Path) -> ViewerProcess:
        opened.append(file)
        return ViewerProcess()

    monkeypatch.setattr("mnistexp.dashboard.recorder.LiveViewerProcess", open_view)
    assert run("dashboard=off", "train.steps=2").recording is None
    recording = run("dashboard=record", "train.steps=2").recording
    assert recording is not None
    assert opened == []
    assert opened == [run("dashboard=live", "train.steps=2").recording]
