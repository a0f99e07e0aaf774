"""Run all parts, or those that are named, and write their counts into docs/reliability.md."""

import sys
from collections.abc import Callable, Mapping

from torture.bad_input import feed_bad_input
from torture.counts import Counts, write_counts
from torture.damaged_files import load_damaged_models, open_crafted_recordings
from torture.kills import kill_trainings
from torture.load import run_in_parallel, run_long_sweep
from torture.served_requests import send_requests
from torture.store_set_up import interrupt_set_ups

PARTS: Mapping[str, Callable[[], Counts]] = {
    "kills": lambda: kill_trainings(20),
    "set_up": lambda: interrupt_set_ups(30),
    "parallel_sqlite": lambda: run_in_parallel(8, 20, server=False),
    "parallel_server": lambda: run_in_parallel(8, 20, server=True),
    "long_sweep": lambda: run_long_sweep(500),
    "models": lambda: load_damaged_models(80),
    "recordings": lambda: open_crafted_recordings(500),
    "requests": lambda: send_requests(300),
    "overrides": lambda: feed_bad_input("override lists", 1_500),
    "commands": lambda: feed_bad_input("command lines", 1_500),
    "yaml": lambda: feed_bad_input("YAML files", 1_500),
    "idx": lambda: feed_bad_input("IDX files", 2_000),
}


def main() -> None:
    names = sys.argv[1:] or list(PARTS)
    any_lost = False
    for name in names:
        counts = PARTS[name]()
        print(counts, *counts.lost, sep="\n", flush=True)
        write_counts([counts])
        any_lost = any_lost or bool(counts.lost)
    sys.exit(1 if any_lost else 0)


if __name__ == "__main__":
    main()
