"""`mnistexp promote`, and the registration of a model by its run."""

import mlflow
from support import QUICK, Command

from mnistexp.runs.run_selection import select_model
from mnistexp.tracking import RunStore


def test_promote_moves_the_alias_champion(mnistexp: Command, store_with_models: RunStore) -> None:
    uri = ["--uri", store_with_models.uri]
    assert "digits@champion is version 1 now" in mnistexp("promote", "bad", *uri).out
    assert "digits@champion is version 2 now" in mnistexp("promote", "good", *uri).out
    client = mlflow.MlflowClient(store_with_models.uri)
    assert client.get_registered_model("digits").aliases["champion"] == 2
    assert select_model(store_with_models, "digits@champion").run_name == "good"


def test_promoting_the_champion_again_adds_no_version(
    mnistexp: Command, store_with_models: RunStore
) -> None:
    uri = ["--uri", store_with_models.uri]
    mnistexp("promote", "good", *uri)
    assert "digits@champion is version 2 now" in mnistexp("promote", "digits@champion", *uri).out


def test_a_model_without_a_registered_name_needs_the_option_name(
    mnistexp: Command, store_with_models: RunStore
) -> None:
    uri = ["--uri", store_with_models.uri]
    outcome = mnistexp("promote", "forest", *uri)
    assert outcome.exit_code == 2
    assert "--name: expected a name for forest" in outcome.err
    promoted = mnistexp("promote", "forest", "--name", "trees", *uri)
    assert "trees@champion is version 1 now" in promoted.out


def test_a_run_registers_its_model(mnistexp: Command) -> None:
    outcome = mnistexp(*QUICK, "tracking.register=mine", "tracking.uri=sqlite:///own.db")
    assert outcome.exit_code == 0, outcome.err
    (version,) = mlflow.MlflowClient("sqlite:///own.db").search_model_versions("name = 'mine'")
    assert int(version.version) == 1


def test_a_name_to_register_with_a_slash_is_rejected(mnistexp: Command) -> None:
    outcome = mnistexp(*QUICK, "tracking.register=a/b")
    assert outcome.exit_code == 2
    assert "tracking.register: expected text" in outcome.err
