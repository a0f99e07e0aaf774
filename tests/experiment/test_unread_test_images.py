"""Runs that must not read the test images, and the rules of the group `record`."""

from pathlib import Path

import mlflow
import pytest
from support import QUICK, Command

from mnistexp.config.compose import SEARCH_SETTINGS, compose_config
from mnistexp.errors import ConfigError

UNREAD = ["data.use_test=false", *QUICK]


def test_a_run_without_test_images_logs_only_metrics_of_validation_images(
    mnistexp: Command, tmp_path: Path
) -> None:
    assert mnistexp("model=softmax", *QUICK).exit_code == 0
    result = mnistexp("model=softmax", *UNREAD)
    assert (result.exit_code, "test accuracy" in result.out) == (0, False)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    without, with_test = client.search_runs(["1"], order_by=["start_time DESC"])
    assert not [name for name in without.data.metrics if "test" in name]
    assert without.data.metrics["val_accuracy"] == with_test.data.metrics["val_accuracy"]

    refused = mnistexp("evaluate", without.info.run_id)
    assert refused.exit_code == 2
    assert "data.use_test: expected true, since an evaluation reads the test images" in refused.err
    allowed = mnistexp("evaluate", without.info.run_id, "data.use_test=true", "--json")
    expected = with_test.data.metrics["test_accuracy"]
    assert f'"accuracy": {expected}' in allowed.out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=mnist_60000", "train.evaluate_on=[]"], "data.validation_size: expected > 0"),
        (["train.evaluate_on=[test]"], r"train.evaluate_on: expected \[validation\]"),
        (["dashboard=record"], "dashboard.type: expected off"),
    ],
)
def test_settings_that_need_test_images_are_rejected(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"{message}, since data.use_test=false"):
        compose_config([*UNREAD, *overrides])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.evaluate_on=[test]"], r"train.evaluate_on: expected \[\] or \[validation\], .*"),
        (["data=mnist"], "data.use_test: expected false with validation images.*add data.valid"),
    ],
)
def test_experiments_of_record_cannot_watch_the_test_images(
    mnistexp: Command, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        compose_config(["record=small", *overrides])
    assert mnistexp("record=small", *overrides).exit_code == 2


def test_the_proposed_settings_of_a_search_do_not_read_the_test_images() -> None:
    config, _ = compose_config(["record=small", *SEARCH_SETTINGS.split()])
    assert not config.data.use_test
    assert config.data.validation_size == 10_000
