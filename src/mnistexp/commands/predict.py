"""`mnistexp predict`: predict the digits in images."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnistexp.commands.options import Experiment, RunName, Uri, Where
from mnistexp.errors import ImageError, InputError
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    import numpy as np

    from mnistexp.inference.classification import Prediction

NUM_ALTERNATIVES = 2
"""Digits that are printed after the most probable one."""


def predict(
    model: RunName,
    images: Annotated[list[str], typer.Argument(help="PNG, JPEG, WebP or TIFF files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    save_preprocessed: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Save the images of 28×28 pixels that the model receives."
        ),
    ] = None,
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Predict the digit in images of any size, color and lighting."""
    targets = _output_files(images, save_preprocessed) if save_preprocessed else []
    preprocessed = _preprocess_files(images)

    from mnistexp.inference import load_model
    from mnistexp.inference.classification import classify_images
    from mnistexp.runs.run_selection import select_model
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    trained = load_model(select_model(store, model, where), store)
    predictions = classify_images(trained, preprocessed)
    for target, image in zip(targets, preprocessed, strict=False):
        _save(image, target)
    if as_json:
        entries = [_to_dict(name, p) for name, p in zip(images, predictions, strict=True)]
        document = {"model": trained.run_name, "run_id": trained.run_id, "predictions": entries}
        print(json.dumps(document))
        return
    print(trained)
    for name, prediction in zip(images, predictions, strict=True):
        print(f"{name}: {format_prediction(prediction)}")


def format_prediction(prediction: "Prediction") -> str:
    """Return `7 (99.8 %), then 1 (0.1 %) or 9 (0.1 %)`, or why there is no digit."""
    if prediction.image is None:
        return prediction.status
    first, *others = [f"{digit} ({p:.1%})".replace("%", " %") for digit, p in prediction.ranking]
    if prediction.status != "digit":
        return f"this {prediction.status}; at most {first}"
    return f"{first}, then {' or '.join(others[:NUM_ALTERNATIVES])}"


def _preprocess_files(paths: list[str]) -> "list[np.ndarray | None]":
    """Read and preprocess image files.

    Raises:
        ImageError: with one line for each file that cannot be read.
    """
    from mnistexp.inference.image_io import read_image
    from mnistexp.inference.preprocessing import preprocess

    preprocessed, errors = [], []
    for path in paths:
        try:
            preprocessed.append(preprocess(read_image(path)))
        except ImageError as error:
            errors.append(str(error))
    if errors:
        raise ImageError("\nerror: ".join(errors))
    return preprocessed


def _output_files(paths: list[str], folder: Path) -> list[Path]:
    files = [folder / f"{Path(path).name}.28x28.png" for path in paths]
    if len(set(files)) < len(files):
        raise InputError(
            "--save-preprocessed: expected images of different file names. "
            "Received: several of the same name"
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"--save-preprocessed: expected a folder. Received: {folder}, which is a file"
        )
    return files


def _save(image: "np.ndarray | None", file: Path) -> None:
    from PIL import Image

    if image is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)


def _to_dict(name: str, prediction: "Prediction") -> dict[str, Any]:
    digit, confidence = prediction.ranking[0] if prediction.ranking else (None, None)
    return {
        "image": name,
        "status": prediction.status,
        "digit": digit if prediction.status == "digit" else None,
        "confidence": confidence,
        "probabilities": list(prediction.probabilities),
    }
