"""`mnistexp data`: describe a data set before anything is trained."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistexp.commands.options import Json
from mnistexp.errors import ConfigError, InputError

if TYPE_CHECKING:
    from mnistexp.data.summary import DataSummary


def data(
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OPTION] [SETTING …]",
            help="An option of the group data, fashion_mnist, or settings of it: "
            "data.directory=pets. Default: mnist.",
            autocompletion=lambda incomplete: _complete_options(incomplete),
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Draw ten images of each class into a PNG file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe a data set: splits, shape, classes, pixels, and duplicates between the splits."""
    overrides = [_to_override(setting) for setting in settings or []]
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise InputError(f"--output: expected a file in an existing folder. Received: {output}")

    from mnistexp.config.compose import compose_config
    from mnistexp.data import load_data
    from mnistexp.data.summary import summarize_data

    # The default training section requires validation images.
    loaded = load_data(compose_config(["train.evaluate_on=[]", *overrides])[0].data)
    summary = summarize_data(loaded)
    if as_json:
        print(json.dumps(summary.to_dict(), indent=2))
    else:
        _print_summary(summary)
    if output is not None:
        from mnistexp.analysis.figures.data import draw_examples

        try:
            draw_examples("", loaded).savefig(output, format="png")
        except OSError as error:
            raise InputError(
                f"--output: expected a file that can be written. Received: {output}: "
                f"{error.strerror}"
            ) from error
        if not as_json:
            print(f"\n{output}: ten images of each class")


def _to_override(setting: str) -> str:
    """Return `data=fashion_mnist` for `fashion_mnist`, and a setting of data as it is.

    Raises:
        ConfigError: it is a setting of another section.
    """
    name, equals, _ = setting.partition("=")
    if not equals:
        if "/" in setting or Path(setting).exists():
            raise ConfigError(
                f"{setting}: expected an option of data, such as fashion_mnist. Received: a file "
                f"or folder. Write data.directory={setting}"
            )
        return f"data={setting}"
    if name.lstrip("+~").partition(".")[0] != "data":
        raise ConfigError(
            f"{name}: expected an option of data, such as fashion_mnist, or a setting such as "
            f"data.directory=FOLDER. Received: {setting!r}"
        )
    return setting


def _print_summary(summary: "DataSummary") -> None:
    from mnistexp.tables import Column, Table

    height, width, channels = summary.image_shape
    colors = "gray" if channels == 1 else "colors"
    print(f"{summary.name}: images of {height}×{width} pixels, {colors}, of ", end="")
    print(f"{len(summary.class_names)} classes\nSHA-256: {summary.digest}\n")
    rows = [
        [
            *(name, f"{split.num_images:,}", f"{split.mean:.1f} ± {split.std:.1f}"),
            f"{split.lowest} to {split.highest}",
        ]
        for name, split in summary.splits.items()
    ]
    columns = [Column("split", is_text=True), *map(Column, ("images", "pixels", "range"))]
    Table(columns, rows).print()
    print()
    counts = zip(*(split.class_counts for split in summary.splits.values()), strict=True)
    rows = [
        [name, *(f"{count:,}" for count in row)]
        for name, row in zip(summary.class_names, counts, strict=True)
    ]
    Table([Column("class", is_text=True), *map(Column, summary.splits)], rows).print()
    shared = [
        f"{count:,} of {pair.partition(', ')[2]} are in {pair.partition(', ')[0]} too"
        for pair, count in summary.duplicates.items()
        if count
    ]
    print(f"\nEqual images: {'; '.join(shared) or 'no split has an image of another one'}")


def _complete_options(start: str) -> list[str]:
    """Return the options of the group data that start with a text."""
    from mnistexp.config.config_groups import list_groups

    return [name for name in list_groups()["data"] if name.startswith(start)]
