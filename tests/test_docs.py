"""The documentation: its commands are ones that exist, its reference is whole, and it builds."""

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ValueType
from support import Command

from mnistexp.cli import command_names
from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config
from mnistexp.config.config_groups import list_groups

CHECKOUT = Path(__file__).parent.parent
DOCS = CHECKOUT / "docs"
PAGES = [CHECKOUT / "README.md", *sorted(DOCS.glob("*.md"))]
FILES = {
    "# Two layers, wider": "experiments/user/wide.yaml",
    "# One convolution and": "mine/model/tiny_conv.yaml",
    "# Lines at ten heights": "mine/data/lines.yaml",
}
"""The files that the recipes write, by a line that they hold."""


@pytest.fixture(scope="module")
def reference() -> Any:
    """The script that writes the reference."""
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each call of mnistexp in a shell block, by its page."""
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["mnistexp"] and "…" not in line:
                    yield page.name, words[1:]


CALLS = list(commands())


def first_values(overrides: list[str]) -> list[str]:
    """The first job of a sweep. What is drawn from an interval or a glob is left out."""
    chosen = []
    for override in OverridesParser.create().parse_overrides(overrides):
        if override.value_type == ValueType.SIMPLE_CHOICE_SWEEP:
            chosen.append(f"{override.key_or_group}={next(override.sweep_string_iterator())}")
        elif not override.is_sweep_override():
            chosen.append(str(override.input_line))
    return chosen


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the files of the recipes, as they stand there."""
    folder = tmp_path_factory.mktemp("recipes")
    written = [block for block in blocks(DOCS / "recipes.md", "yaml") if len(block) > 80]
    for start, name in FILES.items():
        (text,) = [block for block in written if start in block]
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    subprocess.run([sys.executable, DOCS / "write_idx.py"], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    ("page", "words"), CALLS, ids=[f"{page}: {' '.join(words)}" for page, words in CALLS]
)
def test_a_command_of_the_documentation_is_one(
    mnistexp: Command,
    recipes: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    words: list[str],
) -> None:
    monkeypatch.chdir(recipes)
    if words[:1] and words[0] in command_names():
        shown = mnistexp(words[0], "--help").out
        assert all(word in shown for word in words if word.startswith("--"))
        return
    if "--help" in words:
        return
    options = [word for word in words if word.startswith("-")]
    assert set(options) <= {"-m", "--cfg", "--config-dir"}
    if "--config-dir" in words:
        assert mnistexp(*words, "--cfg", "job").exit_code == 0
        return
    settings = [word for word in words if "=" in word]
    hydras = [word for word in settings if word.startswith("hydra")]
    for word in hydras:
        group, _, option = word.partition("=")
        assert "." in group or option in list_groups()[group]
    own = [word for word in settings if word not in hydras]
    compose_config(first_values(own) if "-m" in words else own)


def test_there_are_commands_to_check() -> None:
    assert len(CALLS) > 40


def test_the_files_of_the_recipes_run(
    mnistexp: Command, recipes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipes)
    outcome = mnistexp(
        "--config-dir", "mine", "data=lines", "model=tiny_conv", "train.steps=20", "tracking=none"
    )
    assert outcome.exit_code == 0, outcome.err
    assert "test accuracy" in outcome.out


def test_every_setting_is_in_the_reference(reference: Any) -> None:
    page = reference.settings_page()
    sections = dict(re.findall(r"\n\(section-(\w+)\)=\n(.*?)(?=\n\(section-|\Z)", page, re.DOTALL))
    definitions = Config.model_json_schema()["$defs"]
    assert set(sections) == {name.lower() for name in definitions}
    for name, definition in definitions.items():
        rows = re.findall(r"^\| `\S+?\.?(\w+)` \|", sections[name.lower()], re.MULTILINE)
        assert rows == list(definition["properties"]), name
    for name in Config.model_fields:
        assert f"\n| `{name}` |" in page


@pytest.mark.parametrize(
    "row",
    [
        "| `train.batch_size` | whole number > 0, ≤ 100,000 | `100` | Images per step. ",
        "| `train.log_every` | whole number, text | `100 steps` | Cadence of the training ",
        "| `train.shuffle` | `every_epoch`, `once`, `never` | `every_epoch` | ",
        "| `optim.decay.decay_steps` | number > 0 | must be given | Steps until the distance",
        "| `model.layers.NAME.rate` | number ≥ 0, < 1 | must be given | The share that is dropped",
        "| `model.layers.NAME.strides` | whole number > 0, `[`whole number > 0, ",
        "| `device` | [section](#section-deviceconfig) | [the option's](choices.md#device) | ",
        "## `optim` of type `adam`\n",
        "## `optim.decay` of type `cosine`\n",
    ],
)
def test_a_row_of_the_reference(reference: Any, row: str) -> None:
    assert row in reference.settings_page()


def test_every_command_and_option_is_in_the_reference(reference: Any, mnistexp: Command) -> None:
    page = reference.commands_page()
    for command in command_names():
        (section,) = re.findall(rf"\n## `mnistexp {command}`\n(.*?)(?=\n## |\Z)", page, re.DOTALL)
        options = set(re.findall(r"--[a-z-]+", mnistexp(command, "--help").out)) - {"--help"}
        assert options <= set(re.findall(r"--[a-z-]+", section))
    described = {name for names in reference.HYDRA_OPTIONS for name in names.split(", ")}
    assert described == reference.known_options()


def test_every_option_of_every_group_is_in_the_reference(reference: Any) -> None:
    page = reference.choices_page()
    for group, options in list_groups().items():
        for option in options:
            assert re.search(rf"^\| `{group}={option}` \| \S", page, re.MULTILINE), option


def test_the_reference_is_the_same_every_time(reference: Any) -> None:
    for page in (reference.settings_page, reference.commands_page, reference.choices_page):
        assert page() == page()


@pytest.mark.integration
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    html = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(html)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    for page in [*DOCS.glob("*.md"), *DOCS.glob("*.ipynb")]:
        assert (html / page.name).with_suffix(".html").is_file()
    assert 'href="#section-dense"' in (html / "reference" / "settings.html").read_text()
    assert "Results of the experiments" in (html / "index.html").read_text()


@pytest.mark.integration
def test_the_notebook_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook: Any = nbformat.reads((DOCS / "notebook.ipynb").read_text(), as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    printed = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("test_accuracy" in str(output) for output in printed)
    assert (tmp_path / "mlflow.db").is_file()
