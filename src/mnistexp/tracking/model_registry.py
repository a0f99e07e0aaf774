"""Models in the store and in its registry."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnistexp.errors import ModelError
from mnistexp.tracking.config import MlflowTracking
from mnistexp.tracking.store import existing_store, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class StoredModel:
    """A model in the store: its id, the run that trained it, and that run's name."""

    model_id: str
    run_id: str
    run_name: str


def model_of_run(config: MlflowTracking, run_id: str) -> StoredModel | None:
    """The model that a run has logged last; None if it has logged none.

    Raises:
        ModelError: there is no such run.
    """
    from mlflow.exceptions import MlflowException

    client, _ = existing_store(config)
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise ModelError(f"{run_id}: expected a run in the store. Received: no such run") from error
    outputs = run.outputs.model_outputs if run.outputs else []
    return StoredModel(outputs[-1].model_id, run_id, run.info.run_name) if outputs else None


def registered_model(config: MlflowTracking, name: str, version: str) -> StoredModel:
    """The model that is registered under a name.

    Args:
        version: its number, or its alias.

    Raises:
        ModelError: there is no such name, version or alias.
    """
    from mlflow.exceptions import MlflowException

    client, _ = existing_store(config)
    try:
        found = (
            client.get_model_version(name, version)
            if version.isdigit()
            else client.get_model_version_by_alias(name, version)
        )
    except MlflowException as error:
        raise ModelError(_not_registered(client, name, version)) from error
    # A version that was registered elsewhere may know its run alone.
    of_run = model_of_run(config, found.run_id) if found.run_id else None
    if of_run is None:
        raise ModelError(
            f"{name}/{found.version}: expected the model of a run. Received: {found.source}"
        )
    return StoredModel(_model_id(found) or of_run.model_id, of_run.run_id, of_run.run_name)


def registered_names(config: MlflowTracking) -> list[str]:
    """The names in the registry."""
    client, _ = existing_store(config)
    return [model.name for model in client.search_registered_models()]


def promote_model(config: MlflowTracking, model: StoredModel, name: str, alias: str) -> int:
    """Move an alias of a registered name to a model, which is registered if it is not yet.

    Returns:
        The version that the alias names now.
    """
    client, _ = existing_store(config)
    known = [v for v in _versions(client, name) if v[1] == model.model_id]
    version = known[-1][0] if known else register_model(client, model.model_id, model.run_id, name)
    client.set_registered_model_alias(name, alias, str(version))
    return version


def names_of_model(config: MlflowTracking, model: StoredModel) -> list[str]:
    """The names under which a model is registered."""
    return [
        name
        for name in registered_names(config)
        if model.model_id
        in [model_id for _, model_id in _versions(existing_store(config)[0], name)]
    ]


def register_model(client: "MlflowClient", model_id: str, run_id: str, name: str) -> int:
    """Make a model the newest version of a name, and return the version."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        name, f"models:/{model_id}", run_id=run_id, model_id=model_id
    )
    return int(version.version)


def fetch_model(config: MlflowTracking, model: StoredModel) -> Path:
    """The folder of a model's files; of a local store, where they lie.

    Raises:
        ModelError: its files are gone.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    client, _ = existing_store(config)
    location = client.get_logged_model(model.model_id).artifact_location
    try:
        folder = Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=location, tracking_uri=tracking_uri(config.uri)
            )
        )
    except (MlflowException, OSError) as error:
        raise ModelError(_gone(model, location)) from error
    if not (folder / "MLmodel").is_file():
        raise ModelError(_gone(model, location))
    return folder


def _gone(model: StoredModel, location: str) -> str:
    return (
        f"{model.run_name}: expected the files of its model. Received: none at {location}. They "
        "were moved or deleted: train it again"
    )


def _versions(client: "MlflowClient", name: str) -> list[tuple[int, str]]:
    """(version, id of the model), from the oldest."""
    found = client.search_model_versions(f"name = '{name}'")
    return sorted((int(version.version), _model_id(version)) for version in found)


def _model_id(version: "ModelVersion") -> str:
    """Of a version that we have registered; empty for others."""
    prefix = "models:/m-"
    return version.source.removeprefix("models:/") if version.source.startswith(prefix) else ""


def _not_registered(client: "MlflowClient", name: str, version: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_. -]+", name) or not _versions(client, name):
        names = sorted(model.name for model in client.search_registered_models())
        return (
            f"{name}: expected a registered model, one of {', '.join(names) or 'none so far'}. "
            f"Received: {name!r}. mnistexp promote RUN --name {name} registers one"
        )
    aliases = sorted(client.get_registered_model(name).aliases)
    known = [*(f"{name}@{alias}" for alias in aliases)]
    known += [f"{name}/{number}" for number, _ in _versions(client, name)]
    separator = "/" if version.isdigit() else "@"
    return (
        f"{name}{separator}{version}: expected one of {', '.join(known)}. "
        f"Received: {name}{separator}{version}"
    )
