"""Warnings about settings that are valid but probably wrong."""

import re
from pathlib import Path

import pytest
from support import FEW_STEPS, Command

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import package_folder
from mnistexp.config.likely_mistakes import find_likely_mistakes

EXPERIMENTS = sorted(package_folder("experiments").glob("*/*.yaml"))
NUM_IMAGES = 55_000
RESCALING = (
    "layers:\n"
    "  rescaling_layer: {type: keras, class_name: Rescaling, config: {scale: 0.00392}}\n"
    "  flatten: {type: flatten}\n"
    "  logits: {type: dense, units: 10}\n"
)


def mistakes(*overrides: str) -> list[str]:
    return find_likely_mistakes(compose_config(list(overrides))[0], NUM_IMAGES)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("data.scale=65025", r"data.scale: .*0 to 0\.0039.*Set data.scale=255"),
        ("data.scale=1", r"data.scale: .*0 to 255.*Set data.scale=255"),
        (
            "train.batch_size=100000",
            r"^train.batch_size: expected at most .* 55,000, .*Received: 100,000$",
        ),
        (
            "train.evaluate_every=9999",
            r"^train.evaluate_every: only one evaluation in 2750 steps. Try 275$",
        ),
    ],
)
def test_a_likely_mistake_is_named_with_the_setting_to_change(overrides: str, message: str) -> None:
    (found,) = mistakes(*overrides.split())
    assert re.search(message, found)


@pytest.mark.parametrize(
    "overrides",
    [
        "model=conv",
        "train.epochs=1 train.evaluate_every=100",
        "train.epochs=1 train.evaluate_on=[]",
        "train.steps=500",
        "train.epochs=1",
        "train.epochs=1 train.batch_size=64",
        "data.scale=1 model=random_forest",
    ],
)
def test_usual_settings_are_no_mistakes(overrides: str) -> None:
    assert mistakes(*overrides.split()) == []


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_experiment_of_the_package_has_a_likely_mistake(path: Path) -> None:
    assert mistakes(f"{path.parent.name}={path.stem}") == []


def test_pixels_that_are_scaled_twice_are_a_warning_of_runs_and_sweeps(
    mnistexp: Command, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "twice.yaml").write_text(RESCALING)
    arguments = ["--config-dir", "mine", "model=twice", "tracking=none", *FEW_STEPS]
    single = mnistexp(*arguments)
    assert single.exit_code == 0
    expected = "warning: model.layers.rescaling_layer: the pixels are scaled twice, to at most"
    assert expected in single.err
    assert "model.layers.rescaling_layer=null" in single.err
    sweep = mnistexp("-m", *arguments, "seed=0,1", "sweep.dry_run=true")
    assert sweep.err.count(expected) == 1
    assert "warning" not in mnistexp(*arguments, "data.scale=1").err
