"""`mnistexp predict`: from image files to printed predictions."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from support import Command, TrackedRun

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.inference.classification import classify_images
from mnistexp.inference.preprocessing import preprocess


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
    assert first.startswith("two_layers-adam_decay-s3, run ")
    assert re.match(rf"{seven}: 7 \((9\d|100)\.\d %\), then \d \(", second)
    assert second.count("%") == 3
    assert third == f"{blank}: no digit found"


def test_predictions_are_printed_as_json_and_preprocessed_images_are_saved(
    mnistexp: Command, uri: list[str], seven: Path, blank: Path, tmp_path: Path
) -> None:
    outcome = mnistexp(
        "predict", "best", str(seven), str(blank), "--json", "--save-preprocessed", "out", *uri
    )
    digit, nothing = json.loads(outcome.out)["predictions"]
    assert (digit["image"], digit["status"], digit["digit"]) == (str(seven), "digit", 7)
    assert digit["confidence"] == max(digit["probabilities"]) == digit["probabilities"][7]
    assert sum(digit["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert (nothing["status"], nothing["digit"]) == ("no digit found", None)
    (saved,) = (tmp_path / "out").iterdir()
    assert saved.name == "seven.jpg.28x28.png"
    np.testing.assert_array_equal(
        np.asarray(Image.open(saved)), preprocess(Image.open(seven).convert("RGB"))
    )


class UniformModel:
    """Predicts the same probability for each digit."""

    def predict_probabilities(self, images: np.ndarray) -> np.ndarray:
        return np.full((len(images), 10), 0.1)


def test_a_low_probability_is_reported_as_no_digit() -> None:
    from mnistexp.commands.predict import format_prediction

    predictions = classify_images(UniformModel(), [np.zeros((28, 28), "u1"), None])
    assert [prediction.status for prediction in predictions] == [
        "does not look like a digit",
        "no digit found",
    ]
    text = format_prediction(predictions[0])
    assert text == "this does not look like a digit; at most 0 (10.0 %)"


def test_each_image_that_cannot_be_read_has_an_error_line(
    mnistexp: Command, uri: list[str], seven: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.png").touch()
    outcome = mnistexp("predict", "best", "empty.png", str(seven), "gone.png", ".", *uri)
    assert outcome.exit_code == 2
    assert outcome.out == ""
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
