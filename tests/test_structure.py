"""The shape of the code: arrows only point down, and nothing heavy is loaded early."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mnistexp

PACKAGE = Path(mnistexp.__file__).parent
ROWS = [
    ["__main__", "__init__"],
    ["cli"],
    ["commands"],
    ["results", "report"],
    ["verification", "sweeper", "checkup", "drawing", "scoring"],
    ["api", "trained", "assessment", "recognition"],
    ["experiment"],
    ["figures", "comparison"],
    [
        *("learner", "evaluation", "compose", "study", "runs", "description"),
        "observation",
        *("completion", "file_schema"),
    ],
    ["config"],
    ["dashboard"],
    ["model", "optim", "data", "device", "train", "tracking", "sweep"],
    ["environment", "explain", "expectation", "picture", "preparation", "server"],
    ["schema", "groups"],
    ["errors", "version", "interruption"],
]
"""A module imports only from rows below its own."""

HEAVY = {"tensorflow", "keras", "mlflow", "pandas", "sklearn", "scipy", "matplotlib", "plotly"}
LOADED_WHEN_USED = {
    "dashboard/notebook.py",
    "train/callbacks.py",
    "train/compiled.py",
    "train/probe.py",
    "train/progress.py",
    "train/summaries.py",
    "train/watching.py",
    "optim/schedules.py",
}
"""Modules that stand on Keras from top to bottom; others import them inside functions."""


def topic(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def row(name: str) -> int:
    return next(number for number, names in enumerate(ROWS) if name in names)


def imported(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rows_below(path: Path) -> None:
    for name in imported(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] != "mnistexp":
            continue
        other = parts[1] if len(parts) > 1 else "__init__"
        if other != topic(path):
            assert row(other) > row(topic(path)), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    if str(path.relative_to(PACKAGE)) in LOADED_WHEN_USED:
        return
    top = [node for node in ast.parse(path.read_text()).body if not isinstance(node, ast.If)]
    at_once = {
        name.split(".")[0]
        for node in top
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(node)
    }
    assert not at_once & HEAVY


WATCH = """
import sys
sys.argv = ["mnistexp", *{arguments}]
from mnistexp.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
loaded = {heavy} & set(sys.modules)
assert not loaded, loaded
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["ui", "--help"], 0),
        (["watch", "--help"], 0),
        (["watch", "/nowhere"], 2),
        (["watch"], 2),
        (["schema"], 0),
        (["schema", "experiment"], 0),
        (["completion", "--shell", "bash", "--answer", "mnistexp model.layers."], 0),
        (["model=conv_bg"], 2),
        (["train.epoch=3"], 2),
        (["dashboard=liv"], 2),
        (["data.validation_size=60000"], 2),
        (["data.directory=/nowhere"], 2),
        (["tracking.uri=http://127.0.0.1:9"], 2),
        (["device=gpu", "device.index=99"], 2),
        (["predict", "best", "gone.png"], 2),
        (["evaluate", "best", "train.epochs=3"], 2),
        (["draw", "--help"], 0),
        (["serve", "--help"], 0),
        (["promote", "best", "--name", "a/b"], 2),
    ],
)
def test_help_and_wrong_input_load_nothing_heavy(
    arguments: list[str], exit_code: int, tmp_path: Path
) -> None:
    code = WATCH.format(arguments=arguments, heavy=HEAVY)
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert process.returncode == exit_code, process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    "group", ["model", "optim", "data", "device", "train", "tracking", "dashboard"]
)
def test_one_word_three_places(group: str) -> None:
    """A group of configs, a module and a test share a name."""
    from mnistexp.groups import shipped

    assert (shipped("conf") / group).is_dir()
    assert (PACKAGE / group).is_dir() or (PACKAGE / f"{group}.py").is_file()
    assert (Path(__file__).parent / f"test_{group}.py").is_file()
