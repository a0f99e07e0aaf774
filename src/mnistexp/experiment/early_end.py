"""Runs that end early, by Ctrl-C, a failure or the pruner: how far they came, and what is kept."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mnistexp.config.config import Config
from mnistexp.dashboard.recording import Recording
from mnistexp.errors import (
    MnistexpError,
    Pruned,
    RecordingError,
    TrainingDiverged,
    join_with_or,
)
from mnistexp.experiment.guessing import describe_rate
from mnistexp.tracking import ENDED_AT, PRUNED, Tracker
from mnistexp.train import CheckpointFolder, LogMetrics, TrainingLength

SHOWN_METRICS = ("train_loss", "train_accuracy", "val_accuracy", "test_accuracy")


class RunProgress:
    """How far the training of a run has come, and the files that it has written, if any.

    recording: the file of the recording. checkpoints: their folder.
    """

    def __init__(self, length: TrainingLength | None) -> None:
        """Args: length: of the training; None for a classical method, which is fitted at once."""
        self.step = 0
        self.recording: Path | None = None
        self.checkpoints: CheckpointFolder | None = None
        self._length = length
        self._metrics: dict[str, float] = {}

    def follow(self, log_metrics: LogMetrics) -> LogMetrics:
        """Return a function that logs metrics and also keeps the latest values."""

        def follow_and_log(metrics: Mapping[str, float], step: int) -> None:
            self.step = step
            self._metrics |= metrics
            log_metrics(metrics, step)

        return follow_and_log

    @property
    def position(self) -> str:
        """Where the training is, `at step 200 of 400`."""
        if self._length is None:
            return "after the fit" if self.step else "before the end of the fit"
        return f"at step {self.step:,} of {self._length.num_steps:,}"

    def __str__(self) -> str:
        """The position with the epoch and the latest metrics."""
        epoch = self._length.epoch(self.step) if self._length and self.step else ""
        metrics = [f"{n} {self._metrics[n]:.4f}" for n in SHOWN_METRICS if n in self._metrics]
        return ", ".join([self.position, *filter(None, [epoch]), *metrics])


@contextmanager
def explain_early_end(
    progress: RunProgress, tracker: Tracker, name: str, config: Config
) -> Iterator[None]:
    """Record how far a run came that an exception ends, and say so in notes of the exception.

    The message of a divergence also says with which learning rate it was seen, and what to try.
    """
    try:
        yield
    except BaseException as error:
        if progress.checkpoints is not None:  # Metrics are logged less often.
            progress.step = max(progress.step, progress.checkpoints.last_step)
        if isinstance(error, TrainingDiverged):
            progress.step = max(progress.step, error.step)
            tracker.tags_at_end["diverged"] = "true"
            error.args = (f"{error}. {_explain_divergence(config)}",)
        if isinstance(error, Pruned):
            tracker.tags_at_end[PRUNED] = "true"
        tracker.tags_at_end[ENDED_AT] = progress.position
        identity = f", id {tracker.run_id}" if tracker.run_id else ""
        error.add_note(f"Run {name}{identity}, {_status_after(error)} {progress}")
        error.add_note(_describe_kept(error, tracker, progress))
        if _can_continue(error, progress) and tracker.run_id is not None:
            error.add_note(f"To continue it: mnistexp resume {tracker.run_id[:8]}")
        raise


def _explain_divergence(config: Config) -> str:
    ways = ["optim.global_clipnorm=1.0"]
    if config.train.loss != "cross_entropy":
        ways.append("train.loss=cross_entropy")
    ways.append("another model.kernel_initializer")
    return f"{describe_rate(config)}, {join_with_or(ways)}"


def _status_after(error: BaseException) -> str:
    if isinstance(error, Pruned):
        return "pruned"
    return "killed" if isinstance(error, KeyboardInterrupt) else "failed"


def _can_continue(error: BaseException, progress: RunProgress) -> bool:
    """Whether there is a checkpoint, and a reason to continue from it."""
    has_checkpoint = progress.checkpoints is not None and not progress.checkpoints.is_empty
    return has_checkpoint and not isinstance(error, TrainingDiverged | Pruned)


def _describe_kept(error: BaseException, tracker: Tracker, progress: RunProgress) -> str:
    if tracker.reference is None:
        return "Nothing is kept, because the run was not tracked (tracking=none)"
    kept = ["settings", "metrics"]
    if not isinstance(error, MnistexpError | KeyboardInterrupt):
        kept.append("traceback.txt")
    if progress.checkpoints is not None and not progress.checkpoints.is_empty:
        kept.append("checkpoint")
    if progress.recording is not None and _has_frames(progress.recording):
        run = tracker.run_id[:8] if tracker.run_id else progress.recording
        kept.append(f"recording (mnistexp watch {run})")
    return f"Kept: {', '.join(kept)}. The model is saved only at the end of a run"


def _has_frames(recording: Path) -> bool:
    try:
        return bool(Recording(recording).frames)
    except RecordingError:
        return False
