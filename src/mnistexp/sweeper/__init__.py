"""Sweeps: many runs of one command, as children of one run, through any launcher of Hydra's."""

from mnistexp.sweeper.grid import run_grid
from mnistexp.sweeper.search import run_search
from mnistexp.sweeper.session import Session
from mnistexp.sweeper.task import SweepTask

__all__ = ["Session", "SweepTask", "run_grid", "run_search"]
