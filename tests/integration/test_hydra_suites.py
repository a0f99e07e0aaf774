"""Hydra's own test suites for launchers and sweepers, run on our presets and our grid sweeper.

Not tested: `slurm`, which needs a cluster, and the search, which runs no other programs.
"""

from collections.abc import Iterator

import pytest
from hydra.core.singleton import Singleton
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from hydra.version import VersionBase

from mnistexp.config.config_groups import package_folder

pytestmark = [
    pytest.mark.integration,
    # Hydra's suites use behavior that later versions of Hydra change.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def restored_hydra_state() -> Iterator[None]:
    """Give the suites a Hydra without a version, and restore our plugins after them."""
    instances = dict(Singleton._instances)
    Singleton._instances = {kind: one for kind, one in instances.items() if kind is not VersionBase}
    yield
    Singleton._instances = instances


OUR_CONF = [f"hydra.searchpath=[file://{package_folder('conf')}]"]


@pytest.mark.parametrize("launcher_name", ["processes", "slurm_local", "ray_cluster"])
@pytest.mark.parametrize("overrides", [OUR_CONF])
class TestLauncherPresets(LauncherTestSuite):
    """Each preset runs the jobs of any program."""


@pytest.mark.parametrize("launcher_name", ["basic", "processes"])
@pytest.mark.parametrize("overrides", [[*OUR_CONF, "hydra/sweeper=grid"]])
class TestGridSweeper(LauncherTestSuite):
    """The grid sweeper runs the jobs of any program, like Hydra's basic sweeper."""


@pytest.mark.parametrize("launcher_name", ["basic"])
@pytest.mark.parametrize(
    "overrides", [[*OUR_CONF, "hydra/sweeper=grid", "hydra.sweeper.max_batch_size=2"]]
)
class TestGridSweeperInBatches(BatchedSweeperTestSuite):
    """The grid sweeper launches `max_batch_size` jobs of another program at a time."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", "hydra/launcher=processes", "hydra/sweeper=grid", *OUR_CONF])],
)
class TestIntegration(IntegrationTestSuite):
    """Names, folders and working directories of the jobs of a program in a new process."""


def test_every_launcher_preset_is_known_to_these_tests() -> None:
    names = {file.stem for file in (package_folder("conf") / "hydra" / "launcher").glob("*.yaml")}
    assert names == {"processes", "slurm", "slurm_local", "ray_cluster"}
