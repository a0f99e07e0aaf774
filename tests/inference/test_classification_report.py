"""`mnistexp evaluate`: against the run's own figures, and against counting by hand."""

import json
import math

import numpy as np
import pytest
from support import Command, TrackedRun

from mnistexp.config.compose import compose_config
from mnistexp.data import Split, load_data
from mnistexp.inference.classification_report import report_classification


def uri_of(two_layers_run: TrackedRun) -> list[str]:
    return ["--uri", f"sqlite:///{two_layers_run.folder}/mlflow.db"]


def evaluated(mnistexp: Command, two_layers_run: TrackedRun, *arguments: str) -> dict[str, object]:
    run_id = two_layers_run.run.info.run_id
    outcome = mnistexp("evaluate", run_id, *arguments, "--json", *uri_of(two_layers_run))
    assert outcome.exit_code == 0, outcome.err
    found: dict[str, object] = json.loads(outcome.out)
    return found


def test_it_agrees_with_the_run_to_the_last_digit(
    mnistexp: Command, two_layers_run: TrackedRun
) -> None:
    found = evaluated(mnistexp, two_layers_run)
    logged = two_layers_run.run.data.metrics
    assert found["accuracy"] == logged["test_accuracy"]
    assert found["loss"] == logged["test_loss"]
    assert found["num_images"] == 10_000


def test_the_figures_against_counting_by_hand(two_layers_run: TrackedRun) -> None:
    test = load_data(compose_config([])[0].data).test[:1_000]
    learner = two_layers_run.result.learner
    found = report_classification(learner, test)
    answers = learner.predict_probabilities(test.images).argmax(axis=1)
    for digit in range(10):
        figures = found.classes[digit]
        both = ((answers == digit) & (test.labels == digit)).sum()
        assert figures.num_images == (test.labels == digit).sum()
        assert figures.recall == pytest.approx(both / (test.labels == digit).sum())
        assert figures.precision == pytest.approx(both / (answers == digit).sum())
        for other in range(10):
            count = ((test.labels == digit) & (answers == other)).sum()
            assert found.confusion[digit][other] == count
    # Wilson's formula, as in the textbooks.
    p, n, z = found.accuracy, 1_000, 1.959963984540054
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert found.interval == pytest.approx((centre - half, centre + half), abs=1e-9)


class Certain:
    """Says zero, always, with 80 %."""

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        return np.tile([0.8, *[0.2 / 9] * 9], (len(images), 1))


def test_a_class_that_is_never_said_has_no_precision_and_no_warning() -> None:
    split = Split(np.zeros((4, 28, 28, 1), "u1"), np.array([0, 0, 1, 1], "u1"))
    found = report_classification(Certain(), split)
    assert found.accuracy == 0.5
    assert found.calibration_error == pytest.approx(0.3)
    assert found.classes[1].precision == found.classes[1].recall == 0


def test_other_test_images_are_chosen_in_the_words_of_a_run(
    mnistexp: Command, two_layers_run: TrackedRun
) -> None:
    found = evaluated(mnistexp, two_layers_run, "data.test_slice=[3300,6600]")
    test = load_data(compose_config(["data.test_slice=[3300,6600]"])[0].data).test
    answers = two_layers_run.result.learner.predict_probabilities(test.images).argmax(axis=1)
    assert found["accuracy"] == (answers == test.labels).mean()
    assert found["data"] == "mnist_3300_6600"


def test_the_figures_are_logged_when_asked(mnistexp: Command, two_layers_run: TrackedRun) -> None:
    run_id = two_layers_run.run.info.run_id
    arguments = ["data.test_slice=[0,500]", "--log", *uri_of(two_layers_run)]
    outcome = mnistexp("evaluate", run_id[:8], *arguments)
    assert outcome.exit_code == 0, outcome.err
    assert "on 500 test images of mnist_0_500" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100
    run = two_layers_run.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert 0.9 < run.data.metrics["evaluation/mnist_0_500/accuracy"] <= 1
    # The run's own figure stays.
    assert run.data.metrics["test_accuracy"] == two_layers_run.run.data.metrics["test_accuracy"]
    files = [file.path for file in two_layers_run.client.list_artifacts(run_id, "evaluations")]
    assert files == ["evaluations/mnist_0_500.json"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["train.epochs=2"], "train.epochs: expected a setting of data or device"),
        (["mnist"], "mnist: expected a setting of data or device"),
        (["data.test_slic=[0,3]"], "Did you mean data.test_slice"),
        (["data=minst"], "Did you mean mnist"),
        (["data.test_slice=[0,30000]"], "expected an end of at most 10000"),
        (["--where", "nothing = 3"], "nothing: expected a setting"),
    ],
)
def test_what_cannot_be_evaluated_is_told(
    arguments: list[str], complaint: str, mnistexp: Command, two_layers_run: TrackedRun
) -> None:
    outcome = mnistexp("evaluate", "best", *arguments, *uri_of(two_layers_run))
    assert outcome.exit_code == 2
    assert complaint in outcome.err
    assert "Traceback" not in outcome.err
