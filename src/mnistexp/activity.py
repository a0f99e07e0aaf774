"""Say what the program does while something takes longer than a second."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

DELAY_SECONDS = 1.0
START_DELAY_SECONDS = 0.4
"""The delay for what a command does first."""


@contextmanager
def show_activity(
    text: str, stream: TextIO | None = None, *, is_first: bool = False
) -> Iterator[None]:
    """Print `text …` if the block takes longer than a second.

    A second run of a process, which imports nothing again, therefore prints nothing.

    Args:
        text: what is done, for example `loading TensorFlow`.
        stream: where to print. Default: the standard output. Commands that print data there
            need the standard error.
        is_first: this is the first thing that a command does. The text appears earlier, because
            the start of Python took some time.
    """
    ended = threading.Event()
    delay = START_DELAY_SECONDS if is_first else DELAY_SECONDS

    def print_if_slow() -> None:
        if not ended.wait(delay):
            print(f"{text} …", file=stream or sys.stdout, flush=True)

    thread = threading.Thread(target=print_if_slow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
