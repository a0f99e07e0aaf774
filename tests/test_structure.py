"""The shape of the code: arrows only point down, and nothing heavy is loaded early."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mnistexp

PACKAGE = Path(mnistexp.__file__).parent
TESTS = Path(__file__).parent
LAYERS = [
    ["__main__", "__init__"],
    ["cli"],
    ["commands"],
    ["api"],
    ["diagnostics"],
    ["verification"],
    ["sweeps"],
    ["experiment"],
    ["inference"],
    ["analysis"],
    ["learner"],
    ["config"],
    ["dashboard"],
    ["model", "optim", "data", "device", "train", "tracking"],
    ["local_server"],
    ["schema"],
    ["errors", "signals", "version"],
]
"""A module imports only from layers below its own."""
SECTIONS = ("model", "optim", "data", "device", "train", "tracking", "dashboard")

HEAVY = {"tensorflow", "keras", "mlflow", "pandas", "sklearn", "scipy", "matplotlib", "plotly"}
LOADED_WHEN_USED = {
    "dashboard/notebook.py",
    "train/callbacks.py",
    "train/compiled_trainer.py",
    "train/layer_statistics.py",
    "train/progress.py",
    "train/snapshot_callback.py",
    "train/tensorboard.py",
    "optim/schedules.py",
}
"""Modules that stand on Keras from top to bottom; others import them inside functions."""


def topic(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


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
def test_a_module_imports_only_from_layers_below(path: Path) -> None:
    for name in imported(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] != "mnistexp":
            continue
        other = parts[1] if len(parts) > 1 else "__init__"
        if other != topic(path):
            assert layer(other) > layer(topic(path)), f"{path.name} imports {name}"


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
        (["completion", "--shell", "bash", "--complete", "mnistexp model.layers."], 0),
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


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_a_conf_group_a_package_and_a_test_folder_of_one_name(section: str) -> None:
    from mnistexp.config.config_groups import package_folder

    assert (package_folder("conf") / section).is_dir()
    assert (PACKAGE / section).is_dir()
    assert (TESTS / section).is_dir()


def test_every_test_folder_mirrors_a_package() -> None:
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and path.name[0] not in "_."}
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders - {"integration"} <= packages


def test_there_are_few_modules_at_the_top() -> None:
    modules = [path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]
    assert len(modules) <= 8


def imports_within(folder: Path) -> dict[str, set[str]]:
    """The modules of a package that each of its modules imports, also inside functions."""
    prefix = ".".join(["mnistexp", *folder.relative_to(PACKAGE).parts])
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    graph = {}
    for name in names:
        tree = ast.parse((folder / f"{name}.py").read_text())
        found = {module.removeprefix(f"{prefix}.").split(".")[0] for module in imported(tree)}
        graph[name] = found & names - {name}
    return graph


@pytest.mark.parametrize(
    "folder",
    sorted({path.parent for path in MODULES}),
    ids=lambda folder: str(folder.relative_to(PACKAGE)),
)
def test_no_modules_of_a_package_import_each_other_in_a_circle(folder: Path) -> None:
    if folder.name == "dashboard":
        pytest.xfail("recorded_run and panels import each other until the panels are reworked")
    sorter = TopologicalSorter(imports_within(folder))
    sorter.prepare()  # Raises CycleError with the circle.
