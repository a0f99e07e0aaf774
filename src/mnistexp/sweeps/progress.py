"""What a user sees of a sweep while it runs: one line for it, and one for each job that ended."""

from statistics import mean
from types import TracebackType
from typing import Self

from rich import get_console
from rich.live import Live
from rich.text import Text

from mnistexp.sweeps.job_result import JobResult
from mnistexp.sweeps.validation import duration

MARKS = {"finished": "✓", "failed": "✗", "killed": "✗", "pruned": "·"}
SHOWN = ("val_accuracy", "test_accuracy")


class SweepProgress:
    """The line of a sweep: done, failed, left, time left and the best so far.

    On a terminal it stands above that of the run and moves; elsewhere it is told after each job.
    """

    def __init__(self, num_jobs: int | None, num_at_once: int) -> None:
        """Args: num_jobs: None if that is not known before."""
        self._num_jobs = num_jobs
        self._num_at_once = num_at_once
        self._ended: list[tuple[str, JobResult]] = []
        self._console = get_console()
        self._live = Live(get_renderable=self._line, console=self._console, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def tell(self, name: str, outcome: JobResult) -> None:
        """Tell how a job has ended."""
        self._ended.append((name, outcome))
        mark = MARKS[outcome.status]
        figures = [f"{key} {outcome.metrics[key]:.4f}" for key in SHOWN if key in outcome.metrics]
        if "seconds" in outcome.metrics:
            figures.append(f"{outcome.metrics['seconds']:.1f} s")
        if outcome.verdict:
            figures.append(f"expectation {outcome.verdict}")
        # The remedy, behind the first full stop, is in the sweep's own run.
        why = outcome.message.partition(". ")[0]
        reason = [] if outcome.status == "finished" else [f"{outcome.status}: {why}"]
        line = "  ".join([f"{mark} {self._count()} {name}", *figures, *reason])
        print(line, flush=True)
        if not self._console.is_terminal and self._left != 0:
            print(self._line().plain, flush=True)

    @property
    def _left(self) -> int | None:
        return None if self._num_jobs is None else self._num_jobs - len(self._ended)

    def _count(self) -> str:
        return f"{len(self._ended)}" + (f"/{self._num_jobs}" if self._num_jobs else "")

    def _line(self) -> Text:
        failed = sum(outcome.status in ("failed", "killed") for _, outcome in self._ended)
        parts = [f"sweep {self._count()} done"]
        parts += [f"{failed} failed"] if failed else []
        parts += [] if self._left is None else [f"{self._left} to go"]
        parts += [*self._time_left(), *self._best()]
        return Text("  ".join(parts), style="bold", overflow="ellipsis", no_wrap=True)

    def _time_left(self) -> list[str]:
        times = [o.metrics["seconds"] for _, o in self._ended if "seconds" in o.metrics]
        if not times or self._left is None:
            return []
        return [f"about {duration(mean(times) * self._left / self._num_at_once)} left"]

    def _best(self) -> list[str]:
        known = [
            (o.metrics["val_accuracy"], n) for n, o in self._ended if "val_accuracy" in o.metrics
        ]
        return ["best val_accuracy {:.4f} ({})".format(*max(known))] if known else []
