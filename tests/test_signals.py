"""Ctrl-C at a moment at which Python would lose it."""

import subprocess
import sys

SCRIPT = """
import signal, time
from mnistexp.signals import repeat_lost_interrupts

class Tidied:
    def __del__(self):
        {}

repeat_lost_interrupts()
signal.signal(signal.SIGINT, signal.default_int_handler)
del_me = Tidied()
try:
    del del_me
    time.sleep(60)
except KeyboardInterrupt:
    print("heard")
"""


def run(tidying: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", SCRIPT.format(tidying)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50)


def test_ctrl_c_while_python_tidies_up_is_heard_without_a_traceback() -> None:
    process = run("signal.raise_signal(signal.SIGINT); time.sleep(1)")
    assert (process.stdout, process.stderr) == ("heard\n", "")


def test_another_failure_while_python_tidies_up_is_still_told() -> None:
    process = run("signal.alarm(1); 1 / 0")
    assert process.stdout == ""
    assert "ZeroDivisionError" in process.stderr
