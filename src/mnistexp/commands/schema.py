"""`mnistexp schema`: the JSON schemas of the config and of the files that it is made of."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups
from mnistexp.errors import InputError, did_you_mean

LINE = "# yaml-language-server: $schema="


def schema(
    group: Annotated[
        str | None,
        typer.Argument(
            help="model, optim/decay, experiment, …: of one file. Default: of the whole config.",
            autocompletion=lambda incomplete: _names(incomplete),
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write the schemas of all kinds of files to this folder.")
    ] = None,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder of your own groups, as beside a run.")
    ] = None,
) -> None:
    """Print the JSON schema of the config or of a group's files, or write those for an editor."""
    more = [config_dir] if config_dir else []
    if write is not None:
        _write(write, more)
    elif group is None:
        from mnistexp.config.config import Config

        _print(Config.model_json_schema())
    else:
        from mnistexp.config.json_schema import EXPERIMENT, file_schemas

        schemas = file_schemas(*more)
        name = EXPERIMENT if group in EXPERIMENT_GROUPS else group
        if name not in schemas:
            raise InputError(
                f"GROUP: expected one of {', '.join(schemas)}. "
                f"Received: {group!r}.{did_you_mean(group, schemas)}"
            )
        _print(schemas[name])


def _names(begun: str) -> list[str]:
    """What the argument may be, for the shell to complete."""
    names = ["experiment", *(name for name in list_groups() if not name.startswith("hydra/"))]
    return [name for name in names if name.startswith(begun)]


def _print(found: dict[str, Any]) -> None:
    typer.echo(json.dumps(found, indent=2))


def _write(folder: Path, more: list[Path]) -> None:
    """A file for each kind, and the lines by which a YAML file names its own."""
    from mnistexp.config.json_schema import file_schemas

    folder.mkdir(parents=True, exist_ok=True)
    for name, found in file_schemas(*more).items():
        file = folder / f"{name.replace('/', '.')}.json"
        file.write_text(f"{json.dumps(found, indent=2)}\n")
        typer.echo(f"{file}: for {_kinds(name)}")
    own = Path("experiments") / "user"
    path = os.path.relpath(folder / "experiment.json", own)  # Seen from the YAML file.
    # Hydra reads the package from the first line alone.
    typer.echo(f"\n{own}/NAME.yaml begins with:\n\n# @package _global_\n{LINE}{path}")


def _kinds(name: str) -> str:
    return "experiments" if name == "experiment" else f"options of {name}"
