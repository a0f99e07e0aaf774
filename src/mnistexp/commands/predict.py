"""`mnistexp predict`: which digit is in a picture."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnistexp.commands.options import Experiment, ModelWord, Uri, Where
from mnistexp.errors import InputError, PictureError

if TYPE_CHECKING:
    import numpy as np

    from mnistexp.inference.classification import Answer

NUM_NEXT = 2


def predict(
    model: ModelWord,
    pictures: Annotated[list[str], typer.Argument(help="PNG, JPEG, WebP or TIFF files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    show: Annotated[
        Path | None,
        typer.Option(help="A folder for the 28×28 pictures, as the network sees them."),
    ] = None,
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = "mnistexp",
) -> None:
    """Say which digit is in each picture: of any size, on any paper, in any light."""
    targets = _targets(pictures, show) if show is not None else []
    prepared = _prepared(pictures)

    from mnistexp.analysis import tracking_of
    from mnistexp.inference import find_model, load_model
    from mnistexp.inference.classification import classify_images

    tracking = tracking_of(experiment, uri)
    trained = load_model(find_model(model, tracking, where), tracking)
    answers = classify_images(trained, prepared)
    for target, image in zip(targets, prepared, strict=False):
        _save(image, target)
    if as_json:
        documents = [_document(name, a) for name, a in zip(pictures, answers, strict=True)]
        print(json.dumps({"model": trained.name, "run_id": trained.run_id, "answers": documents}))
        return
    print(f"{trained.name}, run {trained.run_id}")
    for name, answer in zip(pictures, answers, strict=True):
        print(f"{name}: {sentence(answer)}")


def sentence(answer: "Answer") -> str:
    """`7 (99.8 %), then 1 (0.1 %) or 9 (0.1 %)`, or why there is no digit."""
    if answer.image is None:
        return answer.verdict
    likeliest, *others = [f"{digit} ({p:.1%})".replace("%", " %") for digit, p in answer.ranking]
    if answer.verdict != "digit":
        return f"this {answer.verdict}; at most {likeliest}"
    return f"{likeliest}, then {' or '.join(others[:NUM_NEXT])}"


def _prepared(pictures: list[str]) -> "list[np.ndarray | None]":
    """The pictures as the network sees them.

    Raises:
        PictureError: with one line for each that cannot be read.
    """
    from mnistexp.inference.image_io import open_picture
    from mnistexp.inference.preprocessing import preprocess

    images, complaints = [], []
    for path in pictures:
        try:
            images.append(preprocess(open_picture(path)))
        except PictureError as error:
            complaints.append(str(error))
    if complaints:
        raise PictureError("\nerror: ".join(complaints))
    return images


def _targets(pictures: list[str], folder: Path) -> list[Path]:
    targets = [folder / f"{Path(picture).name}.28x28.png" for picture in pictures]
    if len(set(targets)) < len(targets):
        raise InputError("--show: expected pictures of different names. Received: some of the same")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--show: expected a folder. Received: {folder}, which is a file")
    return targets


def _save(image: "np.ndarray | None", target: Path) -> None:
    from PIL import Image

    if image is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)


def _document(name: str, answer: "Answer") -> dict[str, Any]:
    digit, confidence = answer.ranking[0] if answer.ranking else (None, None)
    return {
        "picture": name,
        "verdict": answer.verdict,
        "digit": digit if answer.verdict == "digit" else None,
        "confidence": confidence,
        "probabilities": list(answer.probabilities),
    }
