"""The progress of a sweep in the terminal: a line per job, and a progress bar."""

from types import TracebackType
from typing import Self

from rich import get_console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from mnistexp.sweeps.jobs import JobResult
from mnistexp.tables import fit_parts, fold_parts

MARKS = {"finished": "✓", "failed": "✗", "killed": "✗", "pruned": "·"}
ACCURACIES = ("val_accuracy", "test_accuracy")
"""The first one that a job has is printed."""
BAR_WIDTH = 10
BAR_AND_TIME_WIDTH = BAR_WIDTH + 10
"""The width of the bar, the elapsed time `0:00:00` and the spaces between them."""
MIN_TEXT_WIDTH = 20


class SweepProgress:
    """Progress of a sweep: finished and failed jobs, time left, and the best result so far.

    In a terminal it is a bar above the progress bar of the training (Rich supports nested
    displays). In other outputs it is a line after each job.
    """

    def __init__(self, num_jobs: int | None) -> None:
        """Create the bar.

        Args:
            num_jobs: the number of jobs; None if it is not known in advance.
        """
        self._num_jobs = num_jobs
        self._results: list[tuple[str, JobResult]] = []
        self._console = get_console()
        self._progress = Progress(
            TextColumn(
                "{task.description}",
                style="bold",
                markup=False,  # The names of jobs may have brackets.
                table_column=Column(
                    no_wrap=True,
                    max_width=max(MIN_TEXT_WIDTH, self._console.width - BAR_AND_TIME_WIDTH),
                ),
            ),
            BarColumn(bar_width=BAR_WIDTH),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("sweep", total=num_jobs)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def add_result(self, job_name: str, result: JobResult) -> None:
        """Print the result of a job and move the bar."""
        self._results.append((job_name, result))
        count = self._count()
        parts = [f"{MARKS[result.status]} {count} {job_name}", *_format_result(result)]
        width = self._console.width
        print(fold_parts(parts, width), flush=True)
        parts = [f"sweep {count} done", *self._format_details()]
        bar_text = fit_parts(parts, max(MIN_TEXT_WIDTH, width - BAR_AND_TIME_WIDTH))
        self._progress.update(self._task, advance=1, description=bar_text)
        if not self._console.is_terminal and self._num_left != 0:
            print(fold_parts(parts, width), flush=True)

    def describe_ended(self) -> str:
        """Return how many jobs have ended: `3 of 8 jobs have ended`."""
        total = "" if self._num_jobs is None else f" of {self._num_jobs}"
        return f"{len(self._results)}{total} jobs have ended"

    @property
    def _num_left(self) -> int | None:
        return None if self._num_jobs is None else self._num_jobs - len(self._results)

    def _count(self) -> str:
        return f"{len(self._results)}" + (f"/{self._num_jobs}" if self._num_jobs else "")

    def _format_details(self) -> list[str]:
        details = []
        statuses = [result.status for _, result in self._results]
        details += [
            f"{statuses.count(status)} {status}"
            for status in ("failed", "killed")
            if status in statuses
        ]
        elapsed = self._progress.tasks[0].elapsed
        if self._num_left and elapsed:
            seconds = elapsed / len(self._results) * self._num_left
            details.append(f"about {format_duration(seconds)} left")
        accuracies = [
            (result.metrics["val_accuracy"], name)
            for name, result in self._results
            if result.status == "finished" and "val_accuracy" in result.metrics
        ]
        if accuracies:
            best, name = max(accuracies)
            details += [f"best val_accuracy {best:.4f}", f"({name})"]
        return details


def _format_result(result: JobResult) -> list[str]:
    metrics = result.metrics
    accuracies = [f"{name} {metrics[name]:.4f}" for name in ACCURACIES if name in metrics]
    parts = accuracies[:1]
    if "seconds" in metrics:
        parts.append(f"{metrics['seconds']:.1f} s")
    if result.expectation_result:
        parts.append(f"expectation {result.expectation_result}")
    if result.status != "finished":
        # The sentences after the first one are in failures.csv of the sweep's run.
        parts.append(result.ending)
    return parts


def format_duration(seconds: float) -> str:
    """Format a time as `40 s`, `3 min` or `2 h 5 min`."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
