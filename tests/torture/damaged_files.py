"""Damaged and crafted files of models and recordings: each gives one line, or a usable result."""

import io
import random
import shutil
import zipfile
from collections.abc import Callable
from contextlib import chdir
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from recordings import random_frame, write_records
from support import run_command

from mnistexp.config.compose import compose_config
from mnistexp.dashboard.figure import DashboardFigure, View
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import Header
from mnistexp.data import load_data
from mnistexp.errors import InputError
from mnistexp.inference import load_model
from mnistexp.runs.run_selection import select_model
from mnistexp.tracking import MlflowTracking, RunStore
from mnistexp.tracking.model_registry import fetch_model
from torture.counts import Counts

SMALL = ("data.train_size=1000", "tracking.figures=false")
MODELS = {
    "two_layers": ["train.steps=5"],
    "conv": ["train.steps=1"],
    "random_forest": ["model.n_estimators=5"],
    "logistic_regression": [],
}
MAX_MESSAGE = 2_000
ODD_VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    10**12,
    1e308,
    float("nan"),
    "",
    "\r\nx",
    b"\xff",
    [],
    [1],
    {},
    {"a": 1},
)


def load_damaged_models(number: int, seed: int | None = None) -> Counts:
    """Damage a file of a stored model, load it and predict.

    Args:
        seed: of the random damages. Default: others each time.
    """
    choice = random.Random(seed)
    lost = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        with chdir(folder):
            for model, settings in MODELS.items():
                names = f"model={model}", f"tracking.run_name={model}"
                assert run_command(*SMALL, *names, *settings) == 0
        store = RunStore(MlflowTracking(type="mlflow", uri=f"sqlite:///{folder}/mlflow.db"))
        for index in range(number):
            run = list(MODELS)[index % len(MODELS)]
            lost.append(_load_damaged(store, run, folder / "original", choice))
    return Counts("damaged files of models", number, tuple(filter(None, lost)))


def open_crafted_recordings(number: int, seed: int | None = None) -> Counts:
    """Change values of a recording, or bytes of its file, then open it and draw its last frame.

    Args:
        seed: as above.
    """
    choice = random.Random(seed)
    digest = load_data(compose_config([])[0].data).digest
    header = Header("random", None, 1000, 100, {"name": "mnist"}, digest)
    lost = []
    with TemporaryDirectory() as name:
        file = Path(name) / "training.recording"
        for _ in range(number):
            description = _write_crafted(file, header, choice)
            fault = _fault(lambda: _draw_last_frame(file))
            lost.append(fault and f"{description}: {fault}")
    return Counts("crafted and damaged recordings", number, tuple(filter(None, lost)))


def _load_damaged(store: RunStore, run: str, copy: Path, choice: random.Random) -> str:
    stored = select_model(store, run)
    folder = Path(fetch_model(store, stored))
    shutil.copytree(folder, copy)
    try:
        file = choice.choice([path for path in sorted(folder.rglob("*")) if path.is_file()])
        content = file.read_bytes()
        is_archive = zipfile.is_zipfile(file) and choice.random() < 0.7
        file.write_bytes((_damage_member if is_archive else damage)(content, choice))
        fault = _fault(lambda: _predict(store, run))
        return fault and f"{run}, {file.relative_to(folder)}: {fault}"
    finally:
        shutil.rmtree(folder)
        shutil.move(copy, folder)


def _predict(store: RunStore, run: str) -> None:
    probabilities = load_model(select_model(store, run), store).predict_probabilities(
        np.zeros((3, 28, 28, 1), "u1")
    )
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)


def _draw_last_frame(file: Path) -> None:
    run = RecordedRun(file)
    DashboardFigure(run).draw_frame(run.last_index, View())


def _fault(use: Callable[[], None]) -> str:
    """Return what is wrong with the answer: anything but success or one line of an InputError."""
    try:
        use()
    except InputError as error:
        message = str(error)
        is_clear = "\n" not in message and len(message) <= MAX_MESSAGE and message.isprintable()
        return "" if is_clear else f"unclear message: {message!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _write_crafted(file: Path, header: Header, choice: random.Random) -> str:
    """Write a recording with a wrong value or damaged bytes, and return what is wrong."""
    frames = [asdict(random_frame(step, 10_000)) for step in range(3)]
    packed_header = asdict(header)
    parts = [packed_header, frames[-1], frames[-1]["snapshot"], frames[-1]["snapshot"]["on_test"]]
    part = choice.choice([*parts, frames[-1]["snapshot"]["on_batch"]])
    name, value = choice.choice([*part, "unknown"]), choice.choice(ODD_VALUES)
    is_crafted = choice.random() < 0.7
    if is_crafted:
        part[name] = value
    records = [{"header": packed_header}, *({"frame": frame} for frame in frames)]
    write_records(file, [*records, {"ending": "finished"}])
    if not is_crafted:
        file.write_bytes(damage(file.read_bytes(), choice))
    return f"{name}={value!r}" if is_crafted else "damaged bytes"


def _damage_member(content: bytes, choice: random.Random) -> bytes:
    """Damage a member of a ZIP file; its checksum is right again."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(result, "w") as new:
        chosen = choice.choice(old.namelist())
        for member in old.namelist():
            data = old.read(member)
            new.writestr(member, damage(data, choice) if member == chosen else data)
    return result.getvalue()


def damage(content: bytes, choice: random.Random) -> bytes:
    """Cut a content, change, insert or zero some of its bytes, or empty it."""
    changed = bytearray(content)
    kind = choice.choice(("cut", "flip", "insert", "zero", "empty"))
    position = choice.randrange(len(changed)) if changed else 0
    if kind == "cut":
        del changed[position:]
    elif kind == "insert":
        changed[position:position] = choice.randbytes(choice.randint(1, 50))
    elif kind == "zero":
        changed[position : position + 100] = bytes(len(changed[position : position + 100]))
    elif kind == "empty":
        changed.clear()
    else:
        for _ in range(choice.randint(1, 8) if changed else 0):
            changed[choice.randrange(len(changed))] ^= choice.randint(1, 255)
    return bytes(changed)
