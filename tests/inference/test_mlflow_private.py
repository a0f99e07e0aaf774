"""The parts of MLflow's scoring server that are not documented still work."""

import pytest
from mlflow.models import Model

from mnistexp.inference.mlflow_private import build_scoring_app


def test_mlflow_serves_a_function_as_an_application() -> None:
    try:
        app = build_scoring_app(Model(), lambda pixels: pixels)
    except (ImportError, AttributeError, TypeError) as error:
        pytest.fail(
            "MLflow changed scoring_server.init or PyFuncModel: adapt build_scoring_app in "
            f"src/mnistexp/inference/mlflow_private.py ({error})"
        )
    assert {"/health", "/version", "/invocations"} <= {route.path for route in app.routes}
