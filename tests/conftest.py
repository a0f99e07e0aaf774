"""Fixtures that several tests share: the command line, trained runs, and a browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# mnistexp sets them too, but these tests import MLflow and TensorFlow first.
os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers use all cores together. More threads of scikit-learn wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import mlflow
import pytest
from filelock import FileLock
from support import CHROMIUM, FEW_STEPS, Command, CommandResult, TrackedRun, run_command

from mnistexp import activity
from mnistexp.config.compose import compose_config
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.data import Data, load_data
from mnistexp.experiment import run_experiment
from mnistexp.tracking import MlflowTracking, RunStore

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(autouse=True)
def unset_tracking_uri() -> None:
    """Unset MLFLOW_TRACKING_URI: `mlflow.set_tracking_uri` of an earlier test sets it."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(autouse=True)
def no_lines_of_slow_activities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the output not depend on the speed of the machine."""
    monkeypatch.setattr(activity, "DELAY_SECONDS", 600)
    monkeypatch.setattr(activity, "START_DELAY_SECONDS", 600)


@pytest.fixture(scope="session")
def data() -> Data:
    """2,000 real training images, and all validation and test images."""
    return load_data(compose_config(["data.train_size=2000"])[0].data)


@pytest.fixture
def mnistexp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Run the command `mnistexp` in this process and in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> CommandResult:
        exit_code = run_command(*arguments)
        out, err = capfd.readouterr()
        return CommandResult(exit_code, out, err)

    return run


def train_in_own_store(folder: Path, *overrides: str) -> TrackedRun:
    """Train one configuration with the store of a folder, which is created if needed."""
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = run_experiment(*compose_config([*overrides, f"tracking.uri={uri}"]))
    client = mlflow.MlflowClient(uri)
    assert result.run_id is not None
    return TrackedRun(result, client.get_run(result.run_id), client, folder)


@pytest.fixture(scope="session")
def two_layers_run(tmp_path_factory: pytest.TempPathFactory) -> TrackedRun:
    """A short training of `two_layers`, in a store of its own."""
    return train_in_own_store(
        tmp_path_factory.mktemp("two_layers_run"),
        *("model=two_layers", "optim=adam_decay", "seed=3", "train.epochs=2"),
        *("train.log_every=50", "train.evaluate_on=[validation,test]"),
        *("tracking.tags={purpose: testing}", "tracking.description=A short one"),
    )


@pytest.fixture(scope="session")
def conv_big_run(tmp_path_factory: pytest.TempPathFactory) -> TrackedRun:
    """`conv_big` after three epochs, in a store of its own, registered as `digits`."""
    return train_in_own_store(
        tmp_path_factory.mktemp("conv_big_run"),
        *("model=conv_big", "optim=adam_decay", "train.epochs=3", "tracking.register=digits"),
    )


@pytest.fixture(scope="session")
def store_with_models(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Four short runs: `bad` is digits/1, `good` is digits/2, `forest`, and `bare` has no model."""
    folder = tmp_path_factory.mktemp("store_with_models")
    small = ["data.train_size=2000", "tracking.figures=false"]
    for name, *overrides in (
        ("bad", "train.steps=20", "optim.learning_rate=1e-6", "tracking.register=digits"),
        ("good", "train.steps=20", "tracking.register=digits"),
        ("forest", "model=random_forest", "model.n_estimators=10"),
        ("bare", "train.steps=20", "tracking.log_model=false"),
    ):
        train_in_own_store(folder, f"tracking.run_name={name}", *small, *overrides)
    return RunStore(MlflowTracking(type="mlflow", uri=f"sqlite:///{folder}/mlflow.db"))


@pytest.fixture(scope="session")
def recorded_run(tmp_path_factory: pytest.TempPathFactory) -> TrackedRun:
    """A short training of `five_layers` with a recording, in a store of its own."""
    return train_in_own_store(
        tmp_path_factory.mktemp("recorded_run"),
        *("model=five_layers", "optim=adam_decay", "dashboard=record", "train.steps=200"),
        *("train.log_every=20", "train.evaluate_every=100", "train.evaluate_on=[test]"),
        *("data.train_size=2000", "tracking.log_model=false", "tracking.run_name=recorded"),
    )


@pytest.fixture
def opened_run(recorded_run: TrackedRun) -> RecordedRun:
    """The recording of `recorded_run`: 11 frames, of which 3 have a test evaluation."""
    assert recorded_run.result.recording is not None
    return RecordedRun(recorded_run.result.recording)


@pytest.fixture(scope="session")
def store_with_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder whose store has a diverged run, a sweep of the lab, and a later sweep.

    Tests do not change its runs. Filling it takes half a minute, so all processes of a test run
    share one.
    """
    of_this_process = tmp_path_factory.getbasetemp()
    is_one_of_several = "PYTEST_XDIST_WORKER" in os.environ
    folder = (of_this_process.parent if is_one_of_several else of_this_process) / "store_with_sweep"
    with FileLock(f"{folder}.lock"):
        filled = folder.with_suffix(".filled")
        if not filled.exists():
            folder.mkdir()
            _fill_store_with_sweep(folder)
            filled.touch()
    return folder


def _fill_store_with_sweep(folder: Path) -> None:
    quick_lab = ["train.steps=40", "train.evaluate_every=20 steps", "seed=0,1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_command("model=two_layers", "optim.learning_rate=1e30", *FEW_STEPS) == 1
        assert run_command("-m", "lab=1_0_softmax,1_1_two_layers_sigmoid", *quick_lab) == 0
        models = ["model=softmax,two_layers", "optim=sgd", "optim.learning_rate=0.5"]
        assert run_command("-m", *models, "seed=0,1,2", *FEW_STEPS) == 0


@pytest.fixture
def copied_store(two_layers_run: TrackedRun, tmp_path: Path) -> Path:
    """The database of a copy of a store with a finished run, in the test's folder."""
    return Path(shutil.copy(two_layers_run.folder / "mlflow.db", tmp_path))


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium without a display and without network requests of its own."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.is_file():
        pytest.skip(f"Debian's package chromium is not installed: no {CHROMIUM}")
    features = ("background-networking", "component-update", "sync")
    switches = [f"--disable-{feature}" for feature in features]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", *switches],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """An empty page. An error in its console fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if message.type == "error" else None,
    )
    yield page
    page.close()
    assert not errors
