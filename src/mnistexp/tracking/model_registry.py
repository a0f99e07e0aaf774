"""Models of runs, and MLflow's registry of models."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnistexp.errors import ModelError, did_you_mean
from mnistexp.tracking.run_store import RunRecord, RunStore
from mnistexp.tracking.store import client_for_writing

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class StoredModel:
    """A model in the store: its id, the run that trained it, and that run's name."""

    model_id: str
    run_id: str
    run_name: str


def model_of_run(run: RunRecord) -> StoredModel:
    """Return the model that a run logged last.

    Raises:
        ModelError: the run has logged none.
    """
    if run.model_id is None:
        raise ModelError(
            f"{run.run_id}: expected a run with a model. Received: one without a model; it failed, "
            "was started with tracking.log_model=false, or was imported from a summary"
        )
    return StoredModel(run.model_id, run.run_id, run.name)


def registered_model(store: RunStore, name: str, version: str) -> StoredModel:
    """Return the model that is registered under a name.

    Args:
        version: its number, or its alias.

    Raises:
        ModelError: there is no such name, version or alias.
    """
    from mlflow.exceptions import MlflowException

    client = store.client
    try:
        found = (
            client.get_model_version(name, version)
            if version.isdigit()
            else client.get_model_version_by_alias(name, version)
        )
    except MlflowException as error:
        raise ModelError(_not_registered(client, name, version)) from error
    # MLflow's own register_model may record only the run, not the model.
    run = store.run(found.run_id) if found.run_id else None
    model_id = _model_id(found) or (run.model_id if run else None)
    if run is None or model_id is None:
        raise ModelError(
            f"{name}/{found.version}: expected the model of a run. Received: {found.source}"
        )
    return StoredModel(model_id, run.run_id, run.name)


def registered_names(store: RunStore, model: StoredModel) -> list[str]:
    """Return the names under which a model is registered."""
    names = [known.name for known in store.client.search_registered_models()]
    return [
        name
        for name in names
        if model.model_id in [model_id for _, model_id in _versions(store.client, name)]
    ]


def promote_model(store: RunStore, model: StoredModel, name: str, alias: str) -> int:
    """Move an alias of a registered name to a model; register the model first if it is not.

    Returns:
        The version that the alias names now.
    """
    client = client_for_writing(store.uri)
    known = [v for v in _versions(client, name) if v[1] == model.model_id]
    version = known[-1][0] if known else register_model(client, model.model_id, model.run_id, name)
    client.set_registered_model_alias(name, alias, str(version))
    return version


def register_model(client: "MlflowClient", model_id: str, run_id: str, name: str) -> int:
    """Register a model as the newest version of a name, and return the version."""
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


def fetch_model(store: RunStore, model: StoredModel) -> Path:
    """Return the folder of a model's files; files of a server are downloaded first.

    Raises:
        ModelError: the files do not exist.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    location = store.model_location(model.model_id)
    try:
        folder = Path(
            mlflow.artifacts.download_artifacts(artifact_uri=location, tracking_uri=store.uri)
        )
    except (MlflowException, OSError) as error:
        raise ModelError(_missing_files(model, location)) from error
    if not (folder / "MLmodel").is_file():
        raise ModelError(_missing_files(model, location))
    return folder


def _missing_files(model: StoredModel, location: str) -> str:
    return (
        f"{model.run_name}: expected the files of its model. Received: none at {location}. They "
        "were moved or deleted: train it again"
    )


def _versions(client: "MlflowClient", name: str) -> list[tuple[int, str]]:
    """Return (version, id of the model), oldest first."""
    found = client.search_model_versions(f"name = '{name}'")
    return sorted((int(version.version), _model_id(version)) for version in found)


def _model_id(version: "ModelVersion") -> str:
    """Return the id of the model; empty if the version was not made from a run's model."""
    prefix = "models:/m-"
    return version.source.removeprefix("models:/") if version.source.startswith(prefix) else ""


def _not_registered(client: "MlflowClient", name: str, version: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_. -]+", name) or not _versions(client, name):
        names = sorted(model.name for model in client.search_registered_models())
        return (
            f"{name}: expected a registered model, one of {', '.join(names) or '(none)'}. "
            f"Received: {name!r}.{did_you_mean(name, names)} "
            f"mnistexp promote RUN --name {name} registers one"
        )
    aliases = sorted(client.get_registered_model(name).aliases)
    known = [*(f"{name}@{alias}" for alias in aliases)]
    known += [f"{name}/{number}" for number, _ in _versions(client, name)]
    separator = "/" if version.isdigit() else "@"
    return (
        f"{name}{separator}{version}: expected one of {', '.join(known)}. "
        f"Received: {name}{separator}{version}"
    )
