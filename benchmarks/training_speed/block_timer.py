"""The side of a contender in the conversation with the harness."""

import json
import os
import sys
import time
from typing import Any


class BlockTimer:
    """Times the blocks of a training, each of which begins when the harness says so.

    So many contenders can be set up at the same time, and only one of them computes.
    """

    def __init__(self) -> None:
        """Take the standard output away from the libraries."""
        sys.stdout.flush()
        self._output = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._begin = self._cpu_begin = 0.0

    def begin(self) -> None:
        """Wait for the harness, and start the clock. Exit if the harness has ended."""
        if not sys.stdin.readline():
            sys.exit(0)
        self._cpu_begin, self._begin = time.process_time(), time.perf_counter()

    def end(self) -> None:
        """Send the seconds since `begin`, and the computing time of all threads, to the harness."""
        seconds = time.perf_counter() - self._begin
        self.send([seconds, time.process_time() - self._cpu_begin])

    def send(self, value: Any) -> None:
        """Send a value as a line of JSON."""
        print(json.dumps(value), file=self._output, flush=True)
