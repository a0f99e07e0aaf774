"""`mnistexp completion`: the shell completes commands, options, groups and settings."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mnistexp.errors import InputError

Shell = Literal["bash", "zsh", "fish"]

# Readline replaces only what stands behind the last = or :, so the answer for bash begins there.
# Spaces are part of the answers, since `model=` is to be gone on with.
SCRIPTS: dict[Shell, str] = {
    "bash": """\
_mnistexp() {
    mapfile -t COMPREPLY < <(
        "$1" completion --shell bash --answer "${COMP_LINE:0:COMP_POINT}" 2>/dev/null
    )
}
complete -o default -o nospace -F _mnistexp mnistexp
""",
    "zsh": """\
_mnistexp() {
    local line="${(j: :)${(@q)words[1,CURRENT-1]}} $PREFIX"
    local -a found=("${(@f)$("${words[1]}" completion --shell zsh --answer "$line" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -Q -S '' -- "${found[@]}"; else _files; fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _mnistexp mnistexp
""",
    "fish": """\
function __mnistexp
    set -l line (commandline -cp)
    mnistexp completion --shell fish --answer "$line" 2>/dev/null
end
complete -c mnistexp -f -a '(__mnistexp)'
complete -c mnistexp -n 'test -z "$(__mnistexp)"' -F
""",
}


def completion(
    ctx: typer.Context,
    install: Annotated[
        bool, typer.Option("--install", help="Set it up for all new shells of yours.")
    ] = False,
    shell: Annotated[
        Shell | None, typer.Option(help="Default: the one that this is typed in.")
    ] = None,
    answer: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Let the shell complete commands, options, groups and settings with the Tab key.

    Without --install the script is printed, for eval "$(mnistexp completion)".
    """
    chosen = shell or _detect()
    if answer is not None:
        for word in _answers(ctx.find_root().command, answer, chosen):
            typer.echo(word)
    elif install:
        _install(chosen)
    else:
        typer.echo(SCRIPTS[chosen], nl=False)


def _detect() -> Shell:
    import shellingham

    try:
        name = shellingham.detect_shell()[0]
    except shellingham.ShellDetectionFailure:
        name = Path(os.environ.get("SHELL", "none")).name
    for shell in SCRIPTS:
        if name == shell:
            return shell
    raise InputError(
        f"--shell: expected bash, zsh or fish to be the shell that this is typed in. "
        f"Received: {name}. Name it with --shell"
    )


def _install(shell: Shell) -> None:
    """Write the script, and have the shell's own file of settings read it, once."""
    home = Path.home()
    if shell == "fish":
        configs = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        script = configs / "fish" / "completions" / "mnistexp.fish"  # fish reads it by itself.
        settings = None
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        script = data / "mnistexp" / f"completion.{shell}"
        zsh_home = Path(os.environ.get("ZDOTDIR") or home)
        settings = home / ".bashrc" if shell == "bash" else zsh_home / ".zshrc"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(SCRIPTS[shell])
    typer.echo(f"{script}: written")
    line = f"source {shlex.quote(str(script))}"
    if settings is not None:
        present = settings.read_text() if settings.is_file() else ""
        if line not in present.splitlines():
            separator = "" if not present or present.endswith("\n") else "\n"
            settings.write_text(f"{present}{separator}{line}\n")
        typer.echo(f"{settings}: {line}")
    typer.echo("New shells complete mnistexp with Tab.")


def _answers(root: Any, line: str, shell: Shell) -> list[str]:
    """What the last word of a line may become, in the form that a shell takes.

    Args:
        root: the group of all commands.
        line: what is typed, up to the cursor.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        return []  # Within a quote.
    begun = words.pop() if line[-1:].strip() else ""
    found = _candidates(root, words[1:], begun)
    if shell == "fish":
        return found
    known = max(begun.rfind("="), begun.rfind(":")) + 1 if shell == "bash" else 0
    return [word[known:] + ("" if word[-1] in "=." else " ") for word in found]


def _candidates(root: Any, words: Sequence[str], begun: str) -> list[str]:
    command = root.commands.get(words[0]) if words else None
    if command is not None:
        return _of_command(command, words[1:], begun)
    from mnistexp.config.completion import complete_override

    if begun.startswith("-"):
        from mnistexp.commands.run import OPTIONS, OPTIONS_WITH_VALUE

        options = {*OPTIONS, *OPTIONS_WITH_VALUE, "--help", "--version"}
        return sorted(option for option in options if option.startswith(begun))
    if words and words[-1] in ("--cfg", "-c"):
        return [kind for kind in ("job", "hydra", "all") if kind.startswith(begun)]
    visible = [name for name, command in root.commands.items() if not command.hidden]
    names = [name for name in visible if not words and name.startswith(begun)]
    return [*names, *complete_override(words, begun)]


def _of_command(command: Any, words: Sequence[str], begun: str) -> list[str]:
    """Options of a command, or values of the option or argument that is due."""
    options = {
        name: parameter
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.hidden
        for name in parameter.opts
    }
    if begun.startswith("-"):
        return [name for name in [*options, "--help"] if name.startswith(begun)]
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    due = options.get(words[-1]) if words else None
    if due is None or due.is_flag:
        if not arguments:
            return [name for name in [*options, "--help"] if not begun]
        due = arguments[-1]
    context = command.make_context(command.name, [], resilient_parsing=True)
    return [item.value for item in due.shell_complete(context, begun) if item.type == "plain"]
