"""Whether experiments reach the results that their files expect."""

from mnistexp.verification.verify import (
    ExperimentResult,
    PlannedRun,
    collect_results,
    find_experiments,
    plan_runs,
    run_missing,
)

__all__ = [
    "ExperimentResult",
    "PlannedRun",
    "collect_results",
    "find_experiments",
    "plan_runs",
    "run_missing",
]
