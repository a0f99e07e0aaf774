"""`mnistexp predict`: from image files to printed predictions."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from not_digits import draw_character, row_of_digits, scribbles
from photographs import find_digit
from PIL import Image, ImageOps
from support import Command, TrackedRun

import mnistexp as mnistexp_package
from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.errors import InputError
from mnistexp.inference import TrainedModel, load_model
from mnistexp.inference.classification import Prediction, Reading, read_pictures
from mnistexp.inference.preprocessing import find_digits
from mnistexp.runs.run_selection import select_model
from mnistexp.tracking import MlflowTracking, RunStore


def load_best(run: TrackedRun) -> TrainedModel:
    store = RunStore(MlflowTracking(type="mlflow", uri=f"sqlite:///{run.folder}/mlflow.db"))
    return load_model(select_model(store, "best"), store)


@pytest.fixture
def uri(two_layers_run: TrackedRun) -> list[str]:
    return ["--uri", f"sqlite:///{two_layers_run.folder}/mlflow.db"]


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """An image file of a seven: the first test image, enlarged, dark on light."""
    test = load_data(compose_config([])[0].data).test
    assert test.labels[0] == 7
    digit = ImageOps.invert(Image.fromarray(test.images[0, ..., 0])).resize((200, 200))
    sheet = Image.new("L", (500, 400), 255)
    sheet.paste(digit, (30, 120))
    file = tmp_path / "seven.jpg"
    sheet.save(file)
    return file


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    file = tmp_path / "blank.png"
    Image.new("RGB", (300, 300), "white").save(file)
    return file


def test_digit_probability_and_two_alternatives_are_printed(
    mnistexp: Command, uri: list[str], seven: Path, blank: Path
) -> None:
    outcome = mnistexp("predict", "best", str(seven), str(blank), *uri)
    assert outcome.exit_code == 0, outcome.err
    first, second, third = outcome.out.splitlines()
    assert first.startswith("two_layers-adam_decay-epochs=2-s3, run ")
    assert re.match(rf"{seven}: 7 \((over )?9\d\.\d %\)", second)
    assert "(0.0 %)" not in second
    assert third == f"{blank}: no digit found"


def test_predictions_are_printed_as_json_and_preprocessed_images_are_saved(
    mnistexp: Command, uri: list[str], seven: Path, blank: Path, tmp_path: Path
) -> None:
    outcome = mnistexp(
        "predict", "best", str(seven), str(blank), "--json", "--save-preprocessed", "out", *uri
    )
    digit, nothing = json.loads(outcome.out)["predictions"]
    assert (digit["image"], digit["status"]) == (str(seven), "digit")
    (seen,) = digit["objects"]
    assert seen["class"] == "7"
    assert seen["confidence"] == max(seen["probabilities"]) == seen["probabilities"][7]
    assert sum(seen["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert seen["ood_score"] <= 1
    assert (nothing["status"], nothing["objects"]) == ("no digit found", [])
    (saved,) = (tmp_path / "out").iterdir()
    assert saved.name == "seven.jpg.28x28.png"
    np.testing.assert_array_equal(
        np.asarray(Image.open(saved)), find_digit(Image.open(seven).convert("RGB"))
    )


def test_a_place_for_preprocessed_images_that_cannot_be_written_is_one_line(
    mnistexp: Command, uri: list[str], seven: Path
) -> None:
    # Not even the administrator can write to /proc.
    outcome = mnistexp("predict", "best", str(seven), "--save-preprocessed", "/proc/1/out", *uri)
    assert outcome.exit_code == 2
    assert outcome.err == (
        "error: /proc/1/out: expected a file or folder that can be read and written. "
        "Received: No such file or directory\n"
    )


class UniformModel:
    """Predicts the same probability for each digit. It has no rejection rule."""

    def predict_and_score(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        return np.full((len(images), 10), 0.1), None


def test_without_a_rejection_rule_a_low_probability_is_reported_as_no_digit() -> None:
    image = np.zeros((28, 28), "u1")
    one, none, two = read_pictures(UniformModel(), [[image], [], [image, image]])
    assert one.status == two.status == "does not look like a digit"
    assert none.status == "no digit found"
    assert str(one) == "does not look like a digit; closest: 0, 1, 2"
    assert str(two).startswith("2 symbols, from left to right: ? (does not look like a digit), ?")


def test_a_picture_of_the_most_digits_that_are_read_says_that_there_may_be_more() -> None:
    image = np.zeros((28, 28), "u1")
    fewer, most = read_pictures(UniformModel(), [[image] * 19, [image] * 20])
    assert "at most" not in str(fewer)
    assert str(most).endswith("(at most 20 are read, the largest)")


@pytest.mark.parametrize(
    ("probabilities", "ood_score", "text"),
    [
        ((0.0004, 0.9991, 0.0005), 0.2, "1 (99.9 %)"),
        ((0.0, 0.7, 0.28, 0.019, 0.001), 1.0, "1 (70.0 %), then 2 (28.0 %) or 3 (1.9 %)"),
        ((0.0, 0.9996, 0.0004), 0.2, "1 (over 99.9 %)"),
        ((0.0, 0.9994, 0.0006), 0.2, "1 (99.9 %)"),
        ((0.0, 1.0), 1.1, "does not look like a digit; closest: 1"),
    ],
)
def test_probabilities_below_a_thousandth_are_not_listed(
    probabilities: tuple[float, ...], ood_score: float, text: str
) -> None:
    assert str(Prediction(np.zeros((28, 28), "u1"), probabilities, ood_score)) == text


def test_several_digits_are_read_from_left_to_right(
    mnistexp: Command, uri: list[str], tmp_path: Path
) -> None:
    test = load_data(compose_config([])[0].data).test
    row = row_of_digits(list(test.images[:3, ..., 0]), 0.5, np.random.default_rng(0))
    row.save(tmp_path / "row.png")
    outcome = mnistexp("predict", "best", "row.png", *uri)
    line = outcome.out.splitlines()[-1]
    number = r"\((over )?\d+\.\d %\)"
    assert re.fullmatch(
        rf"row.png: 3 digits, from left to right: 7 {number}, 2 {number}, 1 {number}", line
    )
    (reading,) = mnistexp_package.predict("best", tmp_path / "row.png", uri=uri[1])
    assert repr(reading) == f"Reading({str(reading)!r})"
    with pytest.raises(InputError, match="Received: a list. Write .paths"):
        mnistexp_package.predict("best", [tmp_path / "row.png"], uri=uri[1])  # type: ignore[arg-type]
    assert reading.status == "several digits"
    assert str(reading) in line


def test_without_a_rejection_rule_images_of_other_classes_are_called_uncertain() -> None:
    names = ("circle", "square", "triangle")
    prediction = Prediction(np.zeros((28, 28), "u1"), (0.43, 0.30, 0.27), None, names)
    assert str(prediction) == "uncertain; closest: circle, square, triangle"
    assert Reading((prediction,)).status == "uncertain"
    with_rule = Prediction(prediction.image, prediction.probabilities, 1.5, names)
    assert Reading((with_rule,)).status == "does not look like the training images"


def test_what_is_no_digit_is_refused_and_validation_digits_are_not(
    two_layers_run: TrackedRun,
) -> None:
    model = load_best(two_layers_run)
    validation = load_data(compose_config([])[0].data).validation
    _, scores = model.predict_and_score(validation.images)
    assert scores is not None
    assert 0.005 < (scores > 1).mean() <= 0.01
    drawn = [*scribbles(20, seed=3), *(draw_character(letter) for letter in "kmwxMWXK")]
    readings = read_pictures(model, [find_digits(image) for image in drawn])
    assert np.mean([reading.status == "does not look like a digit" for reading in readings]) > 0.5


def test_the_other_images_are_read_and_each_that_cannot_be_read_has_an_error_line(
    mnistexp: Command, uri: list[str], seven: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.png").touch()
    outcome = mnistexp("predict", "best", "empty.png", str(seven), "gone.png", ".", *uri)
    assert outcome.exit_code == 2
    _, line = outcome.out.splitlines()
    assert line.startswith(f"{seven}: 7 (")
    assert outcome.err.splitlines() == [
        "error: empty.png: expected an image file. Received: an empty file, 0 bytes",
        "error: gone.png: expected an image file. Received: no such file",
        "error: .: expected an image file. Received: a folder. Name its files: ./*",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "nobody: expected the id or the name of a run"),
        (["best", "--experiment", "none"], "tracking.experiment: expected one of"),
    ],
)
def test_an_unknown_model_is_rejected(
    arguments: list[str], message: str, mnistexp: Command, uri: list[str], seven: Path
) -> None:
    name, *options = arguments
    outcome = mnistexp("predict", name, str(seven), *options, *uri)
    assert outcome.exit_code == 2
    assert message in outcome.err
