"""Trainings in real processes that are killed and continued; MLflow's client reads the results."""

import pytest
from torture.kills import kill_trainings


@pytest.mark.integration
def test_killed_trainings_end_as_if_they_had_not_been_killed() -> None:
    assert kill_trainings(3).lost == ()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_killed_trainings_end_as_if_they_had_not_been_killed() -> None:
    assert kill_trainings(20, seed=1).lost == ()
