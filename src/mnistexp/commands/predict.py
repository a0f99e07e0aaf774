"""`mnistexp predict`: predict the digits, or the classes, of pictures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnistexp.commands.options import Experiment, RunName, Uri, Where
from mnistexp.errors import ImageError, InputError
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from mnistexp.inference import TrainedModel
    from mnistexp.inference.classification import Prediction, Reading


def predict(
    model: RunName,
    images: Annotated[list[str], typer.Argument(help="PNG, JPEG, WebP or TIFF files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    save_preprocessed: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Save the images that the model receives, 28×28 pixels."
        ),
    ] = None,
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Predict the digits in images of any size, color and lighting, from left to right.

    A model of other classes receives the whole image, in the size of its training images.
    """
    if save_preprocessed:
        _check_output(images, save_preprocessed)
    opened, errors = _read_files(images)
    if not opened:
        raise _join_errors(errors)

    from mnistexp.inference import load_model
    from mnistexp.inference.classification import read_pictures
    from mnistexp.inference.picture_input import prepare_picture
    from mnistexp.runs.run_selection import select_model
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    trained = load_model(select_model(store, model, where), store)
    pictures = [(name, prepare_picture(trained, picture)) for name, picture in opened]
    readings = read_pictures(
        trained, [inputs for _, inputs in pictures], trained.classes.class_names
    )
    if save_preprocessed:
        for name, inputs in pictures:
            _save(inputs, _output_file(name, save_preprocessed))
    named_readings = [(name, r) for (name, _), r in zip(pictures, readings, strict=True)]
    _print_readings(trained, named_readings, as_json)
    if errors:
        raise _join_errors(errors)


def _print_readings(
    trained: "TrainedModel", readings: "list[tuple[str, Reading]]", as_json: bool
) -> None:
    if as_json:
        entries = [_to_dict(name, reading) for name, reading in readings]
        document = {"model": trained.run_name, "run_id": trained.run_id, "predictions": entries}
        print(json.dumps(document), flush=True)
        return
    print(trained)
    for name, reading in readings:
        print(f"{name}: {reading}", flush=True)


def _read_files(
    paths: list[str],
) -> "tuple[list[tuple[str, Image.Image]], list[ImageError]]":
    """Return (path, picture) of each image file, and the errors of those that cannot be read."""
    from mnistexp.inference.image_io import read_image

    pictures, errors = [], []
    for path in paths:
        try:
            pictures.append((path, read_image(path)))
        except ImageError as error:
            errors.append(error)
    return pictures, errors


def _join_errors(errors: list[ImageError]) -> ImageError:
    """Return an error that is printed as one line for each of several."""
    return ImageError("\n".join(map(str, errors)))


def _output_file(path: str, folder: Path) -> Path:
    return folder / f"{Path(path).name}.28x28.png"


def _check_output(paths: list[str], folder: Path) -> None:
    if len({_output_file(path, folder) for path in paths}) < len(paths):
        raise InputError(
            "--save-preprocessed: expected images of different file names. "
            "Received: several of the same name"
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"--save-preprocessed: expected a folder. Received: {folder}, which is a file"
        )


def _save(inputs: "list[np.ndarray]", file: Path) -> None:
    """Save the inputs for an image side by side."""
    import numpy as np
    from PIL import Image

    if inputs:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(inputs, axis=1)).save(file)


def _to_dict(name: str, reading: "Reading") -> dict[str, Any]:
    objects = [_prediction_to_dict(prediction) for prediction in reading.predictions]
    return {"image": name, "status": reading.status, "objects": objects}


def _prediction_to_dict(prediction: "Prediction") -> dict[str, Any]:
    name, confidence = prediction.ranking[0]
    return {
        "class": name if prediction.is_recognized else None,
        "confidence": confidence,
        "probabilities": list(prediction.probabilities),
        "ood_score": prediction.ood_score,
    }
