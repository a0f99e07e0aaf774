"""Figures of one run: learning curves, errors, calibration and first layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mnistexp.analysis.chart_layout import FEW_POINTS, is_log_scaled, metric_range
from mnistexp.analysis.figures.canvas import new_figure, set_log_scale, whole_steps, write_title
from mnistexp.data import DIGITS, Split, arrange_in_grid, class_noun
from mnistexp.learner.metrics import NUM_BINS, calibration
from mnistexp.train import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_COUNTED_CLASSES = 50
"""With more classes, the confusion matrix has no numbers: thousands of texts take minutes."""
MAX_MISTAKES = 60
MISTAKES_PER_ROW = 10
MISTAKE_MARGIN = 10 / 28
"""Space for the caption below an image, in units of its side."""
MAX_CAPTION = 8
"""If a pair of names of classes is longer, all captions have two lines of a smaller font."""
MAX_LEVEL_NAME = 3
"""Longer names of classes are written upwards below the confusion matrix."""
MAX_UNITS = 256
STYLES = {"train": ("tab:blue", 0.8), "val": ("tab:green", 1.6), "test": ("tab:red", 1.6)}
"""Color and width of the curve of each split."""
SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}


def draw_run(
    title: str,
    history: History,
    test: Split,
    probabilities: np.ndarray,
    weights: np.ndarray | None,
    class_names: Sequence[str] = DIGITS,
) -> "Iterator[tuple[str, Figure]]":
    """Draw all figures of a run that has ended.

    Args:
        title: names the run in each figure.
        history: the metrics logged during training.
        test: the test images.
        probabilities: the predictions for the test images, [num_images, num_classes].
        weights: the weights of the first layer, [num_units, height, width]; None if they cannot be
            drawn.
        class_names: of the classes.

    Yields:
        (name, figure).
    """
    if history.steps("train_loss"):
        yield "learning_curves", draw_training(title, history)
    yield "confusion_matrix", draw_confusion_matrix(title, test.labels, probabilities, class_names)
    yield "mistakes", draw_mistakes(title, test, probabilities, class_names)
    yield "reliability", draw_reliability(title, test.labels, probabilities)
    if weights is not None:
        reads_whole_image = weights.shape[1:] == test.images.shape[1:3]
        noun = "units" if reads_whole_image else "filters"
        yield "first_layer", draw_first_layer(title, weights, noun)


def draw_training(title: str, history: History) -> "Figure":
    """Draw accuracy and loss of every split over the steps, and the learning rate below.

    A split that was evaluated once is a marker. If all were, accuracy and loss are bars.
    """
    figure = new_figure((11, 6))
    axes = figure.subplot_mosaic([["accuracy", "loss"], ["rate", "rate"]], height_ratios=(4, 1))
    for kind in ("accuracy", "loss"):
        curves = {split: history[f"{split}_{kind}"] for split in STYLES}
        measured = {split: curve for split, curve in curves.items() if curve}
        if all(len(curve) == 1 for curve in measured.values()):
            _draw_bars(axes[kind], kind, measured)
        else:
            _draw_split_curves(axes[kind], kind, measured)
    _draw_learning_rate(axes["rate"], history["learning_rate"])
    handles = {
        label: handle
        for panel in axes.values()
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles))
    write_title(figure, title)
    return figure


def _draw_split_curves(axes: "Axes", kind: str, curves: Mapping[str, Mapping[int, float]]) -> None:
    for split, curve in curves.items():
        color, width = STYLES[split]
        axes.plot(
            list(curve),
            list(curve.values()),
            color=color,
            linewidth=width,
            label=SPLIT_NAMES[split],
            marker="o" if len(curve) < FEW_POINTS else None,
        )
    axes.set(ylabel=kind, xlabel="step")
    axes.xaxis.set_major_locator(whole_steps())
    if kind == "loss" and is_log_scaled([v for curve in curves.values() for v in curve.values()]):
        set_log_scale(axes)
    else:
        axes.set_ylim(metric_range([list(curve.items()) for curve in curves.values()]))
    axes.grid(alpha=0.3)


def _draw_bars(axes: "Axes", kind: str, curves: Mapping[str, Mapping[int, float]]) -> None:
    """Draw a bar for each split, with its value and step."""
    names = [SPLIT_NAMES[split] for split in curves]
    values = [next(iter(curve.values())) for curve in curves.values()]
    bars = axes.bar(names, values, color=[STYLES[split][0] for split in curves], width=0.5)
    axes.bar_label(bars, [f"{value:.4f}" for value in values], padding=2)
    steps = {step for curve in curves.values() for step in curve}
    axes.set(ylabel=kind, xlabel=f"measured once, at step {', '.join(map(str, sorted(steps)))}")
    axes.set_xlim(-0.7, len(names) - 0.3)
    axes.margins(y=0.1)


def _draw_learning_rate(axes: "Axes", rates: Mapping[int, float]) -> None:
    marker = "o" if len(rates) < FEW_POINTS else None
    axes.plot(list(rates), list(rates.values()), color="tab:gray", marker=marker)
    axes.set(ylabel="learning rate", xlabel="step")
    axes.set_ylim(0, 1.15 * max(rates.values(), default=0) or 1)
    axes.xaxis.set_major_locator(whole_steps())
    axes.grid(alpha=0.3)


def draw_confusion_matrix(
    title: str, labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str] = DIGITS
) -> "Figure":
    """Draw how many images of each true class were classified as each class; errors are colored.

    With more than 50 classes, there are only colors.

    Args:
        title: names the run.
        labels: [num_images]. probabilities: [num_images, num_classes].
        class_names: of the classes.
    """
    num_classes = probabilities.shape[1]
    counts = np.zeros((num_classes, num_classes), int)
    np.add.at(counts, (labels, probabilities.argmax(axis=1)), 1)
    percentages = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    errors = percentages * (1 - np.eye(num_classes))
    largest = max(1.0, errors.max())
    noun = class_noun(class_names)
    size = max(1.0, min(num_classes, MAX_COUNTED_CLASSES) / 14)
    figure = new_figure((9 * size, 7.8 * size))
    axes = figure.subplots()
    image = axes.imshow(errors, cmap="Reds", vmin=0, vmax=largest)
    figure.colorbar(image, ax=axes, shrink=0.8, label=f"errors, % of the images of the true {noun}")
    is_counted = num_classes <= MAX_COUNTED_CLASSES
    if is_counted:
        _write_counts(axes, counts, percentages, errors > largest / 2)
    is_long = max(map(len, class_names)) > MAX_LEVEL_NAME
    axes.set_xticks(range(num_classes), class_names, rotation=90 if is_long else 0)
    axes.set_yticks(range(num_classes), class_names)
    axes.tick_params(labelsize="medium" if is_counted else "x-small")
    axes.set(xlabel=f"predicted {noun}", ylabel=f"true {noun}")
    num_wrong = int(counts.sum() - np.trace(counts))
    write_title(figure, title, f"{num_wrong:,} of {counts.sum():,} test images wrong")
    return figure


def _write_counts(
    axes: "Axes", counts: np.ndarray, percentages: np.ndarray, is_dark: np.ndarray
) -> None:
    """Write count and percentage into each cell. All arrays: [num_classes, num_classes]."""
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if is_dark[row, column] else "black" if count else "darkgray"
        axes.text(
            *(column, row, f"{count}\n{percentages[row, column]:.1f} %" if count else "0"),
            ha="center",
            va="center",
            color=color,
            weight="bold" if row == column else "normal",
            fontsize=8,
            in_layout=False,  # It is inside its cell. Measuring all of them takes a while.
        )


def find_shown_mistakes(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the indices of the misclassified images that are drawn, the most confident first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    confidence = probabilities.max(axis=1)[wrong]
    shown: np.ndarray = wrong[np.argsort(-confidence, kind="stable")][:MAX_MISTAKES]
    return shown


def draw_mistakes(
    title: str, test: Split, probabilities: np.ndarray, class_names: Sequence[str] = DIGITS
) -> "Figure":
    """Draw misclassified images, the most confident first, with true and predicted class."""
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    num_wrong = int((predicted != test.labels).sum())
    shown = find_shown_mistakes(test.labels, probabilities)
    num_rows = max(1, -(-len(shown) // MISTAKES_PER_ROW))
    figure = new_figure((10.5, 0.9 + 1.13 * num_rows))
    axes = figure.subplots()
    axes.set_axis_off()
    summary = f"{num_wrong:,} of {len(test):,} test images wrong"
    if not len(shown):
        write_title(figure, title, summary)
        axes.text(0.5, 0.5, "no test image is misclassified", ha="center", va="center")
        return figure
    noun = class_noun(class_names)
    key = f"below each: true {noun} → predicted {noun}, and the probability of the prediction"
    write_title(figure, title, f"{summary}, the most confident first\n{key}")
    is_gray = test.images.shape[3] == 1
    images = 255 - test.images[shown, ..., 0] if is_gray else test.images[shown]
    height, width = images.shape[1:3]
    margin = round(MISTAKE_MARGIN * max(height, width))
    picture, positions = arrange_in_grid(images, MISTAKES_PER_ROW, margin=margin)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    pairs = [(class_names[test.labels[image]], class_names[predicted[image]]) for image in shown]
    is_long = max(len(true) + len(seen) for true, seen in pairs) > MAX_CAPTION
    for image, (true, seen), (x, y) in zip(shown, pairs, positions, strict=True):
        percent = min(99, np.floor(100 * confidence[image]))
        text = (
            f"{true} →\n{seen} {percent:.0f} %" if is_long else f"{true} → {seen}  {percent:.0f} %"
        )
        axes.text(
            *(x + width / 2, y + height + margin / 2, text),
            ha="center",
            va="center",
            fontsize=6 if is_long else 9,
        )
    return figure


def draw_first_layer(title: str, weights: np.ndarray, noun: str = "units") -> "Figure":
    """Draw the weights of each unit or filter: red for positive, blue for negative.

    Args:
        title: names the run.
        weights: [num_units, height, width].
        noun: what the layer has: `units` or `filters`.
    """
    from matplotlib.patches import Rectangle

    shown = weights[:MAX_UNITS]
    largest = float(np.abs(shown).max()) or 1.0
    columns = int(np.ceil(np.sqrt(len(shown))))
    gap = max(1, shown.shape[2] // 6)
    picture, corners = arrange_in_grid(shown, columns, margin=gap, background=np.nan)
    # The picture is 6.6 inches wide; the rest is for the color scale and the title.
    figure = new_figure((8, 0.9 + 6.6 * picture.shape[0] / picture.shape[1]))
    axes = figure.subplots()
    image = axes.imshow(
        picture, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest"
    )
    for x, y in corners:  # A frame shows where a filter with pale weights ends.
        axes.add_patch(
            Rectangle(
                (x - 0.5, y - 0.5), *shown.shape[:0:-1], fill=False, color="darkgray", linewidth=0.5
            )
        )
    axes.set(xlim=(-0.5 - gap, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5 - gap))
    figure.colorbar(image, ax=axes, shrink=0.7, label="weight")
    axes.set_axis_off()
    count = f"{len(shown)} of " if len(shown) < len(weights) else ""
    write_title(figure, title, f"first layer: {count}{len(weights)} {noun}")
    return figure


def draw_reliability(title: str, labels: np.ndarray, probabilities: np.ndarray) -> "Figure":
    """Draw accuracy against confidence; on the diagonal the confidence is right.

    Args:
        title: names the run.
        labels: [num_images]. probabilities: [num_images, num_classes].
    """
    bins, error = calibration(probabilities, labels)
    figure = new_figure((7.5, 7.9))
    axes = figure.subplots()
    confidences, accuracies, counts = zip(*bins, strict=True)
    # The mean confidences of two bins may be close: each bar is as wide as its bin instead.
    starts = np.minimum(np.floor(np.array(confidences) * NUM_BINS), NUM_BINS - 1) / NUM_BINS
    bars = axes.bar(
        starts,
        accuracies,
        width=1 / NUM_BINS,
        align="edge",
        color="#8ab8dc",
        edgecolor="white",
        label="images of similar confidence; above: their number",
    )
    (points,) = axes.plot(
        confidences, accuracies, "o", color="#1f5f99", markersize=4, label="their mean confidence"
    )
    (line,) = axes.plot(
        [0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="confidence is right"
    )
    for start, count in zip(starts, counts, strict=True):  # Above 1, where the line does not go.
        axes.text(start + 0.5 / NUM_BINS, 1.03, f"{count:,}", ha="center", fontsize=7.5)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.08))
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    handles = [bars, points, line]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize="small")
    write_title(figure, title, f"expected calibration error {error:.4f}")
    return figure
