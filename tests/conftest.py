"""Fixtures that several tests share: the command line, a browser, and trained runs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# As the product sets them before it imports MLflow and TensorFlow.
os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import mlflow
import pytest
from support import CHROMIUM, FEW_STEPS, Command, CommandResult, TrackedRun, run_here

from mnistexp.config.compose import compose_config
from mnistexp.experiment import run_experiment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(autouse=True)
def no_store_in_the_environment() -> None:
    """MLflow's own `set_tracking_uri`, which tests call, leaves it there."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture
def mnistexp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The command `mnistexp`, in this process and in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> CommandResult:
        exit_code = run_here(*arguments)
        out, err = capfd.readouterr()
        return CommandResult(exit_code, out, err)

    return run


@pytest.fixture(scope="session")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> TrackedRun:
    """A short real training of two layers, logged to a store of its own."""
    folder = tmp_path_factory.mktemp("tracked")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config, origin = compose_config(
            [
                *("model=two_layers", "optim=adam_decay", "seed=3", "train.epochs=2"),
                *("train.log_every=50", "train.evaluate_on=[validation,test]"),
                *(f"tracking.uri={uri}", "tracking.tags={purpose: testing}"),
                "tracking.description=A short one",
            ]
        )
        result = run_experiment(config, origin)
    client = mlflow.MlflowClient(uri)
    assert result.run_id is not None
    return TrackedRun(result, client.get_run(result.run_id), client, folder)


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a store: a run that diverged, runs of the lab, and then a sweep."""
    folder = tmp_path_factory.mktemp("lived_in")
    quick_lab = ["train.steps=40", "train.evaluate_every=20 steps", "seed=0,1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_here("model=two_layers", "optim.learning_rate=1e30", *FEW_STEPS) == 1
        assert run_here("-m", "lab=1_0_softmax,1_1_two_layers_sigmoid", *quick_lab) == 0
        assert run_here("-m", "model=softmax,two_layers", "seed=0,1,2", *FEW_STEPS) == 0
    return folder


@pytest.fixture(scope="session")
def conv_big(tmp_path_factory: pytest.TempPathFactory) -> TrackedRun:
    """`conv_big` after three epochs, in a store of its own and registered as `digits`."""
    folder = tmp_path_factory.mktemp("conv_big")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        settings = ["model=conv_big", "optim=adam_decay", "train.epochs=3"]
        settings += [f"tracking.uri={uri}", "tracking.register=digits"]
        config, origin = compose_config(settings)
        result = run_experiment(config, origin)
    client = mlflow.MlflowClient(uri)
    assert result.run_id is not None
    return TrackedRun(result, client.get_run(result.run_id), client, folder)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium, without a screen and without its errands on the network."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.is_file():
        pytest.skip(f"Debian's package chromium is not installed: no {CHROMIUM}")
    errands = ("background-networking", "component-update", "sync")
    quiet = [f"--disable-{errand}" for errand in errands]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", *quiet],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """An empty page. Whatever it complains of in its console fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    yield page
    page.close()
    assert not complaints


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> TrackedRun:
    """A short real training of five layers that was recorded and tracked."""
    folder = tmp_path_factory.mktemp("recorded")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config, origin = compose_config(
            [
                *("model=five_layers", "optim=adam_decay", "dashboard=record", "train.steps=200"),
                *("train.log_every=20", "train.evaluate_every=100", "train.evaluate_on=[test]"),
                *("data.train_size=2000", f"tracking.uri={uri}", "tracking.log_model=false"),
                "tracking.run_name=filmed",
            ]
        )
        result = run_experiment(config, origin)
    client = mlflow.MlflowClient(uri)
    assert result.run_id is not None
    return TrackedRun(result, client.get_run(result.run_id), client, folder)
