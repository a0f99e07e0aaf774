"""Ctrl-C, where Python would lose it."""

import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

AGAIN_SECONDS = 0.1


class Repeating:
    """Is told of exceptions that nobody can catch: a Ctrl-C is raised again, a moment later."""

    def __init__(self, others: Callable[[Any], Any]) -> None:
        """Args: others: is told of all others."""
        self._others = others

    def __call__(self, lost: Any) -> None:
        """Told by Python; see `sys.unraisablehook`."""
        if issubclass(lost.exc_type, KeyboardInterrupt):
            again = threading.Timer(AGAIN_SECONDS, _interrupt_main_thread)
            again.daemon = True  # If all is over by then, it was heard.
            again.start()
        else:
            self._others(lost)


def repeat_lost_interrupts() -> None:
    """From now on a Ctrl-C that falls into Python's tidying up is raised again, a moment later.

    What is raised in a finalizer or in the callback of a weak reference, Python prints with a
    traceback and forgets.
    """
    if not isinstance(sys.unraisablehook, Repeating):
        sys.unraisablehook = Repeating(sys.unraisablehook)


def _interrupt_main_thread() -> None:
    """By a signal, since that wakes it where it waits."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)
