"""The undocumented parts of MLflow that this package uses: its scoring server as an application.

MLflow documents its scoring server only as a command, `mlflow models serve`, which loads the model
itself and may unpickle files on the way. `scoring_server.init` and the constructor of `PyFuncModel`
let it serve a model that `mnistexp.inference.model_loading` has loaded.
`tests/inference/test_mlflow_private.py` fails when MLflow changes them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mlflow.models import Model


def build_scoring_app(description: "Model", predict: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Build MLflow's ASGI application with `/health`, `/version` and `/invocations`.

    Args:
        description: of the model; its signature is enforced on the inputs of `predict`.
        predict: inputs of the signature's shape to predictions.
    """
    from mlflow.pyfunc import PyFuncModel, scoring_server

    return scoring_server.init(PyFuncModel(description, _PredictMethod(predict)))


def invalid_request(message: str) -> Exception:
    """Return the exception by which `predict` makes MLflow's server answer with status 400."""
    from mlflow.exceptions import MlflowException

    error: Exception = MlflowException.invalid_parameter_value(message)
    return error


class _PredictMethod:
    """MLflow calls the method `predict` of a model."""

    def __init__(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        self.predict = predict
