"""Complete the files of a trained model to an MLflow model.

The training process writes the weights. The tracking process, which has imported MLflow, writes the
description, the environment and an input example beside them.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DESCRIPTION_NAME = "MLmodel"
"""The file that describes an MLflow model."""
ENVIRONMENT = {"conda_env": "conda.yaml", "python_env": "python_env.yaml"}


@dataclass(frozen=True)
class ModelDescription:
    """What an MLflow model has beside its weights. All fields can be written as JSON.

    flavor: `tensorflow` or `sklearn`: the module of MLflow that loads it.
    flavor_options, loader_options: what that module and `mlflow.pyfunc` must know.
    input_shape: of one input, whose values are uint8. output_size: of one output.
    output_dtype: of the outputs. metadata: of mnistexp. requirements: packages with versions.
    """

    flavor: str
    flavor_options: Mapping[str, Any]
    loader_options: Mapping[str, Any]
    input_shape: Sequence[int]
    output_size: int
    output_dtype: str
    metadata: Mapping[str, Any]
    requirements: Sequence[str]


def package_model(folder: Path, description: ModelDescription) -> None:
    """Write the description of an MLflow model into the folder with its weights, once.

    MLflow's own functions need the trained model in memory, and so TensorFlow.
    """
    if (folder / DESCRIPTION_NAME).exists():
        return
    import numpy as np
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    pixels = TensorSpec(np.dtype("uint8"), (-1, *description.input_shape))
    probabilities = TensorSpec(np.dtype(description.output_dtype), (-1, description.output_size))
    model = Model()
    loader = f"mlflow.{description.flavor}"
    parts = folder.parent / "parts"
    shutil.rmtree(parts, ignore_errors=True)  # An earlier try was interrupted.
    pyfunc.save_model(
        str(parts),
        loader_module=loader,
        mlflow_model=model,
        signature=ModelSignature(Schema([pixels]), Schema([probabilities])),
        input_example=np.zeros((1, *description.input_shape), "u1"),
        metadata=dict(description.metadata),
        pip_requirements=list(description.requirements),
    )
    # `save_model` knows neither the flavor nor where the weights are.
    model.flavors = {}
    pyfunc.add_to_model(
        model, loader_module=loader, **ENVIRONMENT, **dict(description.loader_options)
    )
    model.add_flavor(description.flavor, code=None, **dict(description.flavor_options))
    files = [*folder.rglob("*"), *parts.iterdir()]
    model.model_size_bytes = sum(file.stat().st_size for file in files if file.is_file())
    model.save(str(parts / DESCRIPTION_NAME))
    for file in sorted(parts.iterdir(), key=lambda file: file.name == DESCRIPTION_NAME):
        file.replace(folder / file.name)  # The description is the last one.
    parts.rmdir()
