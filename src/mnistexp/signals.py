"""Ctrl-C (SIGINT), SIGTERM and SIGHUP: they end a run with an exception in the main thread."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

REPEAT_DELAY_SECONDS = 0.1
ACKNOWLEDGE_SECONDS = 1.0
"""A process that takes longer to end after a signal says that it is ending."""
TERMINATION_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""The second one says that the terminal has been closed."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, its argument. As a KeyboardInterrupt, it closes a run like Ctrl-C."""


class PendingInterrupt:
    """The first signal that arrives, as an exception to raise at a suitable moment.

    error: None until a signal arrives. A second signal raises its exception at once.
    """

    def __init__(self) -> None:
        self.error: KeyboardInterrupt | None = None

    def receive(self, number: int, _: Any) -> None:
        """Handle a signal."""
        error = _exception_of(number)
        if self.error is not None:
            raise error
        self.error = error


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Raise `Terminated` in the main thread on SIGTERM and SIGHUP, within this context.

    In other threads this does nothing, because Python handles signals in the main thread only.
    """

    def interrupt(number: int, _: Any) -> None:
        raise _exception_of(number)

    with _handled(TERMINATION_SIGNALS, interrupt):
        yield


interrupt_reported = threading.Event()
"""Set when the user has been told that the process was interrupted."""


def acknowledge_interrupts() -> None:
    """Print `stopping …` a while after Ctrl-C, SIGTERM or SIGHUP, unless `interrupt_reported`.

    Python handles a signal between two instructions of its own. TensorFlow may compile or compute
    for seconds, in which only another thread can print.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_print_acknowledgment, args=[reading], daemon=True).start()


def _print_acknowledgment(pipe: int) -> None:
    """Args: pipe: from which the numbers of arriving signals can be read, a byte each."""
    while os.read(pipe, 1)[0] not in (signal.SIGINT, *TERMINATION_SIGNALS):
        pass
    if not interrupt_reported.wait(ACKNOWLEDGE_SECONDS):
        print("stopping …", file=sys.stderr, flush=True)


@contextmanager
def deferred_interrupts() -> Iterator[PendingInterrupt]:
    """Keep the exception of Ctrl-C, SIGTERM and SIGHUP, so that a step can end before.

    If nothing has raised it within this context, it is raised at the end. In other threads than the
    main one, no signal arrives.
    """
    pending = PendingInterrupt()
    with _handled((signal.SIGINT, *TERMINATION_SIGNALS), pending.receive):
        yield pending
    if pending.error is not None:
        raise pending.error


@contextmanager
def _handled(
    numbers: Sequence[signal.Signals], handler: Callable[[int, Any], None]
) -> Iterator[None]:
    """Handle signals in the main thread, except those that the process ignores (`nohup`)."""
    is_main = threading.current_thread() is threading.main_thread()
    previous = {number: signal.getsignal(number) for number in numbers if is_main}
    used = {number: old for number, old in previous.items() if old != signal.SIG_IGN}
    for number in used:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in used.items():
            signal.signal(number, old)


def _exception_of(number: int) -> KeyboardInterrupt:
    if number == signal.SIGINT:
        return KeyboardInterrupt()
    return Terminated(signal.Signals(number).name)


def repeat_lost_interrupts() -> None:
    """Send SIGINT or SIGTERM again if Python discarded its exception.

    Python prints and discards exceptions that are raised in a finalizer or in a weak reference
    callback, so a signal that arrives at such a moment would have no effect.
    """
    if not isinstance(sys.unraisablehook, InterruptRepeater):
        sys.unraisablehook = InterruptRepeater(sys.unraisablehook)


class InterruptRepeater:
    """A `sys.unraisablehook` that sends the signal of a discarded interrupt again."""

    def __init__(self, previous_hook: Callable[[Any], Any]) -> None:
        """Args: previous_hook: handles all other exceptions."""
        self._previous_hook = previous_hook

    def __call__(self, unraisable: Any) -> None:
        """Handle a discarded exception; see `sys.unraisablehook`."""
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._previous_hook(unraisable)
            return
        is_terminated = issubclass(unraisable.exc_type, Terminated)
        number = signal.SIGTERM if is_terminated else signal.SIGINT
        timer = threading.Timer(REPEAT_DELAY_SECONDS, _signal_main_thread, [number])
        timer.daemon = True  # It must not keep a process alive that has ended by then.
        timer.start()


def _signal_main_thread(number: signal.Signals) -> None:
    """Send a signal to the main thread, because nothing else interrupts it while it waits."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, number)
