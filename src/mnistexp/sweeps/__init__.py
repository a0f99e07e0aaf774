"""Sweeps: one command that starts many runs through a launcher of Hydra."""

from mnistexp.sweeps.grid import GridStrategy
from mnistexp.sweeps.hydra_session import HydraSession
from mnistexp.sweeps.search import OptunaStrategy
from mnistexp.sweeps.sweep import run_sweep
from mnistexp.sweeps.sweep_task import SweepTask

__all__ = ["GridStrategy", "HydraSession", "OptunaStrategy", "SweepTask", "run_sweep"]
