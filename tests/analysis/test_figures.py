"""The figures of a run, against its predictions."""

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import confusion_matrix
from support import QUICK, Command, TrackedRun, assert_nothing_is_cut

from mnistexp.analysis.figures import draw_run
from mnistexp.analysis.figures.run import (
    draw_confusion_matrix,
    draw_first_layer,
    draw_mistakes,
    draw_reliability,
    draw_training,
)
from mnistexp.config.compose import compose_config
from mnistexp.data import Split, load_data
from mnistexp.learner import build_learner
from mnistexp.learner.metrics import calibration
from mnistexp.train import History

FIGURES = {"learning_curves", "confusion_matrix", "mistakes", "reliability", "first_layer"}


def texts(figure: Figure) -> list[str]:
    (axes,) = figure.axes[:1]
    return [text.get_text() for text in axes.texts]


def title(figure: Figure) -> str:
    suptitle: str = figure.get_suptitle()
    return suptitle


def some_images(labels: list[int]) -> Split:
    return Split(np.zeros((len(labels), 28, 28, 1), "u1"), np.array(labels, "u1"))


def predictions_of(digits: list[int], confidences: list[float]) -> np.ndarray:
    probabilities = np.repeat((1 - np.array(confidences))[:, None] / 9, 10, axis=1)
    probabilities[np.arange(len(digits)), digits] = confidences
    return probabilities


def test_every_run_has_its_figures(two_layers_run: TrackedRun) -> None:
    run_id = two_layers_run.run.info.run_id
    files = two_layers_run.client.list_artifacts(run_id, "figures")
    assert {Path(file.path).stem for file in files} == FIGURES | {"data"}
    for file in files:
        path = two_layers_run.client.download_artifacts(run_id, file.path)
        with Image.open(path) as picture:
            assert min(picture.size) >= 500


def test_figures_can_be_left_out(mnistexp: Command, tmp_path: Path) -> None:
    mnistexp(*QUICK)
    assert not list(tmp_path.glob("mlruns/*/*/artifacts/figures"))
    assert list(tmp_path.glob("mlruns/*/*/artifacts/config.yaml"))


def test_the_confusion_matrix_equals_that_of_scikit_learn(two_layers_run: TrackedRun) -> None:
    test = load_data(two_layers_run.result.config.data).test
    probabilities = two_layers_run.result.learner.predict_probabilities(test.images)
    expected = confusion_matrix(test.labels, probabilities.argmax(axis=1))
    figure = draw_confusion_matrix("a run", test.labels, probabilities)
    shares = (100 * expected / expected.sum(axis=1, keepdims=True)).ravel()
    cells = zip(expected.ravel(), shares, strict=True)
    assert texts(figure) == [f"{n}\n{share:.1f} %" if n else "0" for n, share in cells]
    wrong = round((1 - two_layers_run.result.metrics["test_accuracy"]) * 10_000)
    assert title(figure) == f"a run\n{wrong} of 10,000 test images wrong"
    colors = figure.axes[0].images[0]
    assert colors.get_clim() == (0, shares.reshape(10, 10)[~np.eye(10, dtype=bool)].max())
    assert "% of the images" in figure.axes[1].get_ylabel()  # The color scale.


def test_a_confusion_matrix_of_many_classes_has_bounded_size_and_no_numbers() -> None:
    """256 classes would be 65,536 texts on a figure of 160 inches."""
    labels = np.arange(512) % 256
    probabilities = np.eye(256)[labels]
    figure = draw_confusion_matrix("a run", labels, probabilities, [f"c{n}" for n in range(256)])
    axes = figure.axes[0]
    assert not axes.texts
    assert max(figure.get_size_inches()) < 40
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["c0", "c1"]


def test_the_most_confident_errors_come_first() -> None:
    test = some_images([7, 2, 1, 0])
    figure = draw_mistakes("a run", test, predictions_of([9, 2, 4, 6], [0.601, 0.99, 0.999, 0.7]))
    assert texts(figure) == ["1 → 4  99 %", "0 → 6  70 %", "7 → 9  60 %"]
    assert title(figure).startswith("a run\n3 of 4")
    assert "true digit → predicted digit" in title(figure)
    assert {text.get_fontsize() for text in figure.axes[0].texts} == {9}
    assert_nothing_is_cut(figure)


def test_the_captions_of_all_errors_have_the_same_size() -> None:
    names = ["a long name", *"123456789"]
    figure = draw_mistakes("a run", some_images([0, 2]), predictions_of([3, 1], [0.9, 0.8]), names)
    assert texts(figure) == ["a long name →\n3 90 %", "2 →\n1 80 %"]
    assert len({text.get_fontsize() for text in figure.axes[0].texts}) == 1


def test_a_run_without_errors_says_so() -> None:
    figure = draw_mistakes("a run", some_images([3]), predictions_of([3], [0.9]))
    assert texts(figure) == ["no test image is misclassified"]


@pytest.mark.parametrize("value", [0.0, -0.3])
def test_the_colors_of_the_first_layer_are_symmetric(value: float) -> None:
    figure = draw_first_layer("a run", np.full((6, 5, 5), value))
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high < 0


