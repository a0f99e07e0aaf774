"""Figures of one run: learning curves, errors, calibration and first layer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnistexp.data import Split, arrange_in_grid
from mnistexp.learner.metrics import NUM_BINS, calibration
from mnistexp.train import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_MISTAKES = 60
MISTAKES_PER_ROW = 10
MAX_UNITS = 100
FEW_POINTS = 20
"""Curves of fewer points get markers, because a single point has no line."""
STYLES = {"train": ("tab:blue", 0.8), "val": ("tab:green", 1.6), "test": ("tab:red", 1.6)}
"""Color and width of the curve of each split."""


def draw_run(
    history: History, test: Split, probabilities: np.ndarray, weights: np.ndarray | None
) -> "Iterator[tuple[str, Figure]]":
    """Draw all figures of a run that has ended.

    Args:
        history: the metrics logged during training.
        test: the test images.
        probabilities: the predictions for the test images, [num_images, 10].
        weights: the weights of the first layer, [num_units, height, width]; None if they cannot be
            drawn.

    Yields:
        (name, figure).
    """
    if history.steps("train_loss"):
        yield "learning_curves", draw_training(history)
    yield "confusion_matrix", draw_confusion_matrix(test.labels, probabilities)
    yield "mistakes", draw_mistakes(test, probabilities)
    yield "reliability", draw_reliability(test.labels, probabilities)
    if weights is not None:
        yield "first_layer", draw_first_layer(weights)


def draw_training(history: History) -> "Figure":
    """Draw accuracy and loss of every split over the steps, and the learning rate below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplot_mosaic(
        [["accuracy", "loss"], ["rate", "rate"]], height_ratios=(4, 1), sharex=True
    )
    for kind in ("accuracy", "loss"):
        for split, (color, width) in STYLES.items():
            curve = history[f"{split}_{kind}"]
            if curve:
                marker = "o" if len(curve) < FEW_POINTS else None
                points = list(curve), list(curve.values())
                axes[kind].plot(*points, color=color, linewidth=width, label=split, marker=marker)
        axes[kind].set(ylabel=kind)
        axes[kind].legend()
    axes["loss"].set_yscale("log")
    rates = history["learning_rate"]
    axes["rate"].plot(list(rates), list(rates.values()), color="tab:gray")
    axes["rate"].set(ylabel="learning rate", xlabel="step", ylim=(0, None))
    for panel in axes.values():
        panel.grid(alpha=0.3)
    return figure


def draw_confusion_matrix(labels: np.ndarray, probabilities: np.ndarray) -> "Figure":
    """Draw how many images of each true digit were classified as each digit; errors are colored.

    Args:
        labels: [num_images]. probabilities: [num_images, 10].
    """
    from sklearn.metrics import confusion_matrix

    num_classes = probabilities.shape[1]
    counts = confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(num_classes))
    errors = counts * (1 - np.eye(num_classes, dtype=int))
    figure, axes = _new_figure((7, 6.5))
    axes.imshow(errors, cmap="Reds")
    darkest = max(1, errors.max())
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if errors[row, column] > darkest / 2 else "black"
        weight = "bold" if row == column else "normal"
        axes.text(column, row, str(count), ha="center", va="center", color=color, weight=weight)
    axes.set(xticks=range(num_classes), yticks=range(num_classes))
    axes.set(xlabel="predicted digit", ylabel="true digit")
    axes.set_title(f"{errors.sum():,} of {counts.sum():,} test images wrong")
    return figure


def draw_mistakes(test: Split, probabilities: np.ndarray) -> "Figure":
    """Draw misclassified images, the most confident first, with true and predicted digit."""
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != test.labels)
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:MAX_MISTAKES]
    figure, axes = _new_figure((9, 7.2))
    axes.set_axis_off()
    axes.set_title(f"{len(wrong):,} of {len(test):,} test images wrong, the most confident first")
    if not len(shown):
        return figure
    digits = 255 - test.images[shown, ..., 0]
    picture, positions = arrange_in_grid(digits, MISTAKES_PER_ROW, margin=8)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    for image, (x, y) in zip(shown, positions, strict=True):
        caption = f"{test.labels[image]} → {predicted[image]}  {confidence[image]:.0%}"
        axes.text(x + 14, y + 33, caption, ha="center", va="center", fontsize=7)
    return figure


def draw_first_layer(weights: np.ndarray) -> "Figure":
    """Draw the weights of each unit or filter: red for positive, blue for negative.

    Args:
        weights: [num_units, height, width].
    """
    shown = weights[:MAX_UNITS]
    largest = float(np.abs(shown).max()) or 1.0
    columns = int(np.ceil(np.sqrt(len(shown))))
    picture, _ = arrange_in_grid(shown, columns, margin=1, background=np.nan)
    figure, axes = _new_figure((7, 7))
    image = axes.imshow(
        picture, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest"
    )
    figure.colorbar(image, ax=axes, shrink=0.7)
    axes.set_axis_off()
    axes.set_title(f"first layer: {len(shown)} of {len(weights)} units")
    return figure


def draw_reliability(labels: np.ndarray, probabilities: np.ndarray) -> "Figure":
    """Draw accuracy against confidence; on the diagonal the confidence is right.

    Args:
        labels: [num_images]. probabilities: [num_images, 10].
    """
    bins, error = calibration(probabilities, labels)
    figure, axes = _new_figure((6, 6))
    axes.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1)
    width = 1 / NUM_BINS
    axes.bar(
        [confidence for confidence, _, _ in bins],
        [accuracy for _, accuracy, _ in bins],
        width=width * 0.8,
        alpha=0.8,
    )
    for confidence, accuracy, count in bins:
        axes.text(confidence, accuracy, f"{count:,}", ha="center", va="bottom", fontsize=7)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.05), ylim=(0, 1.08))
    axes.set_title(f"expected calibration error {error:.4f}")
    axes.grid(alpha=0.3)
    return figure


def _new_figure(size: tuple[float, float]) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots()
