"""Training with several contenders in turn."""

import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime

from training_speed.case import Case
from training_speed.contenders import ContenderProcess, find_contender
from training_speed.report import CaseResult, describe_machine

TOO_SLOW = 60
"""Seconds of a block. A contender that takes longer leaves after the first round."""


def measure(case: Case, names: Iterable[str]) -> CaseResult:
    """Train with the contenders in turn. Return the seconds of their blocks and the accuracies."""
    present = [name for name in names if find_contender(name).can_train(case)]
    result = CaseResult(
        case.network,
        case.batch_size,
        case.steps,
        f"{datetime.now():%Y-%m-%d %H:%M}",
        describe_machine(),
        case.threads,
        case.precision,
    )
    with ExitStack() as stack:
        processes = []
        for number, name in enumerate(present, 1):
            show_progress(case, f"set-up {number} of {len(present)}: {name}")
            errors = stack.enter_context(tempfile.TemporaryFile("w+"))
            process = ContenderProcess(name, case, errors)
            stack.callback(process.close)
            result.first_block[name], _ = process.train_block()
            processes.append(process)
        for number in range(1, case.blocks):
            for process in processes:
                show_progress(case, f"round {number} of {case.blocks - 1}: {process.name}")
                seconds, cpu_seconds = process.train_block()
                result.blocks.setdefault(process.name, []).append(seconds)
                result.cpu_blocks.setdefault(process.name, []).append(cpu_seconds)
            if number == 1 and case.blocks > 2:
                processes = [p for p in processes if result.blocks[p.name][0] <= TOO_SLOW]
        result.accuracy = {process.name: process.read_accuracy() for process in processes}
    return result


def show_progress(case: Case, text: str) -> None:
    """Write a line to the standard error."""
    now = f"{datetime.now():%H:%M:%S}"
    print(f"{now} {case.network}, batch {case.batch_size}: {text}", file=sys.stderr, flush=True)
