"""Ctrl-C and SIGTERM that arrive when Python would discard them, or before a run starts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FINALIZER_SCRIPT = """
import signal, time
from mnistexp.signals import Terminated, repeat_lost_interrupts, sigterm_as_interrupt

class Resource:
    def __del__(self):
        {finalizer}

repeat_lost_interrupts()
signal.signal(signal.SIGINT, signal.default_int_handler)
with sigterm_as_interrupt():
    resource = Resource()
    try:
        del resource
        time.sleep(60)
    except KeyboardInterrupt as interrupt:
        print(type(interrupt).__name__)
"""

COMMAND_SCRIPT = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class SignalOnImport(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number})

from mnistexp.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, SignalOnImport())
sys.argv = ["mnistexp", "train.steps=1", "data.train_size=100"]
main()
"""


def run_script(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, cwd=folder
    )


@pytest.mark.parametrize(
    ("sent", "raised"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "Terminated")]
)
def test_a_signal_during_a_finalizer_is_raised_later_without_a_traceback(
    sent: str, raised: str, tmp_path: Path
) -> None:
    finalizer = f"signal.raise_signal(signal.{sent}); time.sleep(1)"
    process = run_script(FINALIZER_SCRIPT.format(finalizer=finalizer), tmp_path)
    assert (process.stdout, process.stderr) == (f"{raised}\n", "")


def test_another_exception_in_a_finalizer_is_still_printed(tmp_path: Path) -> None:
    process = run_script(FINALIZER_SCRIPT.format(finalizer="signal.alarm(1); 1 / 0"), tmp_path)
    assert process.stdout == ""
    assert "ZeroDivisionError" in process.stderr


def test_ctrl_c_while_the_command_is_imported_ends_it_silently(tmp_path: Path) -> None:
    script = COMMAND_SCRIPT.format(module="mnistexp.cli", number=int(signal.SIGINT))
    process = run_script(script, tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize(
    ("sent", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
@pytest.mark.parametrize("module", ["hydra", "tensorflow"])
def test_a_signal_during_an_import_ends_the_command_as_interrupted(
    module: str, sent: signal.Signals, exit_code: int, tmp_path: Path
) -> None:
    """TensorFlow is imported before the run is created in the store."""
    script = COMMAND_SCRIPT.format(module=module, number=int(sent))
    process = run_script(script, tmp_path)
    assert process.stderr.removeprefix("stopping …\n") == "interrupted\n"
    assert process.returncode == exit_code


def test_a_process_that_computes_after_ctrl_c_says_that_it_is_stopping(tmp_path: Path) -> None:
    script = """
import hashlib, os, signal, threading
from mnistexp.signals import acknowledge_interrupts
acknowledge_interrupts()
threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
try:
    for _ in range(100):  # Each takes seconds, without an instruction of Python.
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 20_000_000)
except KeyboardInterrupt:
    print("interrupted")
"""
    process = run_script(script, tmp_path)
    assert (process.stdout, process.stderr) == ("interrupted\n", "stopping …\n")


def test_the_handler_of_sigterm_is_restored(tmp_path: Path) -> None:
    from mnistexp.signals import Terminated, sigterm_as_interrupt

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), sigterm_as_interrupt():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
