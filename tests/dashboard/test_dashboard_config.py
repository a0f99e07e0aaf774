"""The settings of the dashboard."""

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups
from mnistexp.config.config_hash import config_hash
from mnistexp.errors import ConfigError


def type_and_hash(*overrides: str) -> tuple[str, str]:
    config, _ = compose_config(list(overrides))
    return config.dashboard.type, config_hash(config, "data")


def test_dashboard_settings_do_not_change_the_config_hash() -> None:
    off, record, live = (
        type_and_hash("model=conv_big", f"dashboard={name}") for name in ("off", "record", "live")
    )
    assert [off[0], record[0], live[0]] == ["off", "record", "live"]
    assert off[1] == record[1] == live[1]
    assert type_and_hash("model=conv_big") == off
    assert type_and_hash("dashboard=live", "dashboard.hold=true")[1] == type_and_hash()[1]


@pytest.mark.parametrize("name", list_groups()["lab"])
def test_lab_experiments_record_and_recording_can_be_switched_off(name: str) -> None:
    assert type_and_hash(f"lab={name}")[0] == "record"
    config, source = compose_config([f"lab={name}", "dashboard=off"])
    assert config.dashboard.type == "off"
    assert source.altered_settings == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["dashboard=liv"], "dashboard: expected one of live, off, record. Received: 'liv'"),
        (["dashboard.hold=true"], "dashboard.hold: unknown setting"),
        (["dashboard=live", "dashboard.port=0"], "dashboard.port: expected a number >= 1"),
        (["dashboard=record", "dashboard.quantiles=all"], "dashboard.quantiles: expected one of"),
        (["model=random_forest", "dashboard=record"], "dashboard.type: expected off, since"),
    ],
)
def test_wrong_settings_are_rejected(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose_config(overrides)
