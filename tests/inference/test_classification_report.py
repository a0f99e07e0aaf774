"""`mnistexp evaluate`, and its metrics compared with those of the run and with counts by hand."""

import json
import math

import numpy as np
import pytest
from support import Command, TrackedRun

from mnistexp.augmentation import AugmentationConfig, build_augmentation
from mnistexp.config.compose import compose_config
from mnistexp.data import Split, load_data
from mnistexp.inference.classification_report import report_classification


def uri_of(two_layers_run: TrackedRun) -> list[str]:
    return ["--uri", f"sqlite:///{two_layers_run.folder}/mlflow.db"]


def evaluate(mnistexp: Command, two_layers_run: TrackedRun, *arguments: str) -> dict[str, object]:
    run_id = two_layers_run.run.info.run_id
    outcome = mnistexp("evaluate", run_id, *arguments, "--json", *uri_of(two_layers_run))
    assert outcome.exit_code == 0, outcome.err
    report: dict[str, object] = json.loads(outcome.out)
    return report


def test_metrics_equal_those_that_the_run_logged(
    mnistexp: Command, two_layers_run: TrackedRun
) -> None:
    report = evaluate(mnistexp, two_layers_run)
    logged = two_layers_run.run.data.metrics
    assert report["accuracy"] == logged["test_accuracy"]
    assert report["loss"] == logged["test_loss"]
    assert report["num_images"] == 10_000


def test_metrics_per_class_equal_counting_by_hand(two_layers_run: TrackedRun) -> None:
    test = load_data(compose_config([])[0].data).test[:1_000]
    learner = two_layers_run.result.learner
    report = report_classification(learner, test)
    predicted = learner.predict_probabilities(test.images).argmax(axis=1)
    for digit in range(10):
        metrics = report.classes[digit]
        both = ((predicted == digit) & (test.labels == digit)).sum()
        assert metrics.num_images == (test.labels == digit).sum()
        assert metrics.recall == pytest.approx(both / (test.labels == digit).sum())
        assert metrics.precision == pytest.approx(both / (predicted == digit).sum())
        for other in range(10):
            count = ((test.labels == digit) & (predicted == other)).sum()
            assert report.confusion[digit][other] == count
    # The textbook formula of Wilson's interval.
    p, n, z = report.accuracy, 1_000, 1.959963984540054
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert report.interval == pytest.approx((center - half, center + half), abs=1e-9)


class AlwaysZero:
    """Predicts a zero with a probability of 0.8."""

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        return np.tile([0.8, *[0.2 / 9] * 9], (len(images), 1))


def test_a_class_that_is_never_predicted_has_precision_0_and_raises_no_warning() -> None:
    split = Split(np.zeros((4, 28, 28, 1), "u1"), np.array([0, 0, 1, 1], "u1"))
    report = report_classification(AlwaysZero(), split)
    assert report.accuracy == 0.5
    assert report.calibration_error == pytest.approx(0.3)
    assert report.classes[1].precision == report.classes[1].recall == 0


def test_overrides_select_other_test_images(mnistexp: Command, two_layers_run: TrackedRun) -> None:
    report = evaluate(mnistexp, two_layers_run, "data.test_slice=[3300,6600]")
    test = load_data(compose_config(["data.test_slice=[3300,6600]"])[0].data).test
    predicted = two_layers_run.result.learner.predict_probabilities(test.images).argmax(axis=1)
    assert report["accuracy"] == (predicted == test.labels).mean()
    assert report["data"] == "mnist_3300_6600"


def test_log_adds_metrics_and_a_report_to_the_run(
    mnistexp: Command, two_layers_run: TrackedRun
) -> None:
    run_id = two_layers_run.run.info.run_id
    arguments = ["data.test_slice=[0,500]", "--log", *uri_of(two_layers_run)]
    outcome = mnistexp("evaluate", run_id[:8], *arguments)
    assert outcome.exit_code == 0, outcome.err
    assert "on 500 test images of mnist (data.test_slice=[0, 500])" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100
    run = two_layers_run.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert 0.9 < run.data.metrics["evaluation/mnist_0_500/accuracy"] <= 1
    # The metric that the run logged is unchanged.
    assert run.data.metrics["test_accuracy"] == two_layers_run.run.data.metrics["test_accuracy"]
    files = [file.path for file in two_layers_run.client.list_artifacts(run_id, "evaluations")]
    assert files == ["evaluations/mnist_0_500.json"]


