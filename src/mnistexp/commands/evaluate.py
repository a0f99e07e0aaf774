"""`mnistexp evaluate`: what a trained model is worth, on its own test images or on others."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Experiment, ModelWord, Uri, Where
from mnistexp.errors import ConfigError

if TYPE_CHECKING:
    from mnistexp.config.config import Config
    from mnistexp.inference.classification_report import ClassificationReport
    from mnistexp.tracking import MlflowTracking

SECTIONS = ("data", "device")
"""The sections that bear on an evaluation."""


def evaluate(
    model: ModelWord,
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="data=fashion_mnist data.test_slice=[0,3300] device=cpu …"),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Log the figures to the run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    where: Where = "",
    uri: Uri = None,
    experiment: Experiment = "mnistexp",
) -> None:
    """Evaluate a trained model on test images: those of its run, unless the settings say others."""
    overrides = settings or []
    _check_settings(overrides)

    from mnistexp.analysis import tracking_of
    from mnistexp.data import load_data
    from mnistexp.inference import find_model, load_model
    from mnistexp.inference.classification_report import report_classification

    tracking = tracking_of(experiment, uri)
    stored = find_model(model, tracking, where)
    config = _composed(tracking, stored.run_id, overrides)
    data = load_data(config.data)
    trained = load_model(stored, tracking, config.device)
    result = report_classification(trained, data.test)
    label = _label(config)
    about = {"model": trained.name, "run_id": trained.run_id, "data": label, "digest": data.digest}
    document = json.dumps({**about, **result.to_dict()})
    if log:
        from mnistexp.tracking import add_to_run

        metrics = {f"evaluation/{label}/{name}": v for name, v in result.metrics.items()}
        add_to_run(tracking, stored.run_id, metrics, document, f"evaluations/{label}.json")
    if as_json:
        print(document)
        return
    print(f"{trained.name}, run {trained.run_id}, on {len(data.test):,} test images of {label}")
    _print(result)
    if log:
        print(f"logged to the run: evaluations/{label}.json and evaluation/{label}/… as metrics")


def _check_settings(overrides: list[str]) -> None:
    for override in overrides:
        path, equals, _ = override.lstrip("+~").partition("=")
        if not equals or path.partition(".")[0] not in SECTIONS:
            raise ConfigError(
                f"{path}: expected a setting of data or device, as nothing is trained: "
                f"data=fashion_mnist, data.test_slice=[0,3300]. Received: {override!r}"
            )


def _composed(tracking: "MlflowTracking", run_id: str, overrides: list[str]) -> "Config":
    """The run's data and device, with the overrides on top.

    A choice such as `data=fashion_mnist` takes the place of all that the run had there.
    """
    from omegaconf import OmegaConf

    from mnistexp.config.compose import compose_config
    from mnistexp.tracking import read_artifact

    text = read_artifact(tracking, run_id, "config.yaml")
    recorded = OmegaConf.to_container(OmegaConf.create((text or b"{}").decode()))
    assert isinstance(recorded, dict)
    chosen = {override.partition("=")[0] for override in overrides}
    base = [
        f"{section}.{name}={json.dumps(value)}"
        for section in SECTIONS
        if section not in chosen
        for name, value in recorded.get(section, {}).items()
        # What was trained on a GPU can be evaluated without one.
        if (name, value) != ("type", "gpu")
    ]
    # The default training would want validation images.
    return compose_config(["train.evaluate_on=[]", *base, *overrides])[0]


def _label(config: "Config") -> str:
    """`mnist`, or `mnist_0_3300` for a part of its test images."""
    part = config.data.test_slice
    return "_".join([config.data.name, *map(str, part or ())])


def _print(result: "ClassificationReport") -> None:
    from rich.console import Console
    from rich.table import Table

    low, high = result.interval
    print(f"accuracy           {result.accuracy:.4f}  (95 % interval {low:.4f} to {high:.4f})")
    print(f"loss               {result.loss:.4f}")
    print(f"calibration error  {result.calibration_error:.4f}\n")
    table = Table(box=None, padding=(0, 1, 0, 0))
    digits = [str(digit) for digit in range(len(result.classes))]
    for title in ("class", "images", "precision", "recall", *digits):
        table.add_column(title, justify="right")
    for digit, (figures, row) in enumerate(zip(result.classes, result.confusion, strict=True)):
        shares = [f"{figures.precision:.4f}", f"{figures.recall:.4f}"]
        counts = [str(count) if count else "·" for count in row]
        table.add_row(str(digit), f"{figures.num_images:,}", *shares, *counts)
    console = Console(width=100)
    console.print(table)
    console.print("Right of the recall: how many images of the class were taken for 0, 1, … 9.")