@pytest.mark.parametrize("shape", [(6, 5, 7), (200, 28, 28), (1, 3, 3)])
def test_every_filter_of_the_first_layer_is_whole(shape: tuple[int, int, int]) -> None:
    axes = draw_first_layer("a run", np.ones(shape)).axes[0]
    assert len(axes.patches) == shape[0]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for frame in axes.patches:
        box = frame.get_path().transformed(frame.get_patch_transform()).get_extents()
        assert (box.width, box.height) == shape[:0:-1]
        assert left < box.x0 < box.x1 <= right
        assert top < box.y0 < box.y1 <= bottom


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("softmax", (10, 28, 28)),
        ("conv", (4, 5, 5)),
        ("logistic_regression", (10, 28, 28)),
        ("random_forest", (1, 28, 28)),
        ("k_nearest_neighbors", None),
    ],
)
def test_only_first_layers_that_read_pixels_are_drawn(
    model: str, shape: tuple[int, ...] | None
) -> None:
    config, _ = compose_config([f"model={model}"])
    data = load_data(config.data)
    small = replace(data, train=data.train[:500])
    learner = build_learner(config, small)
    if config.unused_sections:  # A network has weights from the start.
        learner.fit(small, lambda metrics, step: None)
    layer = learner.first_layer()
    assert (None if layer is None else layer.shape) == shape


def test_the_calibration_error_is_that_of_its_definition() -> None:
    # Two images at 0.9, one of them right; two at 0.5, both right: (0.4 · 2 + 0.5 · 2) / 4.
    probabilities = predictions_of([1, 1, 2, 2], [0.9, 0.9, 0.5, 0.5])
    bins, error = calibration(probabilities, np.array([1, 3, 2, 2]))
    np.testing.assert_allclose(bins, [(0.5, 1.0, 2), (0.9, 0.5, 2)])
    assert error == pytest.approx(0.45)


def test_bars_of_the_reliability_do_not_overlap_and_end_at_one() -> None:
    confidences = [0.199, 0.201, 0.201, 1.0]  # The first two are in neighboring bins.
    figure = draw_reliability(
        "a run", np.array([1, 1, 2, 2]), predictions_of([1, 1, 2, 2], confidences)
    )
    boxes = [
        bar.get_window_extent().transformed(figure.axes[0].transData.inverted())
        for bar in figure.axes[0].patches
    ]
    assert all(left.x1 <= right.x0 + 1e-9 for left, right in pairwise(boxes))
    assert boxes[-1].x1 == pytest.approx(1)
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2", "1"]
    assert all(text.get_position()[1] > 1 for text in figure.axes[0].texts)  # Above the diagonal.
    assert_nothing_is_cut(figure)


@pytest.mark.parametrize(
    ("shape", "name"),
    [((6, 5, 5), "6 filters"), ((300, 5, 5), "256 of 300 filters"), ((10, 28, 28), "10 units")],
)
def test_the_first_layer_is_named_and_fills_its_figure(
    shape: tuple[int, int, int], name: str
) -> None:
    test, probabilities = some_images([1, 2]), predictions_of([1, 3], [0.9, 0.6])
    figure = dict(draw_run("a run", History(), test, probabilities, np.ones(shape)))["first_layer"]
    assert title(figure) == f"a run\nfirst layer: {name}"
    figure.draw_without_rendering()
    assert figure.axes[0].get_window_extent().height > 0.7 * figure.bbox.height


def test_figures_are_drawn_without_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    history = History()
    history.record({"train_loss": 1.0, "train_accuracy": 0.5, "learning_rate": 0.1}, step=10)
    test, probabilities = some_images([1, 2]), predictions_of([1, 3], [0.9, 0.6])
    figures = dict(draw_run("softmax-sgd-s0 (0123abcd)", history, test, probabilities, None))
    assert set(figures) == FIGURES - {"first_layer"}
    for figure in figures.values():
        assert title(figure).startswith("softmax-sgd-s0 (0123abcd)")
        file = io.BytesIO()
        figure.savefig(file, format="png")
        assert Image.open(file).width > 500


def history_of(**curves: dict[int, float]) -> History:
    history = History()
    for name, curve in curves.items():
        for step, value in curve.items():
            history.record({name: value}, step)
    return history


def test_metrics_that_were_measured_once_are_bars_with_numbers() -> None:
    history = history_of(
        train_accuracy={50: 0.7}, val_accuracy={50: 0.92}, learning_rate={50: 1e-3}
    )
    figure = draw_training("a run", history)
    accuracy, _, rate = figure.axes
    tops = [bar.get_window_extent().y1 for bar in accuracy.patches]
    assert accuracy.transData.inverted().transform([(0, y) for y in tops])[:, 1] == pytest.approx(
        [0.7, 0.92]
    )
    assert [text.get_text() for text in accuracy.texts] == ["0.7000", "0.9200"]
    assert "at step 50" in accuracy.get_xlabel()
    assert rate.lines[0].get_marker() == "o"


def test_a_split_that_was_evaluated_once_is_a_marker_beside_curves() -> None:
    training = {step: 0.97 + step / 1e5 for step in range(10, 1010, 10)}
    history = history_of(train_accuracy={1: 0.1, **training}, val_accuracy={1000: 0.978})
    figure = draw_training("a run", history)
    train, val = figure.axes[0].lines
    assert (train.get_marker(), val.get_marker()) == ("None", "o")
    assert 0.96 < figure.axes[0].get_ylim()[0] < figure.axes[0].get_ylim()[1] < 1
    assert_nothing_is_cut(figure)
