"""Figures of a search, from a made-up study."""

import optuna
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from support import assert_nothing_is_cut, points_of

from mnistexp.analysis.chart_layout import GREY
from mnistexp.analysis.figures.study import draw_study

SPACE: dict[str, BaseDistribution] = {
    "optim.learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "model.layers.hidden1.units": IntDistribution(10, 200),
    "model.activation": CategoricalDistribution(["relu", "tanh"]),
}
DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)


def study_of(num_finished: int, num_pruned: int = 0, num_objectives: int = 1) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=DIRECTIONS[:num_objectives])
    for n in range(num_finished + num_pruned):
        is_pruned = n >= num_finished
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
                params={
                    "optim.learning_rate": 10 ** (-4 + 3 * ((7 * n) % 10) / 10),
                    "model.layers.hidden1.units": 10 + (37 * n) % 190,
                    "model.activation": ["relu", "tanh"][n % 2],
                },
                distributions=SPACE,
                values=None if is_pruned else [0.9 + n / 1000, 1000.0 + n][:num_objectives],
                intermediate_values={10: 0.3, 20: 0.4} if is_pruned else {},
            )
        )
    return study


def figures_of(study: optuna.Study, *objectives: str) -> dict[str, Figure]:
    figures = dict(draw_study("search-units (0123abcd)", study, objectives))
    for figure in figures.values():
        assert figure.get_suptitle().startswith("search-units (0123abcd)")
        assert_nothing_is_cut(figure)
    return figures


@pytest.mark.parametrize(("num_finished", "is_cautious"), [(6, True), (20, False)])
def test_importance_from_few_trials_comes_with_a_word_of_caution(
    num_finished: int, is_cautious: bool
) -> None:
    figure = figures_of(study_of(num_finished), "val_accuracy")["importance_val_accuracy"]
    assert ("so uncertain: 20 or more are needed" in figure.get_suptitle()) == is_cautious
    assert all(text.get_text().endswith(" %") for text in figure.axes[0].texts)
    labels = {text.get_text() for text in figure.axes[0].get_yticklabels()}
    assert labels == {"learning_rate", "units", "activation"}


def test_a_search_of_one_setting_has_no_importance() -> None:
    study = optuna.create_study(direction="maximize")
    space = {"optim.learning_rate": SPACE["optim.learning_rate"]}
    for n in range(8):
        study.add_trial(
            create_trial(
                params={"optim.learning_rate": 10 ** (-4 + n / 3)},
                distributions=space,
                value=n / 10,
            )
        )
    assert set(figures_of(study, "val_accuracy")) == {
        "history_val_accuracy",
        "parallel_coordinates_val_accuracy",
    }


def test_equal_studies_have_equal_importance() -> None:
    def widths() -> list[float]:
        figure = dict(draw_study("a", study_of(12), ["val_accuracy"]))["importance_val_accuracy"]
        return [bar.get_window_extent().width for bar in figure.axes[0].patches]

    assert widths() == widths()


def test_pruned_trials_are_shown_with_the_value_that_they_reached() -> None:
    figures = figures_of(study_of(5, num_pruned=3), "val_accuracy")
    lines = {str(line.get_label()): line for line in figures["history_val_accuracy"].axes[0].lines}
    pruned = lines["3 pruned, when they were stopped"]
    assert points_of(pruned) == [(5, 0.4), (6, 0.4), (7, 0.4)]
    assert points_of(lines["best so far"])[-1] == pytest.approx((4, 0.904))
    parallel = figures["parallel_coordinates_val_accuracy"]
    dotted = [line for line in parallel.axes[0].lines if line.get_linestyle() == ":"]
    assert len(dotted) == 3
    assert {line.get_color() for line in dotted} == {GREY}
    assert "3 pruned" in parallel.get_suptitle()


def test_parallel_coordinates_have_readable_lines_and_axes() -> None:
    axes = figures_of(study_of(12), "val_accuracy")["parallel_coordinates_val_accuracy"].axes[0]
    titles = [text.get_text() for text in axes.get_xticklabels()]
    assert titles == ["learning_rate", "units", "activation", "val accuracy"]
    texts = {text.get_text() for text in axes.texts}
    assert {"0.001", "0.01", "relu", "tanh"} <= texts
    trials = [line for line in axes.lines if len(points_of(line)) == len(titles)]
    boxes = [text.get_bbox_patch() for text in axes.texts]
    assert all(
        box is not None and box.get_alpha() is None for box in boxes
    )  # No line shines through.
    *others, best = trials
    assert best.get_linewidth() > max(line.get_linewidth() for line in others)
    assert all(0 <= y <= 1 for line in trials for _, y in points_of(line))
    heights = {text.get_text(): text.xy[1] for text in axes.texts if isinstance(text, Annotation)}
    assert heights["0.001"] == pytest.approx(1 / 2.7)  # Of the decades from 10^-4 to 10^-1.3.
    assert heights["0.01"] == pytest.approx(2 / 2.7)


def test_two_objectives_have_a_pareto_front() -> None:
    figures = figures_of(study_of(6, num_objectives=2), "val_accuracy", "num_parameters")
    names = {"history", "importance", "parallel_coordinates"}
    expected = {f"{n}_{o}" for n in names for o in ("val_accuracy", "num_parameters")}
    assert set(figures) == expected | {"pareto_front"}
    axes = figures["pareto_front"].axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("val accuracy", "num parameters")
    assert len(points_of(axes.lines[1])) == 6  # Higher accuracy costs more parameters each time.
