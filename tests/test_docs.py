"""The documentation: its commands and links exist, its reference is complete, and it builds."""

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

from mnistexp.cli import COMMAND_NAMES
from mnistexp.config.compose import compose_config
from mnistexp.config.config import Config
from mnistexp.config.config_groups import list_groups

CHECKOUT = Path(__file__).parent.parent
DOCS = CHECKOUT / "docs"
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
RECIPE_FILES = {
    "# Two layers, wider": "experiments/user/wide.yaml",
    "# One convolution and": "conf/model/tiny_conv.yaml",
    "# Lines at ten heights": "conf/data/lines.yaml",
}
"""The paths of the YAML files in recipes.md, by the beginning of their first comment."""


@pytest.fixture(scope="module")
def reference() -> Any:
    """The module docs/reference.py."""
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def documented_commands() -> Iterator[tuple[str, list[str]]]:
    """Yield page and arguments of each mnistexp command in a shell block."""
    for page in PAGES:
        for block in code_blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                arguments = shlex.split(line, comments=True)
                if arguments[:1] == ["mnistexp"] and "…" not in line:
                    yield page.name, arguments[1:]


COMMANDS = list(documented_commands())


def first_job(overrides: list[str]) -> list[str]:
    """Return the overrides of the first job of a sweep, without intervals and globs."""
    job = []
    for override in OverridesParser.create().parse_overrides(overrides):
        if override.value_type == ValueType.SIMPLE_CHOICE_SWEEP:
            job.append(f"{override.key_or_group}={next(override.sweep_string_iterator())}")
        elif not override.is_sweep_override():
            job.append(str(override.input_line))
    return job


@pytest.fixture(scope="module")
def recipe_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the files that recipes.md shows."""
    folder = tmp_path_factory.mktemp("recipes")
    yaml_blocks = code_blocks(DOCS / "recipes.md", "yaml")
    for first_comment, path in RECIPE_FILES.items():
        (text,) = [block for block in yaml_blocks if first_comment in block]
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    subprocess.run([sys.executable, DOCS / "write_data.py"], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    ("page", "arguments"),
    COMMANDS,
    ids=[f"{page}: {' '.join(arguments)}" for page, arguments in COMMANDS],
)
def test_a_documented_command_is_valid(
    mnistexp: Command,
    recipe_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(recipe_folder)
    if arguments[:1] and arguments[0] in COMMAND_NAMES:
        help_text = mnistexp(arguments[0], "--help").out
        assert all(argument in help_text for argument in arguments if argument.startswith("--"))
        return
    if "--help" in arguments:
        return
    options = [argument for argument in arguments if argument.startswith("-")]
    assert set(options) <= {"-m", "--cfg"}
    overrides = [argument for argument in arguments if "=" in argument]
    hydra_overrides = [override for override in overrides if override.startswith("hydra")]
    for override in hydra_overrides:
        group, _, option = override.partition("=")
        assert "." in group or option in list_groups()[group]
    overrides = [override for override in overrides if override not in hydra_overrides]
    compose_config(first_job(overrides) if "-m" in arguments else overrides)


def test_the_documented_commands_are_found() -> None:
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_links_to_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text())
    files = [target for target in targets if not re.match(r"https?:|reference/", target)]
    assert [target for target in files if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_source_files_that_a_page_names_exist(page: Path) -> None:
    paths = re.findall(r"`((?:src|tests|conf|docs|benchmarks)/[\w./]+)`", page.read_text())
    real_paths = [
        path for path in paths if "NAME" not in path and path not in RECIPE_FILES.values()
    ]
    assert [path for path in real_paths if not (CHECKOUT / path).exists()] == []


def test_the_files_of_the_recipes_run(
    mnistexp: Command, recipe_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe_folder)
    outcome = mnistexp("data=lines", "model=tiny_conv", "train.steps=20", "tracking=none")
    assert outcome.exit_code == 0, outcome.err
    assert "test accuracy" in outcome.out


def test_the_reference_contains_every_setting(reference: Any) -> None:
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
    "text",
    [
        "| `train.batch_size` | integer > 0, ≤ 100,000 | `100` | ",
        "| `train.log_every` | integer, string | `100 steps` | ",
        "| `train.shuffle` | `every_epoch`, `once`, `never` | `every_epoch` | ",
        "| `optim.decay.decay_steps` | number > 0 | required | ",
        "| `model.layers.NAME.rate` | number ≥ 0, < 1 | required | ",
        "| `model.layers.NAME.strides` | integer > 0, `[`integer > 0, ",
        "| `device` | [section](#section-deviceconfig) | [set by the option](choices.md#device) | ",
        "## `optim` of type `adam`\n",
        "## `optim.decay` of type `cosine`\n",
    ],
)
def test_the_reference_shows_type_range_and_default(reference: Any, text: str) -> None:
    assert text in reference.settings_page()


def test_the_reference_contains_every_command_and_option(reference: Any, mnistexp: Command) -> None:
    page = reference.commands_page()
    for command in COMMAND_NAMES:
        (section,) = re.findall(rf"\n## `mnistexp {command}`\n(.*?)(?=\n## |\Z)", page, re.DOTALL)
        options = set(re.findall(r"--[a-z-]+", mnistexp(command, "--help").out)) - {"--help"}
        assert options <= set(re.findall(r"--[a-z-]+", section))
    described = {name for names in reference.HYDRA_OPTIONS for name in names.split(", ")}
    assert described == reference.known_options()


def test_the_reference_describes_every_option_of_every_group(reference: Any) -> None:
    page = reference.choices_page()
    for group, options in list_groups().items():
        for option in options:
            assert re.search(rf"^\| `{group}={option}` \| \S", page, re.MULTILINE), option


def test_the_reference_is_the_same_in_every_build(reference: Any) -> None:
    for page in (reference.settings_page, reference.commands_page, reference.choices_page):
        assert page() == page()
