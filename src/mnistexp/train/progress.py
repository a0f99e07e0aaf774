"""What a user sees while it trains: a bar in a terminal, plain lines elsewhere.

Imports Keras, so it is imported where it is used.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import keras
from rich import get_console
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from mnistexp.train.history import History

LINE_SECONDS = 5.0
"""Without a terminal there is a line at most every so many seconds, and one at the end."""


@dataclass(frozen=True)
class Length:
    """How long it trains: the number of steps, and how many of them make an epoch."""

    num_steps: int
    steps_per_epoch: float

    def epoch(self, step: int) -> str:
        """`epoch 2/5` of a step that counts from 1."""
        current, last = (ceil(at / self.steps_per_epoch) for at in (step, self.num_steps))
        return f"epoch {current}/{last}"


def build_progress(history: History, length: Length) -> keras.callbacks.Callback:
    """A bar if the output is a terminal, else lines."""
    console = get_console()  # The one of all, on which a sweep may have its line already.
    return (Bar if console.is_terminal else Lines)(history, length, console)


class Bar(keras.callbacks.Callback):
    """A bar that vanishes at the end, and the latest metrics below it."""

    def __init__(self, history: History, length: Length, console: Console) -> None:
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
        """Move the bar."""
        assert logs is not None
        step = int(logs["step"])
        self._bar.update(self._task, completed=step, description=self._length.epoch(step))
        self._live.update(Group(self._bar, Text(describe(self._history), style="dim")))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Give the terminal back, also after a failure."""
        self._live.stop()


class Lines(keras.callbacks.Callback):
    """A line now and then."""

    def __init__(self, history: History, length: Length, console: Console) -> None:
        super().__init__()
        self._history = history
        self._length = length
        self._last_line = time.monotonic()
        self._line = ""

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Print a line if it is time."""
        assert logs is not None
        step = int(logs["step"])
        progress = f"{self._length.epoch(step)}  step {step}/{self._length.num_steps}"
        self._line = f"{progress}  {describe(self._history)}"
        if time.monotonic() - self._last_line >= LINE_SECONDS:
            self._print()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Print how it ended."""
        self._print()

    def _print(self) -> None:
        if self._line:
            print(self._line, flush=True)
        self._line = ""
        self._last_line = time.monotonic()

    def close(self) -> None:
        """There is nothing to give back."""


FORMATS = {
    "train_loss": "loss {:.4f}",
    "train_accuracy": "accuracy {:.4f}",
    "val_accuracy": "val_accuracy {:.4f}",
    "test_accuracy": "test_accuracy {:.4f}",
    "learning_rate": "lr {:.2e}",
    "images_per_second": "{:,.0f} images/s",
}


def describe(history: History) -> str:
    """The latest metrics in one line."""
    latest = {name: history.last(name) for name in FORMATS}
    return "  ".join(
        FORMATS[name].format(value) for name, value in latest.items() if value is not None
    )
