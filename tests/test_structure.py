"""The layout of the code: layers, import circles, early imports, private API, declared packages."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

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
    ["runs"],
    ["learner"],
    ["config"],
    ["dashboard"],
    ["augmentation", "model", "optim", "data", "device", "train", "tracking"],
    ["activity", "local_server", "tables"],
    ["schema"],
    ["errors", "file_writing", "layer_graph", "signals", "version"],
]
"""From top to bottom. A module imports only from layers below its own."""
SECTIONS = ("augmentation", "model", "optim", "data", "device", "train", "tracking", "dashboard")

HEAVY = {"tensorflow", "keras", "mlflow", "pandas", "sklearn", "scipy", "matplotlib", "plotly"}
KERAS_MODULES = {
    "augmentation/transforms.py",
    "dashboard/figure.py",
    "dashboard/panels.py",
    "train/callbacks.py",
    "train/checkpoint_callback.py",
    "train/compiled_trainer.py",
    "train/cpu_layers.py",
    "train/divergence.py",
    "train/layer_statistics.py",
    "train/momentum_warmup.py",
    "train/network_copy.py",
    "train/losses.py",
    "train/progress.py",
    "train/snapshot_callback.py",
    "train/tensorboard.py",
    "train/xla_layers.py",
    "optim/schedules.py",
}
"""Modules that import heavy packages at the top. Others import these modules inside functions."""


def top_name(path: Path) -> str:
    """The name of the module or package at the top of mnistexp that contains a file."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


def imported_modules(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


def module_id(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_a_module_imports_only_from_layers_below(path: Path) -> None:
    for name in imported_modules(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] != "mnistexp":
            continue
        other = parts[1] if len(parts) > 1 else "__init__"
        if other != top_name(path):
            assert layer(other) > layer(top_name(path)), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    if module_id(path) in KERAS_MODULES:
        return
    top = [node for node in ast.parse(path.read_text()).body if not isinstance(node, ast.If)]
    early = {
        name.split(".")[0]
        for node in top
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported_modules(node)
    }
    assert not early & HEAVY


COMMAND_SCRIPT = """
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
def test_help_and_wrong_input_load_no_heavy_package(
    arguments: list[str], exit_code: int, tmp_path: Path
) -> None:
    code = COMMAND_SCRIPT.format(arguments=arguments, heavy=HEAVY)
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert process.returncode == exit_code, process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_a_conf_group_a_package_and_a_test_folder_of_the_same_name(
    section: str,
) -> None:
    from mnistexp.config.config_groups import package_folder

    assert (package_folder("conf") / section).is_dir()
    assert (PACKAGE / section).is_dir()
    assert (TESTS / section).is_dir()


def test_every_test_folder_mirrors_a_package() -> None:
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and path.name[0] not in "_."}
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders - {"integration", "torture"} <= packages


def test_there_are_few_modules_at_the_top() -> None:
    modules = [path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]
    assert len(modules) <= 11


def imports_within(folder: Path) -> dict[str, set[str]]:
    """Which modules of a package each of its modules imports, also inside functions."""
    prefix = ".".join(["mnistexp", *folder.relative_to(PACKAGE).parts])
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    graph = {}
    for name in names:
        tree = ast.parse((folder / f"{name}.py").read_text())
        found = {
            module.removeprefix(f"{prefix}.").split(".")[0] for module in imported_modules(tree)
        }
        graph[name] = found & names - {name}
    return graph


@pytest.mark.parametrize(
    "folder",
    sorted({path.parent for path in MODULES}),
    ids=module_id,
)
def test_no_modules_of_a_package_import_each_other_in_a_circle(folder: Path) -> None:
    sorter = TopologicalSorter(imports_within(folder))
    sorter.prepare()  # Raises CycleError with the circle.


PRIVATE_NAME = re.compile(r"(^|\.)_(?!_)")
UNDOCUMENTED_MODULES = ("tensorflow.python",)
OWN_PACKAGES = ("mnistexp", "hydra_plugins")
SOURCES = [
    path for package in OWN_PACKAGES for path in sorted((PACKAGE.parent / package).rglob("*.py"))
]


def private_api(tree: ast.AST) -> Iterator[str]:
    """Private modules that are imported, and private attributes of anything but self and cls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            names = [f"{module}.{a.name}" if module else a.name for a in node.names]
            external = [name for name in names if not name.startswith(OWN_PACKAGES)]
            yield from (
                name
                for name in external
                if PRIVATE_NAME.search(name) or name.startswith(UNDOCUMENTED_MODULES)
            )
        elif isinstance(node, ast.Attribute) and PRIVATE_NAME.match(node.attr):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if owner not in ("self", "cls"):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_private_api_is_used_in_private_modules_only(path: Path) -> None:
    """A module named `*_private.py` contains all private API of one library, with a test of it."""
    if not path.stem.endswith("_private"):
        found = list(private_api(ast.parse(path.read_text())))
        assert not found, f"{path.name}: use public API, or move this to a *_private.py: {found}"


def test_no_module_is_named_utils_or_helpers() -> None:
    names = {part for path in SOURCES for part in path.with_suffix("").parts}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc"}


def test_every_imported_package_is_declared_in_pyproject() -> None:
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    declared = {distribution_name(line) for line in [*project["dependencies"], *extras]}
    distributions = packages_distributions()
    imported = {
        name.split(".")[0]
        for path in SOURCES
        for name in imported_modules(ast.parse(path.read_text()))
    }
    external = imported - {*sys.stdlib_module_names, *OWN_PACKAGES}
    undeclared = {
        name
        for name in external
        if not declared & {distribution_name(found) for found in distributions.get(name, [name])}
    }
    assert not undeclared


def distribution_name(requirement: str) -> str:
    """The normalized name of a distribution, without version and extras."""
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def test_the_pinned_versions_can_be_installed_on_the_oldest_python() -> None:
    """With one that needs 3.11.5, `make run` fails on Debian 12, whose Python is 3.11.2."""
    pinned = dict(
        line.split("==")
        for line in (TESTS.parent / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    too_new = [
        f"{found.name}=={found.version}: {needed}"
        for found in distributions()
        if pinned.get(distribution_name(found.name)) == found.version
        and "Requires-Python" in found.metadata
        and (needed := found.metadata["Requires-Python"])
        and not SpecifierSet(needed).contains("3.11.0")
    ]
    assert not too_new


def test_integration_and_soak_tests_are_in_their_own_folder() -> None:
    mark = re.compile(r"pytest[.]mark[.](integration|soak)")
    marked = {path for path in TESTS.rglob("test_*.py") if mark.search(path.read_text())}
    assert marked == set((TESTS / "integration").glob("test_*.py"))
