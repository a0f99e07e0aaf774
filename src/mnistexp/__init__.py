"""A config-driven experiment runner for MNIST-size image classification.

In Python and in notebooks: `run` trains what a command line would, `load_runs` and `load_history`
read back what is in the store, and `watch` draws what a run has recorded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mnistexp.version import __version__

if TYPE_CHECKING:
    from mnistexp.analysis import load_history, load_runs
    from mnistexp.api import Result, run
    from mnistexp.dashboard import watch

__all__ = ["Result", "__version__", "load_history", "load_runs", "run", "watch"]

HOMES = {
    "Result": "mnistexp.api",
    "run": "mnistexp.api",
    "load_history": "mnistexp.analysis",
    "load_runs": "mnistexp.analysis",
    "watch": "mnistexp.dashboard",
}
"""Where each name is defined. They load pandas and more, which the command line can do without."""


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
