"""Handling of Ctrl-C (SIGINT) and SIGTERM: both end a run with an exception in the main thread."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

REPEAT_DELAY_SECONDS = 0.1


class Terminated(KeyboardInterrupt):
    """SIGTERM. A subclass of KeyboardInterrupt, so that both close a run in the same way."""


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Raise `Terminated` in the main thread on SIGTERM, within this context.

    In other threads this does nothing, because Python handles signals in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


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
        is_sigterm = issubclass(unraisable.exc_type, Terminated)
        number = signal.SIGTERM if is_sigterm else signal.SIGINT
        timer = threading.Timer(REPEAT_DELAY_SECONDS, _signal_main_thread, [number])
        timer.daemon = True  # It must not keep a process alive that has ended by then.
        timer.start()


def _signal_main_thread(number: signal.Signals) -> None:
    """Send a signal to the main thread, because nothing else interrupts it while it waits."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, number)
