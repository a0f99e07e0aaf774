"""`device=cpu_two_parts` gives the same weights on one core and on two."""

import os
import subprocess
import sys

import pytest

CODE = """
import os
os.sched_setaffinity(0, {cores})
from mnistexp.config.compose import compose_config
from mnistexp.experiment import run_experiment
settings = ["model=conv_big", "device=cpu_two_parts", "data.train_size=2000", "train.steps=20"]
run = run_experiment(compose_config([*settings, "tracking=none"])[0])
print("digest", run.learner.digest())
"""


def train_on(cores: set[int]) -> str:
    """Train in a process that may use only these cores. Return the digest of the weights."""
    command = [sys.executable, "-c", CODE.format(cores=cores)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return out.split("digest ")[1].strip()


@pytest.mark.integration
@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores",
)
def test_the_weights_do_not_depend_on_the_number_of_cores() -> None:
    cores = sorted(os.sched_getaffinity(0))[:2]
    assert train_on({cores[0]}) == train_on(set(cores))
