"""`mnistexp evaluate`: measure a trained model on test images."""

import json
import sys
from dataclasses import dataclass
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
    from mnistexp.tables import Table
    from mnistexp.tracking import RunStore
    from mnistexp.tracking.model_registry import StoredModel

SECTIONS = ("data", "device")
"""The config sections of the run that an evaluation uses."""
SETTINGS = (*SECTIONS, "augmentation", "seed")
"""What can be set: the images are changed only if the command says so."""
SETTINGS_OF_FILES = ("name", "url", "num_classes", "class_names", "validation_size", "train_size")
"""Settings of data that belong to its files, or that an evaluation does not need."""
DEFAULT_COPIES = 8
MAX_HEADING_LENGTH = 3
"""Longer names of classes have numbers in the headings of the confusion matrix."""
MAX_LISTED_CLASSES = 5
MAX_MISTAKES = 15


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

    from mnistexp.runs.run_selection import select_model
    from mnistexp.runs.run_tables import open_run_store

    store = open_run_store(experiment, uri)
    stored = select_model(store, model, where)
    config = _compose_evaluation(store, stored.run_id, overrides)
    _check_use_of_test(config, stored)
    copies = _choose_copies(config, overrides, copies)
    evaluation = _evaluate(store, stored, config, copies)
    if log:
        _log(evaluation, store.uri)
    if as_json:
        print(evaluation.to_json())
        return
    _print(evaluation)
    if log:
        name = evaluation.name
        print(f"Logged to the run: evaluations/{name}.json, and metrics evaluation/{name}/…")


@dataclass(frozen=True)
class _Evaluation:
    """The report about a model on the test images of `data`.

    copies: the number of changed copies of each image; 0 if the images are not changed.
    """

    model: "TrainedModel"
    config: "Config"
    data: "Data"
    copies: int
    report: "ClassificationReport"

    @property
    def name(self) -> str:
        """`mnist`, `mnist_0_3300` for a slice, or `mnist_8_copies` with changed copies."""
        config = self.config.data
        parts = [config.name, *map(str, config.test_slice or ())]
        return "_".join([*parts, *([f"{self.copies}_copies"] if self.copies else [])])

    def to_json(self) -> str:
        return json.dumps(
            {
                "model": self.model.run_name,
                "run_id": self.model.run_id,
                "data": self.name,
                "digest": self.data.digest,
                "copies": self.copies,
                **self.report.to_dict(),
            }
        )


def _evaluate(
    store: "RunStore", stored: "StoredModel", config: "Config", copies: int
) -> _Evaluation:
    """Load the data and the model, and measure the model on the test images."""
    from mnistexp.activity import show_activity
    from mnistexp.augmentation import build_augmentation
    from mnistexp.data import load_data
    from mnistexp.inference import load_model
    from mnistexp.inference.augmented_prediction import AugmentedPredictor
    from mnistexp.inference.classification_report import report_classification

    data = load_data(config.data)
    model = load_model(stored, store, config.device)
    _check_classes(model, data)
    augmentation = build_augmentation(config.augmentation, data.image_shape)
    predictor: Predictor = model
    if augmentation is not None:
        predictor = AugmentedPredictor(model, augmentation, copies, config.seed)
    with show_activity("evaluating", sys.stderr):
        report = report_classification(predictor, data.test)
    return _Evaluation(model, config, data, copies, report)


def _log(evaluation: _Evaluation, uri: str) -> None:
    """Log the metrics and the JSON document of an evaluation to the run of its model."""
    from mnistexp.tracking.store import client_for_writing

    client = client_for_writing(uri)
    run_id = evaluation.model.run_id
    for metric, value in evaluation.report.metrics.items():
        client.log_metric(run_id, f"evaluation/{evaluation.name}/{metric}", value)
    client.log_text(run_id, evaluation.to_json(), f"evaluations/{evaluation.name}.json")


def _check_use_of_test(config: "Config", stored: "StoredModel") -> None:
    """Refuse to read the test images of a run that was not to read them."""
    if not config.data.use_test:
        raise ConfigError(
            f"data.use_test: expected true, since an evaluation reads the test images, which "
            f"{stored.run_name} was not to read. Received: false. Set data.use_test=true if "
            "nothing will be chosen any more"
        )


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


