"""One run, from the config to the logged model."""

from mnistexp.experiment.run import RunResult, run_experiment

__all__ = ["RunResult", "run_experiment"]
