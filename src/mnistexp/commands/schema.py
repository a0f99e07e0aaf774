"""`mnistexp schema`: the JSON schemas of the config and of its YAML files."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
from mnistexp.errors import InputError, did_you_mean

SCHEMA_COMMENT = "# yaml-language-server: $schema="
"""Editors read the path of a YAML file's schema from this comment."""


def schema(
    group: Annotated[
        str | None,
        typer.Argument(
            help="The kind of file: model, optim/decay, experiment, … Default: the whole config.",
            autocompletion=lambda incomplete: _complete_group(incomplete),
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write the schemas of all kinds of files to this folder.")
    ] = None,
) -> None:
    """Print the JSON schema of the config or of a group's files; --write writes all schemas."""
    if write is not None:
        _write_schemas(write)
    elif group is None:
        from mnistexp.config.config import Config

        typer.echo(_to_json(Config.model_json_schema()))
    else:
        typer.echo(_to_json(_find_schema(group)))


def _find_schema(group: str) -> dict[str, Any]:
    from mnistexp.config.json_schema import EXPERIMENT, file_schemas

    schemas = file_schemas()
    name = EXPERIMENT if group in EXPERIMENT_GROUPS else group
    if name not in schemas:
        raise InputError(
            f"GROUP: expected one of {', '.join(schemas)}. "
            f"Received: {group!r}.{did_you_mean(group, schemas)}"
        )
    return schemas[name]


def _complete_group(incomplete: str) -> list[str]:
    names = ["experiment", *(name for name in list_groups() if not name.startswith("hydra/"))]
    return [name for name in names if name.startswith(incomplete)]


def _to_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2)


def _write_schemas(folder: Path) -> None:
    """Write one file for each kind, and print the comment with which a YAML file refers to it."""
    from mnistexp.config.json_schema import EXPERIMENT, file_schemas

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in file_schemas().items():
        file = folder / f"{name.replace('/', '.')}.json"
        file.write_text(f"{_to_json(content)}\n")
        typer.echo(f"{file}: for {'experiments' if name == EXPERIMENT else f'options of {name}'}")
    experiments = Path("experiments") / "user"
    path = os.path.relpath(folder / "experiment.json", experiments)  # Relative to the YAML file.
    typer.echo(f"\nBegin {experiments}/NAME.yaml with these lines:\n")
    # The order is important: Hydra reads the package from the first line only.
    typer.echo(f"# @package _global_\n{SCHEMA_COMMENT}{path}")