def _choose_copies(config: "Config", overrides: list[str], copies: int | None) -> int:
    """Return the number of changed copies of each image, 0 without changes.

    Raises:
        ConfigError: options of test-time augmentation would have no effect.
    """
    if not config.augmentation.is_off:
        return copies or DEFAULT_COPIES
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
    return 0


def _format_changes(config: "Config") -> str:
    """Return the augmentation that differs from none, and the seed: `shift=2, seed=0`."""
    changes = config.augmentation.model_dump(exclude_defaults=True)
    named = [f"{name}={value:g}" for name, value in changes.items()]
    return ", ".join([*named, f"seed={config.seed}"])


def _compose_evaluation(store: "RunStore", run_id: str, overrides: list[str]) -> "Config":
    """Compose the data and device settings of the run with the overrides.

    A choice such as `data=fashion_mnist` replaces the whole section of the run; another folder
    replaces what is read from it, the name and the classes.
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
    if chosen & {"data.directory", "data.url"}:
        data = {name: value for name, value in data.items() if name not in SETTINGS_OF_FILES}
        recorded["data"] = data
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


def _print(evaluation: _Evaluation) -> None:
    num_images, copies = len(evaluation.data.test), evaluation.copies
    settings = evaluation.config.data
    part = f" (data.test_slice={list(settings.test_slice)})" if settings.test_slice else ""
    print(f"{evaluation.model}\non {num_images:,} test images of {settings.name}{part}")
    if copies:
        changes = _format_changes(evaluation.config)
        print(f"mean of each image and {copies} changed copies: {changes}")
    learned, names = evaluation.model.classes.class_names, evaluation.data.class_names
    if tuple(learned) != tuple(names):
        print(
            f"note: the model was trained on other classes: {_list_classes(learned)}; these images "
            f"are of the classes {_list_classes(names)}"
        )
    _print_report(evaluation.report, evaluation.data.class_names)


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
    matrix = _tabulate_confusion(report, names)
    if len(matrix.shown().columns) == len(matrix.columns):
        print("\nThe number of images of each class, by the class that was predicted:\n")
        matrix.print()
    else:
        print("\nThe most frequent mistakes (--json has the whole confusion matrix):\n")
        _tabulate_mistakes(report, names).print()


def _list_classes(names: "Sequence[str]") -> str:
    shown = ", ".join(names[:MAX_LISTED_CLASSES])
    return f"{shown}, …" if len(names) > MAX_LISTED_CLASSES else shown


def _tabulate_confusion(report: "ClassificationReport", names: "Sequence[str]") -> "Table":
    """Return a row for each class and a column for each predicted one.

    If names are long, the columns have numbers, which stand before the names of the rows too.
    """
    from mnistexp.tables import Column, Table

    is_short = max(map(len, names)) <= MAX_HEADING_LENGTH
    headings = names if is_short else [str(label) for label in range(len(names))]
    labels = names if is_short else [f"{label} {name}" for label, name in enumerate(names)]
    rows = [
        [label, *(str(count) if count else "·" for count in row)]
        for label, row in zip(labels, report.confusion, strict=True)
    ]
    class_column = Column("class", is_text=not is_short)
    return Table([class_column, *(Column(name, drop=1) for name in headings)], rows)


def _tabulate_mistakes(report: "ClassificationReport", names: "Sequence[str]") -> "Table":
    """Return a row for each of the most frequent pairs of a true and another predicted class."""
    from mnistexp.tables import Column, Table

    mistakes = [
        (count, names[true], names[predicted])
        for true, row in enumerate(report.confusion)
        for predicted, count in enumerate(row)
        if count and predicted != true
    ]
    mistakes.sort(key=lambda mistake: -mistake[0])
    rows = [[true, predicted, f"{count:,}"] for count, true, predicted in mistakes[:MAX_MISTAKES]]
    texts = [Column("class", is_text=True), Column("predicted as", is_text=True)]
    return Table([*texts, Column("images")], rows)
