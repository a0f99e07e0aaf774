"""Wrong arguments of a command, in one line like all other errors."""

import re

import typer

from mnistexp.errors import did_you_mean

EXTRA_ARGUMENTS = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)")


def format_argument_error(error: typer.TyperException, command: str) -> str:
    """Return what a command expected, what it received, and how to get its help.

    Args:
        error: what Typer raised when it parsed the arguments.
        command: `mnistexp new`.
    """
    problem = _format_problem(error, command).removesuffix(".")
    end = "" if problem.endswith("?") else ";" if problem.endswith("…") else "."
    return f"{problem}{end} {command} --help lists its arguments"


def _format_problem(error: typer.TyperException, command: str) -> str:
    if hasattr(error, "possibilities"):
        option = str(getattr(error, "option_name", ""))
        return f"{option}: unknown option.{did_you_mean(option, error.possibilities or [])}"
    if not isinstance(error, typer.BadParameter) or error.param is None:
        return EXTRA_ARGUMENTS.sub(r"expected no more arguments. Received: \1", str(error.message))
    name = _typed_name(error.param.opts)
    if not error.message:  # Only a missing argument has no message.
        return f"{name}: expected a value. Received: nothing. Write {_format_usage(error, command)}"
    message = error.message.removeprefix("Value error, ")
    if found := re.fullmatch(r"'(.*)' is not one of (.+)", message):
        names = re.findall(r"'([^']+)'", found[2])
        hint = did_you_mean(found[1], names)
        return f"{name}: expected one of {', '.join(names)}. Received: {found[1]!r}.{hint}"
    message = message.partition(", unable")[0].replace("Input should be a ", "expected a ")
    return f"{name}: {message.replace('Input should be', 'expected a value')}"


def _format_usage(error: typer.BadParameter, command: str) -> str:
    """Return a command with its arguments: `mnistexp predict RUN IMAGES…`."""
    assert error.ctx is not None
    arguments = [
        (param.metavar or _typed_name(param.opts)).removesuffix("…") + "…" * (param.nargs == -1)
        for param in error.ctx.command.params
        if isinstance(param, typer.core.TyperArgument)
    ]
    return " ".join([command, *arguments])


def _typed_name(names: list[str]) -> str:
    """Return `--port` for an option, `NAME` for an argument."""
    name = max(names, key=len)
    return name if name.startswith("-") else name.upper()
