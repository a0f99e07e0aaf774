"""Jobs, their names and their settings."""

from sweep_store import make_job

from mnistexp.sweeps.jobs import run_name, varying_settings


def test_the_settings_that_vary_are_listed_with_the_seed_last() -> None:
    jobs = [
        make_job("seed=0", "model=softmax", "train.epochs=3"),
        make_job("seed=1", "model=conv", "train.epochs=3"),
        make_job("seed=0", "model=conv", "train.epochs=3", "optim.learning_rate=0.1"),
    ]
    assert varying_settings(jobs) == ["model", "optim.learning_rate", "seed"]


def test_the_name_of_a_run_has_the_settings_that_vary() -> None:
    job = make_job("model=two_layers", "optim.learning_rate=0.013130280280658591", "seed=2")
    varying = ["model", "optim.learning_rate", "train.epochs", "seed"]
    assert run_name(job, varying) == "two_layers-adam-learning_rate=0.01313-s2"