def test_the_tables_of_all_test_images_fit_into_80_columns(
    mnistexp: Command, two_layers_run: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    arguments = [two_layers_run.run.info.run_id, "data.test_slice=null", *uri_of(two_layers_run)]
    lines = mnistexp("evaluate", *arguments).out.splitlines()
    assert "on 10,000 test images of mnist" in lines
    assert max(map(len, lines)) <= 80
    (heading,) = (number for number, line in enumerate(lines) if line.split()[:2] == ["class", "0"])
    counts = [line.replace("·", "0").split()[1:] for line in lines[heading + 1 :]]
    assert sum(int(count) for row in counts for count in row) == 10_000


@pytest.mark.parametrize(
    ("length", "heading"),
    [
        (12, ["class", *"0123456789"]),  # Numbers, which stand before the names of the rows too.
        (40, ["class", "predicted", "as", "images"]),
    ],
)
def test_long_names_of_classes_fit_into_80_columns(
    mnistexp: Command,
    two_layers_run: TrackedRun,
    monkeypatch: pytest.MonkeyPatch,
    length: int,
    heading: list[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = ",".join(f"class_{number}".ljust(length, "x") for number in range(10))
    arguments = [two_layers_run.run.info.run_id, f"data.class_names=[{names}]"]
    outcome = mnistexp("evaluate", *arguments, *uri_of(two_layers_run))
    lines = outcome.out.splitlines()
    assert "note: the model was trained on other classes: 0, 1, 2, 3, 4, …; these" in outcome.out
    assert max(len(line) for line in lines if not line.startswith("note: ")) <= 80
    assert heading in [line.split() for line in lines]


def test_changed_copies_are_averaged_with_the_image_itself(
    mnistexp: Command, two_layers_run: TrackedRun
) -> None:
    settings = [
        "augmentation=shift",
        "augmentation.erasing=4",
        "data.test_slice=[0,1200]",
        "seed=7",
    ]
    report = evaluate(mnistexp, two_layers_run, *settings, "--copies", "3")

    test = load_data(compose_config([])[0].data).test[:1_200]
    augmentation = build_augmentation(AugmentationConfig(shift=2, erasing=4), (28, 28, 1))
    assert augmentation is not None
    copies = [test.images]
    for copy in range(3):
        parts = [test.images[:1_000], test.images[1_000:]]
        changed = [augmentation(x, np.array([7, 2 * copy + n])) for n, x in enumerate(parts)]
        copies.append(np.concatenate(changed).round().astype("u1"))
    assert (copies[1] != copies[2]).any()
    network = two_layers_run.result.learner.model  # The Keras model.
    mean = np.mean([network(images).numpy() for images in copies], axis=0)
    assert report["accuracy"] == (mean.argmax(axis=1) == test.labels).mean()
    loss = -np.log(mean[np.arange(len(test)), test.labels].astype("f8")).mean()
    assert report["loss"] == pytest.approx(loss, rel=1e-5)
    assert (report["copies"], report["data"]) == (3, "mnist_0_1200_3_copies")
    assert evaluate(mnistexp, two_layers_run, *settings, "--copies", "3") == report


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train.epochs=2"], "train.epochs: expected a setting of data, device or"),
        (["mnist"], "mnist: expected a setting of data, device or"),
        (["data.test_slic=[0,3]"], "Did you mean data.test_slice"),
        (["data=minst"], "Did you mean mnist"),
        (["data.test_slice=[0,30000]"], "expected an end of at most 10000"),
        (["--copies", "3"], "--copies: expected together with changes of the images"),
        (["augmentation=none", "seed=3"], "seed: expected together with random changes"),
        (["augmentation.shift=-1"], "augmentation.shift: expected a number >= 0"),
        (["--where", "nothing = 3"], "nothing: expected a setting"),
    ],
)
def test_invalid_arguments_are_rejected(
    arguments: list[str], message: str, mnistexp: Command, two_layers_run: TrackedRun
) -> None:
    outcome = mnistexp("evaluate", "best", *arguments, *uri_of(two_layers_run))
    assert outcome.exit_code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
