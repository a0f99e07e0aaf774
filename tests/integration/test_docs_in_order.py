"""Every command of the pages, typed in the order of reading, in a folder that is empty at first."""

import os
import re
import runpy
import shlex
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from photographs import generate_photographs
from support import Command, start_command

from mnistexp.cli import COMMAND_NAMES
from mnistexp.data import DataConfig, load_data

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
READING_ORDER = ["start", "lab", "recipes", "models", "dashboard", "faq", "scaling"]
PAGES = [CHECKOUT / "README.md", *(DOCS / f"{name}.md" for name in READING_ORDER)]
SHORT = ["data.train_size=2000", "data.test_slice=[0,1000]", "train.epochs=null", "train.steps=20"]
"""Added to a command that trains, so that it takes a second."""
SERVERS = {"ui", "watch", "draw", "serve"}
"""Commands that run until Ctrl-C."""
NEEDS_A_CLUSTER = {"hydra/launcher=slurm", "hydra/launcher=ray_cluster"}
TOO_LONG = {("verify", "lab"), ("verify", "record")}
"""Commands that train for many minutes, by their first words."""
THRESHOLD = "accuracy > 0.98"
"""No short training exceeds it."""
EXIT_CODES: dict[tuple[str, ...], int] = {("failure_modes=naive_cross_entropy",): 1}
"""Commands whose page says that they fail."""
PLACEHOLDER = re.compile(r"(?<![\w=])(RUN|NAME|FOLDER|FILE|HOST|GROUP)\b|…")
"""A word that the reader replaces."""


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the language and the text of each block, and of each included script, in order."""
    text = page.read_text()
    for match in re.finditer(r"```(\{literalinclude\} \S+|\w+)\n(.*?)```", text, re.DOTALL):
        language, block = match.groups()
        if language == "yaml":
            before = text[: match.start()].rstrip().rsplit("\n\n", 1)[-1]
            after = text[match.end() :].lstrip().split("\n\n", 1)[0]
            saved = re.search(r"`([\w/]+/\w+\.yaml)`:$", before)
            saved = saved or re.match(r"Save it as `([\w/]+\.yaml)`", after)
            if saved:
                yield f"save {saved[1]}", block
        else:
            yield language, block


def shell_commands(block: str) -> list[list[str]]:
    lines = block.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if not PLACEHOLDER.search(line)]


def shorten(arguments: list[str]) -> list[str]:
    """Return the arguments of a training that takes a second, with the files that exist here."""
    fashion = "data=fashion_mnist" in arguments and "data.directory=" not in " ".join(arguments)
    folder = ["data.directory=/usr/share/datasets/fashion-mnist"] if fashion else []
    if "--help" in arguments or (arguments and arguments[0] in COMMAND_NAMES):
        return [text.replace(THRESHOLD, "accuracy > 0.1") for text in [*arguments, *folder]]
    trials = ["hydra.sweeper.n_trials=2"] if "hydra/sweeper=optuna" in arguments else []
    return [*arguments, *folder, *trials, *SHORT]


def problem_of_server(folder: Path, arguments: list[str]) -> str | None:
    """Start a server, wait for its address, and stop it with Ctrl-C."""
    process = start_command(folder, *arguments)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "http://" in line:
            break
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    return None if "http://" in "".join(lines[-1:]) else "".join(lines) + errors


def problem_of_command(mnistexp: Command, folder: Path, arguments: list[str]) -> str | None:
    """Run a command, and return its output if it does not end as the page says."""
    if tuple(arguments[:2]) in TOO_LONG or NEEDS_A_CLUSTER & set(arguments):
        return None
    if arguments[:1] and arguments[0] in SERVERS and "--save" not in arguments:
        return problem_of_server(folder, arguments)
    expected = EXIT_CODES.get(tuple(arguments), 0)
    # A training that diverges is short by itself.
    outcome = mnistexp(*(arguments if expected else shorten(arguments)))
    return None if outcome.exit_code == expected else outcome.out[-500:] + outcome.err[-1000:]


def run_python(run: Callable[[], object]) -> str | None:
    try:
        run()
    except Exception:
        return traceback.format_exc()
    return None


def steps(
    mnistexp: Command, folder: Path, language: str, block: str
) -> Iterator[tuple[str, Callable[[], str | None]]]:
    """Yield what a reader does with a block: its text, and a function that returns a problem."""
    if language.startswith("save "):
        file = folder / language.removeprefix("save ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block)
    elif language.startswith("{literalinclude}"):
        script = DOCS / language.split()[1]
        yield f"python {script.name}", lambda: run_python(lambda: runpy.run_path(str(script)))
    elif language == "python":
        yield block, lambda: run_python(lambda: exec(compile(block, "<block>", "exec"), {}))
    elif language == "sh":
        for words in shell_commands(block):
            if words[:1] == ["export"] and words[1].startswith("MLFLOW_TRACKING_URI=sqlite"):
                os.environ["MLFLOW_TRACKING_URI"] = words[1].partition("=")[2]
            if words[:1] == ["mnistexp"]:
                run = partial(problem_of_command, mnistexp, folder, words[1:])
                yield f"$ {shlex.join(words)}", run
        os.environ.pop("MLFLOW_TRACKING_URI", None)


def write_photographs(folder: Path) -> None:
    """Write the pictures that the pages expect from the reader: photo.jpg and scan.jpg."""
    for name, photograph in zip(
        ["photo.jpg", "scan.jpg"],
        generate_photographs(load_data(DataConfig(name="mnist")).test, 2, seed=1),
        strict=True,
    ):
        (folder / name).write_bytes(photograph.jpeg)


def test_every_command_of_the_pages_works_in_the_order_of_reading(
    mnistexp: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SHELL", "/bin/bash")
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_photographs(folder)
    problems = []
    for page in PAGES:
        for language, block in blocks(page):
            for text, find_problem in steps(mnistexp, folder, language, block):
                start = time.monotonic()
                problem = find_problem()
                with capfd.disabled():  # With -s, it shows how far it came.
                    print(f"{time.monotonic() - start:4.0f} s  {page.name}: {text}", flush=True)
                    if problem is not None:
                        print(problem, flush=True)
                if problem is not None:
                    problems.append(f"{page.name}: {text}\n{problem}")
    assert problems == []
