"""Compare the results of experiments with the expectations in their files."""

from mnistexp.verification.verify import (
    ExperimentResult,
    NoExpectation,
    PlannedRun,
    collect_results,
    find_experiments,
    plan_runs,
    run_missing,
)

__all__ = [
    "ExperimentResult",
    "NoExpectation",
    "PlannedRun",
    "collect_results",
    "find_experiments",
    "plan_runs",
    "run_missing",
]
