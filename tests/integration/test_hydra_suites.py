"""Hydra's own suites for launchers and sweepers, on our presets and our sweeper.

Of the launchers, the preset through which nothing is ever tested at home, `slurm`, is left out; of
the sweeper, what is said of batches, since a grid is never cut into batches here. The search is
no sweeper for the tasks of other programs, which the suites bring.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hydra.core.singleton import Singleton
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.version import VersionBase

from mnistexp.config.config_groups import package_folder

pytestmark = [
    pytest.mark.integration,
    # Hydra's suites warn of what later versions of Hydra will do otherwise.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def a_hydra_of_their_own() -> Iterator[None]:
    """The suites want a Hydra that was told no version, and leave one without our plugins."""
    ours = dict(Singleton._instances)
    Singleton._instances = {kind: one for kind, one in ours.items() if kind is not VersionBase}
    yield
    Singleton._instances = ours


OURS = [f"hydra.searchpath=[file://{package_folder('conf')}]"]


@pytest.mark.parametrize("launcher_name", ["processes", "slurm_local", "ray_cluster"])
@pytest.mark.parametrize("overrides", [OURS])
class TestLauncherPresets(LauncherTestSuite):
    """Each preset does for any program what Hydra expects of a launcher."""


@pytest.mark.parametrize("launcher_name", ["basic", "processes"])
@pytest.mark.parametrize("overrides", [[*OURS, "hydra/sweeper=grid"]])
class TestGridSweeper(LauncherTestSuite):
    """The grid does for any program what Hydra's basic sweeper does."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", "hydra/launcher=processes", "hydra/sweeper=grid", *OURS])],
)
class TestIntegration(IntegrationTestSuite):
    """Names, folders and working directories of the jobs of a program in its own process."""


def test_the_suites_are_run_on_what_ships(request: Any) -> None:
    names = {file.stem for file in (package_folder("conf") / "hydra" / "launcher").glob("*.yaml")}
    assert names == {"processes", "slurm", "slurm_local", "ray_cluster"}
