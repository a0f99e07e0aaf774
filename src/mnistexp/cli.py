"""The entry point of `mnistexp`: Typer runs the commands; all other arguments configure a run."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from typer.core import TyperGroup

from mnistexp.commands.argument_errors import format_argument_error
from mnistexp.commands.compare import compare
from mnistexp.commands.completion import completion
from mnistexp.commands.data import data
from mnistexp.commands.diff import diff
from mnistexp.commands.doctor import doctor
from mnistexp.commands.draw import draw
from mnistexp.commands.ensemble import ensemble
from mnistexp.commands.evaluate import evaluate
from mnistexp.commands.export import export
from mnistexp.commands.import_ import import_
from mnistexp.commands.list import list_
from mnistexp.commands.new import new
from mnistexp.commands.predict import predict
from mnistexp.commands.promote import promote
from mnistexp.commands.report import report
from mnistexp.commands.rerun import rerun
from mnistexp.commands.results import results
from mnistexp.commands.resume import resume
from mnistexp.commands.rm import rm
from mnistexp.commands.schema import schema
from mnistexp.commands.serve import serve
from mnistexp.commands.show import show
from mnistexp.commands.sync import sync
from mnistexp.commands.ui import ui
from mnistexp.commands.verify import verify
from mnistexp.commands.watch import watch
from mnistexp.config.config_groups import (
    added_config_folders,
    list_groups,
    split_config_folders,
)
from mnistexp.device import skip_optional_packages
from mnistexp.errors import InputError, MnistexpError, printable
from mnistexp.signals import (
    Terminated,
    interrupt_reported,
    repeat_lost_interrupts,
    sigterm_as_interrupt,
)
from mnistexp.version import __version__

EXAMPLES = """\
[bold]mnistexp[/bold]                                  train the default model, softmax
[bold]mnistexp model=conv_big optim=adam_decay[/bold]  reach over 99 % accuracy
[bold]mnistexp -m optim=sgd,adam seed=0,1,2[/bold]     train every combination (six runs)
[bold]mnistexp model=conv --cfg job[/bold]             print the settings, train nothing
[bold]mnistexp optim=sgd optim/decay=cosine train.epochs=3[/bold]
[bold]mnistexp model=two_layers model.layers.hidden1.units=400[/bold]"""

SILENT_ABOUT_UNSENT = ("sync", "doctor", "completion", "schema", "--version", "--help", "-h")
"""Commands that do not begin with a line about runs that are not in the store yet."""
MAX_MESSAGE = 300
"""Characters. Those of TensorFlow may have thousands."""
COMMANDS: list[Callable[..., None]] = [
    ui,
    list_,
    show,
    rerun,
    resume,
    rm,
    sync,
    export,
    import_,
    compare,
    diff,
    report,
    watch,
    data,
    new,
    verify,
    results,
    ensemble,
    evaluate,
    predict,
    draw,
    serve,
    promote,
    schema,
    doctor,
    completion,
]


class RootGroup(TyperGroup):
    """The group of all commands. Its help begins with how to start a run."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Run a command. Typer itself ends with 130 on Ctrl-C and SIGTERM, and prints nothing.

        Wrong arguments are an error like all others, without Typer's frame.
        """
        with _failures_reported():
            try:
                return super().invoke(ctx)
            except typer.TyperException as error:
                command = f"mnistexp {ctx.invoked_subcommand or ''}".strip()
                raise InputError(format_argument_error(error, command)) from error

    def format_help(self, ctx: typer.Context, formatter: object) -> None:  # type: ignore[override]
        """Print the usage, the config groups with their options, and the commands."""
        console = Console()
        console.print("\n[bold]mnistexp[/bold] trains image classifiers from configs.\n")
        console.print("[bold]Usage[/bold]  mnistexp [GROUP=OPTION …] [SETTING=VALUE …]")
        console.print("       mnistexp COMMAND\n")
        console.print(Padding(EXAMPLES, (0, 0, 1, 2)), highlight=False)
        console.print("[bold]Groups and their options[/bold]")
        groups = list_groups().items()
        console.print(_two_columns({group: "  ".join(options) for group, options in groups}))
        console.print("[bold]Commands[/bold]")
        commands = self.commands.items()
        console.print(_two_columns({name: c.get_short_help_str(100) for name, c in commands}))
        console.print(
            "[dim]Your own options in conf/ and experiments/ of this folder are listed too; "
            "--config-dir FOLDER adds another folder. --version prints the version, "
            "COMMAND --help explains a command.[/dim]"
        )


def _two_columns(rows: dict[str, str]) -> Padding:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for name, text in rows.items():
        table.add_row(name, text)
    return Padding(table, (0, 0, 1, 2))


def _unwrap_lines(docstring: str) -> str:
    """Return a docstring with one line per paragraph. Typer keeps the line breaks of the source."""
    return "\n\n".join(" ".join(part.split()) for part in docstring.split("\n\n"))


app = typer.Typer(
    cls=RootGroup, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
)
COMMAND_NAMES = [command.__name__.rstrip("_") for command in COMMANDS]
"""Without the underscore of `list_`, which Python needs beside its own `list`."""
for name, command in zip(COMMAND_NAMES, COMMANDS, strict=True):
    app.command(name, help=_unwrap_lines(command.__doc__ or ""))(command)


@app.callback(invoke_without_command=True)
def _print_version(version: Annotated[bool, typer.Option("--version")] = False) -> None:
    if version:
        typer.echo(f"mnistexp {__version__}")


def main() -> None:
    """Run the command `mnistexp`.

    A failure prints one line and ends with exit code 1, wrong input with 2, Ctrl-C with 130 and
    SIGTERM with 143.
    """
    with _failures_reported():
        repeat_lost_interrupts()
        skip_optional_packages()
        folders, arguments = split_config_folders(sys.argv[1:])
        with sigterm_as_interrupt(), added_config_folders(folders):
            _dispatch(arguments)


@contextmanager
def _failures_reported() -> Iterator[None]:
    """Print a failure or an interruption, and exit with its code.

    The traceback of an unexpected failure is written into a file.
    """
    try:
        yield
    except MnistexpError as error:
        lines = [f"error: {line}" for line in str(error).split("\n")]  # One for each wrong setting.
        _print_failure("\n".join(lines), error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as interrupt:
        interrupt_reported.set()
        _print_failure("interrupted", interrupt)
        sys.exit(143 if isinstance(interrupt, Terminated) else 130)
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:  # The reader of the output has ended: `mnistexp list | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            _print_failure(f"error: {_describe_file(error)}", error)
            sys.exit(InputError.exit_code)
        _print_failure(f"error: {_describe_unexpected(error)}", error)
        sys.exit(1)


def _describe_file(error: OSError) -> str:
    """Return a line about a file that cannot be used: a folder of this name, or no permission."""
    return (
        f"{printable(os.fsdecode(error.filename))}: expected a file or folder that can be read and "
        f"written. Received: {error.strerror}"
    )


def _describe_unexpected(error: Exception) -> str:
    """Write the traceback of an unexpected failure into a file, and return a line about both."""
    with NamedTemporaryFile("w", prefix="mnistexp-traceback-", suffix=".txt", delete=False) as file:
        traceback.print_exception(error, file=file)
    message = str(error).strip().partition("\n")[0][:MAX_MESSAGE]
    name = type(error).__name__
    return (
        f"unexpected {name}{': ' if message else ''}{message}. This is a defect of mnistexp, or "
        f"too little memory or disk. Traceback: {file.name}"
    )


def _print_failure(message: str, error: BaseException) -> None:
    """Print a message, and the notes of the exception: how far a run came, and what is kept."""
    print(message, *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)


def _print_unsent() -> None:
    """Print a line, on standard error, if runs of this folder are not in the store yet."""
    from mnistexp.tracking.journal_sync import describe_unsent

    unsent = describe_unsent()
    if unsent:
        print(f"note: {unsent}", file=sys.stderr, flush=True)


def _dispatch(arguments: list[str]) -> None:
    first = arguments[0] if arguments else ""
    if first not in SILENT_ABOUT_UNSENT:
        _print_unsent()
    if first in {*COMMAND_NAMES, "--version"}:
        app(arguments)
    elif {"-h", "--help"} & set(arguments):
        app(["--help"])
    else:
        from mnistexp.commands.run import run

        run(arguments, COMMAND_NAMES)
