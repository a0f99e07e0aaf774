"""Interrupt the first set-up of a store at random moments; the next start must use it."""

import random
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from support import free_port, start_command

from mnistexp.tracking import MlflowTracking
from mnistexp.tracking.store import open_store
from mnistexp.tracking.store_set_up import lock_file
from torture.counts import Counts

SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
SET_UP_SECONDS = 2.0
"""About the duration of a set-up. Later signals hit a complete store, which must be usable too."""
START_TIMEOUT_SECONDS = 120


def interrupt_set_ups(number: int) -> Counts:
    """Interrupt `mnistexp ui`, which only sets a store up before its server starts."""
    lost = []
    for index in range(number):
        with TemporaryDirectory() as folder:
            fault = _interrupt_one(Path(folder), SIGNALS[index % len(SIGNALS)])
        if fault:
            lost.append(fault)
    return Counts(
        "first set-up of a store interrupted (SIGKILL, SIGINT, SIGTERM)", number, tuple(lost)
    )


def _interrupt_one(folder: Path, number: signal.Signals) -> str:
    """Return what is wrong after an interruption; an empty text if nothing is."""
    database = folder / "mlflow.db"
    delay = random.uniform(0, SET_UP_SECONDS)
    process = start_command(folder, "ui", "--port", str(free_port()))
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not (lock_file(database).exists() or database.exists()):
        if time.monotonic() > deadline or process.poll() is not None:
            return f"the set-up did not begin: {process.communicate()[1]}"
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(number)
    process.communicate(timeout=START_TIMEOUT_SECONDS)
    try:
        client, experiment_id = open_store(
            MlflowTracking(type="mlflow", uri=f"sqlite:///{database}")
        )
        client.set_terminated(client.create_run(experiment_id).info.run_id)
    # Any exception counts: a store that cannot be used is what this part looks for.
    except Exception as error:
        return f"{number.name} after {delay:.3f} s: {error}"
    left = sorted({file.name for file in folder.iterdir()} - {"mlflow.db", "mlruns"})
    return f"{number.name} after {delay:.3f} s left {left}" if left else ""
