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

    from mnistexp.inference.classification import Prediction, Reading


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
    """Predict the digits in images of any size, color and lighting, from left to right."""
    targets = _output_files(images, save_preprocessed) if save_preprocessed else []
    preprocessed = _preprocess_files(images)

    from mnistexp.inference import load_model
    from mnistexp.inference.classification import read_pictures
    from mnistexp.runs.run_selection import select_model
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    trained = load_model(select_model(store, model, where), store)
    readings = read_pictures(trained, preprocessed)
    for target, digits in zip(targets, preprocessed, strict=False):
        _save(digits, target)
    if as_json:
        entries = [_to_dict(name, r) for name, r in zip(images, readings, strict=True)]
        document = {"model": trained.run_name, "run_id": trained.run_id, "predictions": entries}
        print(json.dumps(document))
        return
    print(trained)
    for name, reading in zip(images, readings, strict=True):
        print(f"{name}: {reading}")


def _preprocess_files(paths: list[str]) -> "list[list[np.ndarray]]":
    """Read and preprocess image files.

    Raises:
        ImageError: with one line for each file that cannot be read.
    """
    from mnistexp.inference.image_io import read_image
    from mnistexp.inference.preprocessing import find_digits

    preprocessed, errors = [], []
    for path in paths:
        try:
            preprocessed.append(find_digits(read_image(path)))
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


def _save(digits: "list[np.ndarray]", file: Path) -> None:
    """Save the digits of an image side by side."""
    import numpy as np
    from PIL import Image

    if digits:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(digits, axis=1)).save(file)


def _to_dict(name: str, reading: "Reading") -> dict[str, Any]:
    digits = [_prediction_to_dict(prediction) for prediction in reading.predictions]
    return {"image": name, "status": reading.status, "digits": digits}


def _prediction_to_dict(prediction: "Prediction") -> dict[str, Any]:
    digit, confidence = max(enumerate(prediction.probabilities), key=lambda pair: pair[1])
    return {
        "digit": digit if prediction.is_digit else None,
        "confidence": confidence,
        "probabilities": list(prediction.probabilities),
        "ood_score": prediction.ood_score,
    }
