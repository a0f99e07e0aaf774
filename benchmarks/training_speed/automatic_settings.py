"""Compare what mnistexp chooses itself with the alternatives: XLA, threads, steps of a call.

`PYTHONPATH=benchmarks python -m training_speed.automatic_settings`, part of `make benchmark`. The
trainings alternate, as those of the contenders do. It prints a table for docs/speed_profile.md: the
time of each alternative / the time with the defaults. It fails if the defaults are slower than all
alternatives. An empty cell was not measured: XLA takes minutes for a block of conv_batchnorm.
"""

import statistics
import sys

from training_speed.case import STEPS, Case
from training_speed.contenders import ALTERNATIVES, OURS
from training_speed.measurement import measure

BATCH_SIZE = 100
NUM_ROUNDS = 5
NOT_MEASURED = {("conv_batchnorm", "xla_on")}
NOISE = 0.05
"""Tolerated part of the time."""


def main() -> None:
    print(f"| default / alternatives | {' | '.join(a.title for a in ALTERNATIVES.values())} |")
    print(f"|---|{'---:|' * len(ALTERNATIVES)}")
    slow = []
    for network, steps in STEPS.items():
        names = [name for name in ALTERNATIVES if (network, name) not in NOT_MEASURED]
        result = measure(Case(network, BATCH_SIZE, steps, NUM_ROUNDS + 1), [OURS, *names])
        ratios = {name: statistics.median(result.ratios(name)) for name in names}
        cells = [f"{ratios[name]:.2f}" if name in ratios else "" for name in ALTERNATIVES]
        print(f"| `{network}` | {' | '.join(cells)} |", flush=True)
        if max(ratios.values()) < 1 - NOISE:
            slow.append(network)
    if slow:
        sys.exit(f"The defaults are slower than all alternatives for {', '.join(slow)}.")


if __name__ == "__main__":
    main()
