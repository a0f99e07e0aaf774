"""`mnistexp evaluate`: measure a trained model on test images."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, Json, RunName, Uri, Where
from mnistexp.errors import ConfigError
from mnistexp.tracking.config import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnistexp.config.config import Config
    from mnistexp.data import Data
    from mnistexp.inference import TrainedModel
    from mnistexp.inference.classification_report import ClassificationReport
    from mnistexp.learner.metrics import Predictor
    from mnistexp.tracking import RunStore

SECTIONS = ("data", "device")
"""The config sections of the run that an evaluation uses."""
SETTINGS = (*SECTIONS, "augmentation", "seed")
"""What can be set: the images are changed only if the command says so."""
DEFAULT_COPIES = 8


def evaluate(
    model: RunName,
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="Settings of data, device and augmentation: data=fashion_mnist "
            "data.test_slice=[0,3300] augmentation=shift"
        ),
    ] = None,
    copies: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With augmentation: average over each image and so many changed copies. "
            f"Default: {DEFAULT_COPIES}.",
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Log the metrics to the run.")] = False,
    as_json: Json = False,
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = DEFAULT_EXPERIMENT,
) -> None:
    """Evaluate a trained model on the test images of its run, or of other data."""
    overrides = settings or []
    _check_settings(overrides)

    from mnistexp.activity import show_activity
    from mnistexp.augmentation import build_augmentation
    from mnistexp.data import load_data
    from mnistexp.inference import load_model
    from mnistexp.inference.augmented_prediction import AugmentedPredictor
    from mnistexp.inference.classification_report import report_classification
    from mnistexp.runs.run_selection import select_model
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    stored = select_model(store, model, where)
    config = _compose_evaluation(store, stored.run_id, overrides)
    if not config.data.use_test:
        raise ConfigError(
            f"data.use_test: expected true, since an evaluation reads the test images, which "
            f"{stored.run_name} was not to read. Received: false. Set data.use_test=true if "
            "nothing will be chosen any more"
        )
    data = load_data(config.data)
    trained = load_model(stored, store, config.device)
    _check_classes(trained, data)
    augmentation = build_augmentation(config.augmentation, data.image_shape)
    if augmentation is None:
        _check_no_copies(config, overrides, copies)
        predictor: Predictor = trained
    else:
        copies = copies or DEFAULT_COPIES
        predictor = AugmentedPredictor(trained, augmentation, copies, config.seed)
    with show_activity("evaluating", sys.stderr):
        report = report_classification(predictor, data.test)
    name = _test_set_name(config, copies)
    document = json.dumps(
        {
            "model": trained.run_name,
            "run_id": trained.run_id,
            "data": name,
            "digest": data.digest,
            "copies": copies or 0,
            **report.to_dict(),
        }
    )
    if log:
        _log_report(store.uri, stored.run_id, name, report, document)
    if as_json:
        print(document)
        return
    print(f"{trained}\non {len(data.test):,} test images of {name}")
    if augmentation is not None:
        print(f"mean of each image and {copies} changed copies: {_format_changes(config)}")
    _print_report(report, data.class_names)
    if log:
        print(f"Logged to the run: evaluations/{name}.json, and metrics evaluation/{name}/…")


def _log_report(
    uri: str, run_id: str, name: str, report: "ClassificationReport", document: str
) -> None:
    """Log the metrics and the JSON document of an evaluation on the test set `name`."""
    from mnistexp.tracking.store import client_for_writing

    client = client_for_writing(uri)
    for metric, value in report.metrics.items():
        client.log_metric(run_id, f"evaluation/{name}/{metric}", value)
    client.log_text(run_id, document, f"evaluations/{name}.json")


def _check_classes(trained: "TrainedModel", data: "Data") -> None:
    """Refuse data of another number of classes, or of images of another shape."""
    classes = trained.classes
    if (classes.image_shape, len(classes.class_names)) != (data.image_shape, data.num_classes):
        raise ConfigError(
            f"data: expected images of shape {list(classes.image_shape)} of "
            f"{len(classes.class_names)} classes, as {trained.run_name} was trained on. Received: "
            f"{list(data.image_shape)} of {data.num_classes} classes in {data.name}"
        )


def _check_settings(overrides: list[str]) -> None:
    for override in overrides:
        path, equals, _ = override.lstrip("+~").partition("=")
        if not equals or path.partition(".")[0] not in SETTINGS:
            raise ConfigError(
                f"{path}: expected a setting of data, device or augmentation, such as "
                "data=fashion_mnist or data.test_slice=[0,3300], since nothing is trained. "
                f"Received: {override!r}"
            )


def _check_no_copies(config: "Config", overrides: list[str], copies: int | None) -> None:
    """Refuse options of test-time augmentation that would have no effect."""
    example = "such as augmentation=shift"
    if copies is not None:
        raise ConfigError(
            f"--copies: expected together with changes of the images, {example}. Received: {copies}"
        )
    names = [override.lstrip("+~").partition("=")[0] for override in overrides]
    if "seed" in names:
        raise ConfigError(
            f"seed: expected together with random changes of the images, {example}. Received: "
            f"{config.seed}"
        )


def _format_changes(config: "Config") -> str:
    """Return the augmentation that differs from none, and the seed: `shift=2, seed=0`."""
    changes = config.augmentation.model_dump(exclude_defaults=True)
    named = [f"{name}={value:g}" for name, value in changes.items()]
    return ", ".join([*named, f"seed={config.seed}"])


def _compose_evaluation(store: "RunStore", run_id: str, overrides: list[str]) -> "Config":
    """Compose the data and device settings of the run with the overrides.

    A choice such as `data=fashion_mnist` replaces the whole section of the run.
    """
    from omegaconf import OmegaConf

    from mnistexp.config.compose import compose_config
    from mnistexp.config.option_reader import read_option

    text = store.artifact(run_id, "config.yaml")
    recorded = OmegaConf.to_container(OmegaConf.create((text or b"{}").decode()))
    assert isinstance(recorded, dict)
    chosen = {override.partition("=")[0] for override in overrides}
    data = recorded.get("data", {})
    if "url" in data:
        # An imported run is someone else's, and must not choose what is downloaded.
        data["url"] = read_option("data", str(data.get("name"))).get("url")
    base = [
        f"{section}.{name}={json.dumps(value)}"
        for section in SECTIONS
        if section not in chosen
        for name, value in recorded.get(section, {}).items()
        # A model that was trained on a GPU can be evaluated without one.
        if (name, value) != ("type", "gpu")
    ]
    # The default training section requires validation images.
    return compose_config(["train.evaluate_on=[]", *base, *overrides])[0]


def _test_set_name(config: "Config", copies: int | None) -> str:
    """Return `mnist`, `mnist_0_3300` for a slice, or `mnist_8_copies` with changed copies."""
    parts = [config.data.name, *map(str, config.data.test_slice or ())]
    return "_".join([*parts, *([f"{copies}_copies"] if copies else [])])


def _print_report(report: "ClassificationReport", names: "Sequence[str]") -> None:
    from mnistexp.tables import Column, Table

    low, high = report.interval
    print(f"accuracy           {report.accuracy:.4f}  (95 % interval {low:.4f} to {high:.4f})")
    print(f"loss               {report.loss:.4f}")
    print(f"calibration error  {report.calibration_error:.4f}\n")
    rates = [
        [name, f"{metrics.num_images:,}", f"{metrics.precision:.4f}", f"{metrics.recall:.4f}"]
        for name, metrics in zip(names, report.classes, strict=True)
    ]
    Table([*map(Column, ("class", "images", "precision", "recall"))], rates).print()
    print("\nThe number of images of each class, by the class that was predicted:\n")
    counts = [
        [name, *(str(count) if count else "·" for count in row)]
        for name, row in zip(names, report.confusion, strict=True)
    ]
    Table([*map(Column, ("class", *names))], counts).print()
