"""Compare the results of experiments with the expectations in their files."""

from mnistexp.verification.verify import (
    ExperimentResult,
    NoExpectation,
    PlannedRun,
    collect_results,
    describe_plan,
    find_experiments,
    missing_runs,
    plan_runs,
    run_planned,
)

__all__ = [
    "ExperimentResult",
    "NoExpectation",
    "PlannedRun",
    "collect_results",
    "describe_plan",
    "find_experiments",
    "missing_runs",
    "plan_runs",
    "run_planned",
]
