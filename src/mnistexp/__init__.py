"""A config-driven experiment runner for MNIST-size image classification.

For Python and notebooks: `run` trains one config, `load_runs` and `load_history` read runs from
the tracking store, `predict` reads pictures, and `watch` shows the recording of a run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mnistexp.version import __version__

if TYPE_CHECKING:
    from mnistexp.api import Result, predict, run, watch
    from mnistexp.runs.run_tables import load_history, load_runs

__all__ = ["Result", "__version__", "load_history", "load_runs", "predict", "run", "watch"]

MODULE_OF_NAME = {
    "Result": "mnistexp.api",
    "predict": "mnistexp.api",
    "run": "mnistexp.api",
    "watch": "mnistexp.api",
    "load_history": "mnistexp.runs.run_tables",
    "load_runs": "mnistexp.runs.run_tables",
}
"""The module of each public name. Imported on first use, since they load pandas and more."""


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULE_OF_NAME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
