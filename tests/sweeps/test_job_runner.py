"""The job runner with made-up launchers: crashes, store errors, and values of overrides."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from sweep_store import make_job

from mnistexp.sweeps import SweepTask, job_runner
from mnistexp.sweeps.job_runner import JobRunner, quote_value
from mnistexp.sweeps.jobs import Job, JobResult
from mnistexp.sweeps.launchers import LauncherTraits
from mnistexp.sweeps.progress import SweepProgress
from mnistexp.tracking import MlflowTracking

WORKERS = LauncherTraits(in_process=False, process_per_job=True, n_jobs=2)
CLUSTER = LauncherTraits(False, True, n_jobs=None, killed_with_parent=False)
Launch = Callable[[Sequence[Sequence[str]]], list[Any]]


class FakeSession:
    """A session whose launcher calls a function."""

    def __init__(self, launch: Launch) -> None:
        self.task = SweepTask()
        self.launcher = self
        self._launch = launch

    def launch(self, overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[Any]:
        return self._launch(overrides)


class FakeStore:
    """A store whose runs are read by a function."""

    def __init__(self, read_runs: Callable[[], list[Any]]) -> None:
        self._read_runs = read_runs

    def runs(self, where: str, *, missing_ok: bool) -> list[Any]:
        return self._read_runs()


def finished(accuracy: float = 0.9) -> JobReturn:
    returned = JobReturn(status=JobStatus.COMPLETED)
    returned.return_value = JobResult("finished", {"val_accuracy": accuracy})
    return returned


def runner_of(launch: Launch, traits: LauncherTraits = WORKERS) -> JobRunner:
    session: Any = FakeSession(launch)
    tracking = MlflowTracking(type="mlflow")
    return JobRunner(session, traits, SweepProgress(None), tracking, "sweep", ["seed"])


@pytest.fixture
def jobs() -> list[Job]:
    return [make_job("seed=0"), make_job("seed=1")]


@pytest.fixture
def empty_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "RunStore", lambda _: FakeStore(list))


@pytest.mark.usefixtures("empty_store")
def test_each_job_gets_the_result_that_the_launcher_returns(jobs: list[Job]) -> None:
    runner = runner_of(lambda _: [finished(0.8), finished(0.9)])
    runner.run(jobs)
    accuracies = [runner.results[job.config_hash].metrics["val_accuracy"] for job in jobs]
    assert accuracies == [0.8, 0.9]


@pytest.mark.usefixtures("empty_store")
def test_a_launcher_that_fails_without_starting_a_job_fails_all_jobs(jobs: list[Job]) -> None:
    def launch(_: Sequence[Sequence[str]]) -> list[Any]:
        raise RuntimeError("the workers cannot start\nlong text")

    runner = runner_of(launch)
    runner.run(jobs)
    results = [runner.results[job.config_hash] for job in jobs]
    assert [result.status for result in results] == ["failed", "failed"]
    assert results[0].message == (
        "the launcher returned no result. RuntimeError: the workers cannot start"
    )


def test_store_errors_while_jobs_run_are_reported_once_and_polling_continues(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[Any] = [[], OSError("database is locked"), OSError("database is locked")]
    num_reads = 0

    def read_runs() -> list[Any]:
        nonlocal num_reads
        num_reads += 1
        answer = answers[num_reads - 1] if num_reads <= len(answers) else []
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    def launch(_: Sequence[Sequence[str]]) -> list[Any]:
        deadline = time.monotonic() + 60
        while num_reads < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        return [finished(), finished()]

    monkeypatch.setattr(job_runner, "RunStore", lambda _: FakeStore(read_runs))
    monkeypatch.setattr(job_runner, "POLL_SECONDS", 0.01)
    runner = runner_of(launch)
    runner.run(jobs)
    assert num_reads >= 5
    out = capsys.readouterr().out
    assert out.count("warning: results of jobs cannot be read from the store") == 1
    assert "OSError: database is locked" in out
    assert {result.status for result in runner.results.values()} == {"finished"}


@pytest.mark.usefixtures("empty_store")
def test_a_job_of_a_cluster_without_a_result_is_not_started_twice(jobs: list[Job]) -> None:
    num_launches = 0

    def launch(_: Sequence[Sequence[str]]) -> list[Any]:
        nonlocal num_launches
        num_launches += 1
        raise RuntimeError("connection lost")

    runner_of(launch, CLUSTER).run(jobs)
    assert num_launches == 1


@pytest.mark.parametrize(
    "text",
    [
        "/data/studies.log",
        "/a b/$c/studies.log",
        "/a${b}/c",
        "\\${b}",
        "\\\\${b}\\",
        "C:\\studies\\",
        'it\'s "quoted", with {braces}, [brackets] and a=b',
        "\\'",
        " ",
        "null",
        "1",
    ],
)
def test_a_quoted_text_is_the_same_after_hydra_has_read_it(text: str, tmp_path: Any) -> None:
    (tmp_path / "config.yaml").write_text("job: {}\n")
    override = f"++job={quote_value({'storage': text, 'number': 3})}"
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        config = compose("config", [override])
    assert OmegaConf.to_container(config, resolve=True) == {"job": {"storage": text, "number": 3}}
