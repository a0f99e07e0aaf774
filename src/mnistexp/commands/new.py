"""`mnistexp new`: write a file to start from, for an experiment or a model of your own."""

from typing import Annotated, Literal

import typer


def new(
    kind: Annotated[
        Literal["experiment", "model"], typer.Argument(metavar="KIND", help="What the file is for.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new option.")],
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="The experiment or model to copy. Default: a short example.",
            autocompletion=lambda ctx, incomplete: _complete_base(ctx, incomplete),
        ),
    ] = None,
) -> None:
    """Write a commented file to start from: an experiment or a model of your own.

    An existing file is never overwritten.
    """
    from mnistexp.config.new_files import write_new_file

    file = write_new_file(kind, name, base)
    group = "user" if kind == "experiment" else "model"
    typer.echo(f"{file}: written. Change it as you like, then run:")
    typer.echo(f"  mnistexp {group}={name}")


def _complete_base(ctx: typer.Context, incomplete: str) -> list[str]:
    from mnistexp.config.new_files import bases

    names = bases(ctx.params.get("kind") or "model")
    return [name for name in names if name.startswith(incomplete)]
