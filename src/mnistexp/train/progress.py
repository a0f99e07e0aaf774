"""Progress display of a training: a bar in a terminal, plain lines elsewhere.

Imports Keras, so import this module only where a network is trained.
"""

import time
from collections.abc import Mapping
from typing import Any

import keras
from rich import get_console
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from mnistexp.tables import fit_parts
from mnistexp.train.config import TrainingLength
from mnistexp.train.history import History

LINE_SECONDS = 5.0
"""Minimum time between two lines. The last line is always printed."""
LINE_WIDTH = 80


def build_progress(history: History, length: TrainingLength) -> keras.callbacks.Callback:
    """Return the bar if the output is a terminal, else the lines."""
    console = get_console()  # The shared one, on which a sweep may show its own progress.
    return (ProgressBar if console.is_terminal else ProgressLines)(history, length, console)


class ProgressBar(keras.callbacks.Callback):
    """Shows a bar with the latest metrics below it; removes both at the end."""

    def __init__(self, history: History, length: TrainingLength, console: Console) -> None:
        super().__init__()
        self._history = history
        self._length = length
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
        )
        self._task = self._bar.add_task("compiling", total=length.num_steps)
        self._live = Live(self._bar, console=console, transient=True)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Show the bar."""
        self._live.start()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Update the bar and the metrics."""
        assert logs is not None
        step = int(logs["step"])
        self._bar.update(self._task, completed=step, description=self._length.epoch(step))
        self._live.update(Group(self._bar, Text(self._metrics(), style="dim")))

    def _metrics(self) -> str:
        return fit_parts(format_metrics(self._history) or [""], self._bar.console.width)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Remove the bar; also after a failure."""
        self._live.stop()


class ProgressLines(keras.callbacks.Callback):
    """Prints a line with the latest metrics every few seconds."""

    def __init__(self, history: History, length: TrainingLength, console: Console) -> None:
        super().__init__()
        self._history = history
        self._length = length
        self._last_line = time.monotonic()
        self._line = ""

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Print a line if the last one is old enough."""
        assert logs is not None
        step = int(logs["step"])
        position = [self._length.epoch(step), f"step {step}/{self._length.num_steps}"]
        self._line = fit_parts([*position, *format_metrics(self._history)], LINE_WIDTH)
        if time.monotonic() - self._last_line >= LINE_SECONDS:
            self._print()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Print the last line."""
        self._print()

    def _print(self) -> None:
        if self._line:
            print(self._line, flush=True)
        self._line = ""
        self._last_line = time.monotonic()


FORMATS = {
    "train_loss": "loss {:.4f}",
    "train_accuracy": "accuracy {:.4f}",
    "val_accuracy": "val {:.4f}",
    "test_accuracy": "test {:.4f}",
    "learning_rate": "lr {:.4g}",
    "images_per_second": "{:,.0f} images/s",
}
"""The metrics of a line, the most important first. Those that do not fit are left out."""


def format_metrics(history: History) -> list[str]:
    """Return the latest value of each metric that was measured, the most important first."""
    latest = {name: history.last(name) for name in FORMATS}
    return [FORMATS[name].format(value) for name, value in latest.items() if value is not None]
