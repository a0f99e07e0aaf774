"""`mnistexp completion`: completion of commands, options, groups and settings in a shell."""

import os
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mnistexp.config.config_groups import (
    FOLDER_OPTIONS,
    added_config_folders,
    split_config_folders,
)
from mnistexp.errors import ConfigError, InputError

Shell = Literal["bash", "zsh", "fish"]

# Readline replaces only the text after the last = or :, so the completions for bash begin there.
# For bash and zsh a complete word ends with a space; `model=` does not, since a value follows.
SCRIPTS: dict[Shell, str] = {
    "bash": """\
_mnistexp() {
    mapfile -t COMPREPLY < <(
        "$1" completion --shell bash --complete "${COMP_LINE:0:COMP_POINT}" 2>/dev/null
    )
}
complete -o default -o nospace -F _mnistexp mnistexp
""",
    "zsh": """\
_mnistexp() {
    local line="${(j: :)${(@q)words[1,CURRENT-1]}} $PREFIX"
    local -a found=("${(@f)$("${words[1]}" completion --shell zsh --complete "$line" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -Q -S '' -- "${found[@]}"; else _files; fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _mnistexp mnistexp
""",
    "fish": """\
function __mnistexp
    set -l line (commandline -cp)
    mnistexp completion --shell fish --complete "$line" 2>/dev/null
end
complete -c mnistexp -f -a '(__mnistexp)'
complete -c mnistexp -n 'test -z "$(__mnistexp)"' -F
""",
}


def completion(
    ctx: typer.Context,
    install: Annotated[
        bool, typer.Option("--install", help="Install the script for all new shells of this user.")
    ] = False,
    shell: Annotated[Shell | None, typer.Option(help="Default: the current shell.")] = None,
    complete: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Complete commands, options, groups and settings with the Tab key.

    Without --install this prints the script, for eval "$(mnistexp completion)".
    """
    chosen_shell = shell or _detect_shell()
    if complete is not None:
        for text in _complete_line(ctx.find_root().command, complete, chosen_shell):
            typer.echo(text)
    elif install:
        _install(chosen_shell)
    else:
        typer.echo(SCRIPTS[chosen_shell], nl=False)


def _detect_shell() -> Shell:
    import shellingham

    try:
        name = shellingham.detect_shell()[0]
    except shellingham.ShellDetectionFailure:
        name = Path(os.environ.get("SHELL", "none")).name
    for shell in SCRIPTS:
        if name == shell:
            return shell
    raise InputError(
        f"--shell: expected the current shell to be bash, zsh or fish. Received: {name}. "
        "Name the shell with --shell"
    )


def _install(shell: Shell) -> None:
    """Write the script, and add one line to the startup file of the shell that sources it."""
    script, startup_file = _installed_files(shell)
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(SCRIPTS[shell])
    typer.echo(f"{script}: written")
    if startup_file is not None:
        line = f"source {shlex.quote(str(script))}"
        present = startup_file.read_text() if startup_file.is_file() else ""
        if line not in present.splitlines():
            separator = "" if not present or present.endswith("\n") else "\n"
            startup_file.write_text(f"{present}{separator}{line}\n")
        typer.echo(f"{startup_file}: {line}")
    typer.echo("New shells complete mnistexp with Tab.")


def _installed_files(shell: Shell) -> tuple[Path, Path | None]:
    """The path of the script, and the startup file of the shell; fish needs no startup file."""
    home = Path.home()
    if shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return config / "fish" / "completions" / "mnistexp.fish", None
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    script = data / "mnistexp" / f"completion.{shell}"
    if shell == "bash":
        return script, home / ".bashrc"
    return script, Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"


def _complete_line(root: Any, line: str, shell: Shell) -> list[str]:
    """Return the completions of the last word of a line, in the form that the shell expects.

    Args:
        root: the group of all commands.
        line: the text from the program name to the cursor.
        shell: the shell that inserts the completions.
    """
    try:
        arguments = shlex.split(line)
    except ValueError:
        return []  # The cursor is inside a quotation.
    incomplete = arguments.pop() if line[-1:].strip() else ""
    try:
        folders, arguments = split_config_folders(arguments[1:])
        with added_config_folders(folders):
            completions = _complete_argument(root, arguments, incomplete)
    except ConfigError:
        return []  # The cursor is at the folder of --config-dir.
    if shell == "fish":
        return completions
    kept = max(incomplete.rfind("="), incomplete.rfind(":")) + 1 if shell == "bash" else 0
    return [text[kept:] + ("" if text[-1] in "=." else " ") for text in completions]


def _complete_argument(root: Any, arguments: Sequence[str], incomplete: str) -> list[str]:
    """Complete the first argument, or one of a command, or one of a run."""
    command = root.commands.get(arguments[0]) if arguments else None
    if command is not None:
        return _complete_command_argument(command, arguments[1:], incomplete)
    from mnistexp.config.completion import complete_override

    if incomplete.startswith("-"):
        from mnistexp.commands.run import OPTIONS, OPTIONS_WITH_VALUE

        options = {*OPTIONS, *OPTIONS_WITH_VALUE, *FOLDER_OPTIONS, "--help", "--version"}
        return sorted(option for option in options if option.startswith(incomplete))
    if arguments and arguments[-1] in ("--cfg", "-c"):
        from mnistexp.commands.run import CONFIG_KINDS

        return [kind for kind in CONFIG_KINDS if kind.startswith(incomplete)]
    names = [name for name, command in root.commands.items() if not command.hidden]
    commands = [name for name in names if not arguments and name.startswith(incomplete)]
    return [*commands, *complete_override(arguments, incomplete)]


def _complete_command_argument(
    command: Any, arguments: Sequence[str], incomplete: str
) -> list[str]:
    """Complete an option of a command, or the value of an option or argument.

    The values come from Typer: choices of the type, or the function given as `autocompletion=`.
    """
    options = {
        name: parameter
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.hidden
        for name in parameter.opts
    }
    if incomplete.startswith("-"):
        return [name for name in [*options, "--help"] if name.startswith(incomplete)]
    with_value = {name for name, option in options.items() if not option.is_flag}
    complete_arguments = list(arguments)
    if arguments and arguments[-1] in with_value:
        parameter = options[complete_arguments.pop()]
    else:
        positional = [item for item in command.params if item.param_type_name == "argument"]
        if not positional:
            return [name for name in [*options, "--help"] if not incomplete]
        pairs = pairwise(["", *arguments])
        typed = [text for before, text in pairs if text[:1] != "-" and before not in with_value]
        parameter = positional[min(len(typed), len(positional) - 1)]
    # Completion of runs depends on options before the cursor, such as --uri.
    context = command.make_context(command.name, complete_arguments, resilient_parsing=True)
    items = parameter.shell_complete(context, incomplete)
    return [item.value for item in items if item.type == "plain"]
