"""Sweeps: many runs of one command, as children of one run, through any launcher of Hydra's."""

from mnistexp.sweeps.grid import run_grid
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.search import run_search
from mnistexp.sweeps.sweep_task import SweepTask

__all__ = ["HydraSession", "SweepTask", "run_grid", "run_search"]
