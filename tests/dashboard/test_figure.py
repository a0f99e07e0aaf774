"""The six panels, against the content of a real recording."""

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from mnistexp.dashboard.figure import (
    PANELS,
    DashboardFigure,
    View,
    arrange_panels,
    minimum_height,
)
from mnistexp.dashboard.panels import (
    FEW_POINTS,
    PREDICTED_COLOR,
    TRUE_COLOR,
    WRONG_BACKGROUND,
    CurvePanel,
    order_errors_first,
)
from mnistexp.dashboard.recorded_run import RecordedRun, TimeSeries
from mnistexp.dashboard.recording import Frame
from mnistexp.train import Evaluation, Snapshot

CELL = 28


def draw(run: RecordedRun) -> DashboardFigure:
    """Draw the last frame."""
    figure = DashboardFigure(run)
    figure.draw_frame(run.last_index)
    return figure


def picture(figure: DashboardFigure, panel: str) -> np.ndarray:
    (image,) = figure.panel_axes[panel].images
    return np.asarray(image.get_array())


def drawn_labels(figure: DashboardFigure, panel: str, color: str) -> dict[tuple[int, int], int]:
    """Return the labels of one color: the digit by row and column of its cell."""
    axes = figure.panel_axes[panel]
    collections = [
        collection
        for collection in axes.collections
        if isinstance(collection, PathCollection)
        and np.allclose(np.asarray(collection.get_facecolor())[0, :3], to_rgb(color))
    ]
    assert len(collections) == 10  # In the order of the digits.
    return {
        (int(y // CELL), int(x // CELL)): digit
        for digit, collection in enumerate(collections)
        for x, y in np.asarray(collection.get_offsets())
    }


def test_errors_come_first_and_both_parts_keep_the_order_of_the_images() -> None:
    predictions, labels = np.array([1, 2, 3, 4, 5]), np.array([1, 0, 3, 0, 5])
    assert order_errors_first(predictions, labels, 5).tolist() == [1, 3, 0, 2, 4]
    assert order_errors_first(predictions, labels, 3).tolist() == [1, 3, 0]


def test_wrong_test_digits_show_the_true_and_the_predicted_label(opened_run: RecordedRun) -> None:
    figure = draw(opened_run)
    evaluation = opened_run.recording.frames[-1].snapshot.on_test
    assert evaluation is not None
    labels = opened_run.test.labels
    wrong = np.flatnonzero(evaluation.predictions != labels)[:1000]
    assert len(wrong) > 200
    columns = picture(figure, "test").shape[1] // CELL
    cells = [divmod(number, columns) for number in range(len(wrong))]
    for color, digits in ((TRUE_COLOR, labels), (PREDICTED_COLOR, evaluation.predictions)):
        expected = dict(zip(cells, digits[wrong].tolist(), strict=True))
        assert drawn_labels(figure, "test", color) == expected


def test_correct_digits_are_on_white_and_wrong_ones_on_pink(opened_run: RecordedRun) -> None:
    figure = DashboardFigure(opened_run)
    figure.draw_frame(1)
    pixels = picture(figure, "batch")
    snapshot = opened_run.recording.frames[1].snapshot
    labels = opened_run.train.labels[snapshot.batch]
    order = order_errors_first(snapshot.on_batch.predictions, labels, 100)
    is_correct = (snapshot.on_batch.predictions == labels)[order]
    assert 0 < is_correct.sum() < 100
    # There is no ink in the corner of a cell.
    corners = pixels[::CELL, ::CELL].reshape(-1, 3)[:100]
    assert (corners[is_correct] == 255).all()
    assert ((corners[~is_correct, 0] == 255) & (corners[~is_correct, 1] < 230)).all()
    ink = opened_run.train.images[snapshot.batch[order[0]], :27, :27, 0]
    np.testing.assert_allclose(pixels[:27, :27, 0], 255 - ink.astype(int), atol=1)


def test_the_scale_beside_the_test_digits_shows_the_accuracy_where_the_errors_end(
    opened_run: RecordedRun,
) -> None:
    labels = opened_run.test.labels
    predictions = np.where(np.arange(10_000) % 25 == 0, (labels + 1) % 10, labels).astype("u1")
    last = opened_run.recording.frames[-1]
    evaluation = Evaluation(0.1, 0.96, predictions)
    snapshot = Snapshot(**{**vars(last.snapshot), "on_test": evaluation})
    opened_run.recording.frames[-1] = Frame(snapshot, last.seconds)
    figure = draw(opened_run)
    axes = figure.panel_axes["test"]
    texts = [text.get_text() for text in axes.get_yticklabels()]
    scale = dict(zip(texts, axes.get_yticks(), strict=True))
    pixels = picture(figure, "test")
    columns = pixels.shape[1] // CELL
    assert (scale["100 %"], scale["90 %"]) == pytest.approx((0, 1000 / columns * CELL))
    num_pink = (pixels[::CELL, ::CELL, 1] < 230).sum()
    assert num_pink / columns * CELL == pytest.approx(scale["96 %"])
    assert "400 of 10,000 misclassified" in key_of(axes)


def test_the_key_says_how_many_errors_are_shown(opened_run: RecordedRun) -> None:
    last = opened_run.recording.frames[-1]
    wrong = ((opened_run.test.labels + 1) % 10).astype("u1")
    snapshot = Snapshot(**{**vars(last.snapshot), "on_test": Evaluation(3.0, 0.0, wrong)})
    opened_run.recording.frames[-1] = Frame(snapshot, last.seconds)
    figure = DashboardFigure(opened_run)
    figure.draw_frame(opened_run.last_index, View(panels=("test",)))
    key = key_of(figure.panel_axes["test"])
    assert key.startswith("10,000 of 10,000 misclassified (1,000 shown)")


@pytest.mark.parametrize(
    ("losses", "test_losses", "top"),
    [
        ([230.0, 50.0, 10.0], [230.0, 20.0, 9.0], 100.0),  # As in the lab.
        ([230.0, 210.0, 190.0], [240.0], 1.05 * 240),  # All of it would be above the panel.
        ([230.0, 90.0, 60.0], [230.0, 200.0, 80.0], 1.05 * 230),
        ([np.nan, np.inf, 50.0], [], 100.0),
    ],
)
def test_the_panel_of_the_losses_shows_most_of_both_curves(
    losses: list[float], test_losses: list[float], top: float
) -> None:
    steps = np.arange(3.0)
    values, tests = np.array(losses), np.array(test_losses)
    series = TimeSeries(
        *(steps, steps, values, values, np.arange(len(tests)), tests, tests), quantiles={}
    )
    panel = CurvePanel(Figure().subplots(), "losses", 100.0)
    assert panel.draw(series, 2)[2:] == pytest.approx((0.0, top))


def test_few_test_images_fill_their_panel(opened_run: RecordedRun) -> None:
    opened_run.test = opened_run.test[:48]
    last = opened_run.recording.frames[-1]
    evaluation = Evaluation(0.1, 1.0, opened_run.test.labels)
    snapshot = Snapshot(**{**vars(last.snapshot), "on_test": evaluation})
    opened_run.recording.frames[-1] = Frame(snapshot, last.seconds)
    rows, columns, _ = np.array(picture(draw(opened_run), "test").shape) // CELL
    assert 48 <= rows * columns < 60


def key_of(axes: Axes) -> str:
    """Return the text on pink above the digits."""
    texts = [text for text in axes.texts if text.get_bbox_patch() is not None]
    (key,) = texts
    patch = key.get_bbox_patch()
    assert patch is not None
    np.testing.assert_allclose(to_rgb(patch.get_facecolor()), WRONG_BACKGROUND / 255)
    return key.get_text()


@pytest.mark.parametrize(
    ("panels", "size"),
    [(PANELS, (14.4, 8.1)), (("test",), (12.8, 6.8)), (("batch", "test"), (3.75, 10.0))],
)
def test_digits_fill_their_panels(
    opened_run: RecordedRun, panels: tuple[str, ...], size: tuple[float, float]
) -> None:
    figure = DashboardFigure(opened_run)
    figure.set_size_inches(*size)
    figure.draw_frame(opened_run.last_index, View(panels=panels))
    for name, count in (("batch", 100), ("test", 1000)):
        if name in panels:
            axes = figure.panel_axes[name]
            rows, columns, _ = (np.array(picture(figure, name).shape) / CELL).astype(int)
            assert count <= rows * columns
            place = axes.get_position(original=True).transformed(figure.transFigure)
            cell = min(place.width / columns, place.height / rows)
            assert count * cell**2 > 0.8 * place.width * place.height


def test_a_zoomed_panel_shows_the_same_digits_when_it_is_enlarged(opened_run: RecordedRun) -> None:
    figure = DashboardFigure(opened_run)
    view = View()
    figure.draw_frame(opened_run.last_index, view)
    grid = picture(figure, "test")
    view.zoom["test"] = (100, 300, 400, 200)
    view.panels = ("test",)
    figure.draw_frame(opened_run.last_index, view)
    assert (picture(figure, "test") == grid).all()
    view.zoom.clear()
    figure.draw_frame(opened_run.last_index, view)
    assert picture(figure, "test").shape != grid.shape


def remove_last_evaluation(run: RecordedRun) -> None:
    vars(run.recording.frames[-1].snapshot)["on_test"] = None


def test_the_step_of_an_evaluation_before_the_frame_is_shown(opened_run: RecordedRun) -> None:
    assert "(step" not in DashboardFigure(opened_run).titles(opened_run.last_index)["test"]
    remove_last_evaluation(opened_run)
    vars(opened_run)["_series"] = None
    figure = draw(opened_run)
    series = opened_run.series
    step, accuracy = series.steps[series.test_indices[-1]], series.test_accuracies[-1]
    titles = figure.titles(opened_run.last_index)
    assert titles["accuracy"] == f"Accuracy: test {100 * accuracy:.2f} % (step {step:.0f})"
    assert titles["test"] == f"Test (step {step:.0f})"
    _, test = figure.panel_axes["accuracy"].lines
    assert (test.get_marker() == "o") == (len(series.test_indices) <= FEW_POINTS)


def test_labels_of_neighbors_do_not_touch(opened_run: RecordedRun) -> None:
    axes = draw(opened_run).panel_axes["test"]
    widths = {}
    for color in (TRUE_COLOR, PREDICTED_COLOR):
        (labels, *_) = (
            collection
            for collection in axes.collections
            if isinstance(collection, PathCollection)
            and np.allclose(np.asarray(collection.get_facecolor())[0, :3], to_rgb(color))
            and np.asarray(collection.get_offsets()).size
        )
        box = labels.get_paths()[0].get_extents()
        x = float(np.asarray(labels.get_offsets())[0, 0]) % CELL
        widths[color] = (x + box.x0, x + box.x1)
    # The predicted label, then the true one of the next digit.
    assert widths[PREDICTED_COLOR][1] + 4 < CELL + widths[TRUE_COLOR][0]


def test_the_panels_are_those_of_the_lab(opened_run: RecordedRun) -> None:
    figure = draw(opened_run)
    axes = figure.panel_axes
    accuracy = opened_run.series.test_accuracies[-1]
    assert [axes[name].get_title(loc="left") for name in PANELS] == [
        *(f"Accuracy: test {100 * accuracy:.2f} %", "Cross-entropy × 100", "Training digits"),
        *("Weights", "Biases", "Test digits"),
    ]
    positions = [axes[name].get_position() for name in PANELS]
    assert [int(position.x0 * 3.45) for position in positions] == [0, 1, 2, 0, 1, 2]
    assert [position.y1 > 0.6 for position in positions] == [True] * 3 + [False] * 3
    assert (*axes["accuracy"].get_xlim(), *axes["accuracy"].get_ylim()) == (0, 200, 0, 1)
    assert (*axes["loss"].get_xlim(), *axes["loss"].get_ylim()) == (0, 200, 0, 100)
    training, test = axes["accuracy"].lines
    assert training.get_linewidth() < test.get_linewidth()


def test_each_band_is_between_its_quantiles_and_inner_bands_are_darker(
    opened_run: RecordedRun,
) -> None:
    bands = draw(opened_run).panel_axes["first_quantiles"].collections
    last = opened_run.recording.frames[-1].snapshot.quantiles["weights"]
    for band, (low, high) in zip(bands, [(3, 4), (2, 5), (1, 6), (0, 7)], strict=True):
        points = np.asarray(band.get_paths()[0].vertices)
        at_end = points[points[:, 0] == 200, 1]
        assert (at_end.min(), at_end.max()) == pytest.approx((last[low], last[high]))
    brightness = [float(np.asarray(band.get_facecolor())[0, :3].mean()) for band in bands]
    assert brightness == sorted(brightness)


def test_bands_are_red_for_parameters_and_green_for_values_of_a_batch(
    opened_run: RecordedRun,
) -> None:
    def strongest_channels() -> set[int]:
        bands = draw(opened_run).panel_axes["first_quantiles"].collections
        return {int(np.argmax(np.asarray(band.get_facecolor())[0, :3])) for band in bands}

    assert strongest_channels() == {0}
    for frame in opened_run.recording.frames:
        edges = list(frame.snapshot.quantiles.values())
        vars(frame.snapshot)["quantiles"] = dict(zip(("logits", "maxima"), edges, strict=True))
    vars(opened_run)["_series"] = None
    assert strongest_channels() == {1}
    assert draw(opened_run).panel_axes["second_quantiles"].get_title("left") == "Activation maxima"


@pytest.mark.parametrize("size", [(12.8, 6.8), (11.7, 7.0), (7.68, 10.2), (3.75, 0), (8.12, 0)])
def test_panels_and_texts_do_not_overlap_at_any_size(
    opened_run: RecordedRun, size: tuple[float, float]
) -> None:
    figure = DashboardFigure(opened_run)
    width, height = size
    figure.set_size_inches(width, height or minimum_height(PANELS, width))
    remove_last_evaluation(opened_run)  # The titles then have the step of the one before.
    figure.draw_frame(opened_run.last_index, status="the recording ends here: it has no ending")
    figure.to_png()
    artists: list[Artist] = [text for text in figure.texts if text.get_text()]
    for axes in figure.panel_axes.values():
        titles = [text for text in axes.findobj(Text) if text.get_text() == axes.get_title("left")]
        legends = [legend for legend in axes.findobj(Legend) if legend.get_visible()]
        artists += [*titles, *axes.texts, *legends]
    boxes = [artist.get_window_extent() for artist in artists]
    boxes += [axes.get_window_extent() for axes in figure.panel_axes.values()]
    assert len(boxes) == 4 + 6 + 2 + 1 + 6
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_panels_of_a_phone_are_below_each_other() -> None:
    size = (3.75, minimum_height(PANELS, 3.75))
    rectangles = arrange_panels(PANELS, size).values()
    bottoms = [bottom for _, bottom, _, _ in rectangles]
    assert bottoms == sorted(bottoms, reverse=True)
    assert all(width > 0.75 for _, _, width, _ in rectangles)
    assert all(height * size[1] > 1.7 for _, _, _, height in rectangles)


def test_a_zoom_shows_a_part_of_a_panel_on_every_frame(opened_run: RecordedRun) -> None:
    figure = DashboardFigure(opened_run)
    view = View(zoom={"accuracy": (50, 150, 0.2, 0.6)})
    for index in (3, 10):
        figure.draw_frame(index, view)
        axes = figure.panel_axes["accuracy"]
        assert (*axes.get_xlim(), *axes.get_ylim()) == (50, 150, 0.2, 0.6)
