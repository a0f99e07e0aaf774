"""Continue a run from its checkpoint: the same MLflow run, or a new one with another length."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mnistexp.config.compose import resolve_config
from mnistexp.config.config import Config
from mnistexp.config.config_source import ConfigSource
from mnistexp.dashboard import RECORDING_NAME, ContinuedRecording
from mnistexp.data import load_data
from mnistexp.errors import InputError, StoreError
from mnistexp.learner.network import use_xla
from mnistexp.model import NetworkConfig
from mnistexp.optim import LENGTH_DEPENDENT_DECAYS
from mnistexp.runs.logged_config import (
    read_logged_settings,
    read_logged_source,
    with_recorded_threads,
)
from mnistexp.tracking import FOLDER_TAG, MlflowTracking, RunRecord, RunStore, Tracker
from mnistexp.tracking.journal import find_journals, is_being_sent
from mnistexp.tracking.journal_sync import sync_journal
from mnistexp.tracking.orphaned_runs import is_orphaned, process_state
from mnistexp.train import NO_CHECKPOINTS, Checkpoint, CheckpointFolder, Checkpoints, LogMetrics

CHECKPOINTS_TAG = "checkpoints"
"""Tag of a run: the folder of its checkpoints."""
RESUMED_TAG = "resumed_from"
"""Tag of a run that continues another one with another length: the id of that run."""
SENDING_SECONDS = 30.0
"""How long `resume` waits for the tracking process of a killed run."""
LENGTH_SETTINGS = ("train.epochs", "train.steps")
LENGTH = re.compile(r"(train\.(?:epochs|steps))=(\d+)")


@dataclass(frozen=True)
class Resumption:
    """Where a run continues.

    run_id: of the MLflow run that goes on; None for a new one.
    checkpoints: the last checkpoint, and the folder of the next ones.
    recording: the recording whose first frames are kept.
    known: steps and values of each metric that the store already has.
    tags: of a new run.
    """

    run_id: str | None = None
    checkpoints: Checkpoints = NO_CHECKPOINTS
    recording: Path | None = None
    known: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def continued_recording(self) -> ContinuedRecording | None:
        """The recording that goes on; None at the start of a training."""
        if self.start is None or self.recording is None:
            return None
        return ContinuedRecording(self.recording, self.start.segment_start, self.start.seconds)

    @property
    def start(self) -> Checkpoint | None:
        """Where the training begins; None for its start."""
        return self.checkpoints.start

    def skip_known_steps(self, log_metrics: LogMetrics) -> LogMetrics:
        """Return a function that logs the metrics of a training that the store does not have yet.

        The process may have ended some time after its last checkpoint, and with unsent metrics.
        """
        steps = {name: {step for step, _ in points} for name, points in self.known.items()}

        def log_new(metrics: Mapping[str, float], step: int) -> None:
            new = {n: value for n, value in metrics.items() if step not in steps.get(n, ())}
            if new:
                log_metrics(new, step)

        return log_new if steps else log_metrics

    def skip_known_values(self, metrics: Mapping[str, float], step: int) -> dict[str, float]:
        """Return the final metrics that the store does not have yet with this step and value."""
        return {
            name: value
            for name, value in metrics.items()
            if (step, value) not in self.known.get(name, ())
        }


NO_RESUMPTION = Resumption()


def plan_resumption(
    store: RunStore, run: RunRecord, overrides: Sequence[str]
) -> tuple[Config, ConfigSource, Resumption]:
    """Return the config, its source and the checkpoint with which a run continues.

    Args:
        overrides: of the length, `train.epochs=20`. A run with another length is a new run,
            because MLflow does not let a setting change, and the results of the old one stay.

    Raises:
        InputError: the run cannot be continued.
    """
    length = _parse_length(overrides)
    _check_ended(run)
    settings = read_logged_settings(store, run)
    settings.tracking.uri, settings.tracking.experiment = store.config.uri, store.config.experiment
    settings.tracking.offline = False  # Such a run is in the store by now.
    source = read_logged_source(run)
    logged = resolve_config(settings, source)
    if not isinstance(logged.model, NetworkConfig):
        raise InputError(
            f"{run.name}: expected a network, which is trained step by step. Received: "
            f"{logged.model.type}. Train it again: mnistexp rerun {run.run_id}"
        )
    for path, value in length.items():
        settings.train[path.partition(".")[2]] = value
    config = with_recorded_threads(resolve_config(settings, source), run)
    _check_data(store, run, config)
    _check_length(store, run, logged, config)
    resumption = resume_from_checkpoint(store, run)
    assert resumption.start is not None
    if _num_steps(config) < resumption.start.step:
        raise InputError(
            f"{overrides[-1]}: expected at least the {resumption.start.step:,} steps of the last "
            f"checkpoint. Received: {_num_steps(config):,} steps"
        )
    folder = folder_of(store, run)
    if _num_steps(config) != _num_steps(logged):
        resumption = _as_new_run(resumption, run)
        source = _with_length(source, length)
        config, source = _with_recorded_xla(config, source, logged, run)
        folder = folder.with_name(f"{folder.name}-{os.urandom(3).hex()}")
    return config, replace(source, folder=folder), resumption


def _check_length(store: RunStore, run: RunRecord, logged: Config, config: Config) -> None:
    """Refuse a finished run without a greater length, and a decay that would differ with it.

    Args:
        logged: the config of the run.
        config: the one with which it continues.
    """
    if run.status == "FINISHED" and _num_steps(config) <= _num_steps(logged):
        longer = f"mnistexp resume {run.run_id} train.epochs=N"
        if not _has_checkpoint(store, run):
            setting = "train.steps" if logged.train.steps is not None else "train.epochs"
            longer = f"mnistexp rerun {run.run_id} --print shows its command; set {setting}=N there"
        raise InputError(
            f"{run.name}: expected a run that has not finished, or a greater length. Received: "
            f"{run.run_id}, which finished its {_num_steps(logged):,} steps. To train longer: "
            f"{longer}"
        )
    is_new = _num_steps(config) != _num_steps(logged)
    if is_new and config.optim.decay.type in LENGTH_DEPENDENT_DECAYS:
        raise InputError(
            f"optim.decay: expected a decay that does not depend on the length of the training, "
            f"since the steps of {run.name} had other learning rates than those of a longer one. "
            f"Received: {config.optim.decay.type}. Train it from the start: mnistexp rerun "
            f"{run.run_id} --print shows the command"
        )


def resume_from_checkpoint(store: RunStore, run: RunRecord) -> Resumption:
    """Return the resumption of a run, in the same MLflow run, from its latest checkpoint.

    Raises:
        InputError: there is none that can be read.
        StoreError: the store does not take what it lacks of the run.
    """
    _send_journals(store, run)
    run = store.run(run.run_id) or run
    folder = _checkpoint_folder(store, run)
    start = folder.read_latest() if folder is not None else None
    if start is None:
        raise InputError(
            f"{run.name}: expected a checkpoint. Received: {run.run_id}, which has none here: it "
            "ended before the first one (train.checkpoint_every), or in another folder. Train it "
            f"again: mnistexp rerun {run.run_id} --print shows the command"
        )
    histories = store.histories([run.run_id], run.metrics)
    known = {name: list(curves.get(run.run_id, ())) for name, curves in histories.items()}
    recording = folder_of(store, run) / RECORDING_NAME
    return Resumption(run.run_id, Checkpoints(folder, start), recording, known)


def _send_journals(store: RunStore, run: RunRecord) -> None:
    """Send what the store lacks of a run, so that the points that it has are known."""
    deadline = time.monotonic() + SENDING_SECONDS
    for journal in find_journals(folder_of(store, run)):
        while is_being_sent(journal) and time.monotonic() < deadline:
            time.sleep(0.2)  # The tracking process of a killed run sends it.
        if not journal.exists():
            continue
        result = sync_journal(journal, store.uri)
        if not result.was_sent:
            raise StoreError(
                f"{run.name}: expected a run whose record is in the store. Received: {result}"
            )


def can_continue(store: RunStore, run: RunRecord) -> bool:
    """Return whether a run was interrupted, may reach its end, and has a checkpoint."""
    is_interrupted = (run.status in ("KILLED", "FAILED") and not run.diverged) or is_orphaned(run)
    return is_interrupted and _has_checkpoint(store, run)


def _has_checkpoint(store: RunStore, run: RunRecord) -> bool:
    folder = _checkpoint_folder(store, run)
    return folder is not None and not folder.is_empty


def open_checkpoints(
    config: Config, source: ConfigSource, resumption: Resumption, tracker: Tracker
) -> Checkpoints:
    """Return where the checkpoints of a run are written, and the one from which it continues."""
    checkpoints = resumption.checkpoints
    is_off = config.train.checkpoint_every is None or "train" in config.unused_sections
    if checkpoints.folder is not None or source.folder is None or is_off:
        return checkpoints
    if not isinstance(config.tracking, MlflowTracking):
        return checkpoints  # `mnistexp resume` finds runs in the store.
    # An earlier run may have had the same output folder, so this one has a name of its own.
    path = source.folder.absolute() / f"checkpoints-{os.urandom(3).hex()}"
    tracker.set_tags({CHECKPOINTS_TAG: path})
    return replace(checkpoints, folder=CheckpointFolder(path))


def _parse_length(overrides: Sequence[str]) -> dict[str, int | None]:
    """Return the settings of the length: those that are not named are null."""
    length: dict[str, int | None] = {}
    for override in overrides:
        match = LENGTH.fullmatch(override.lstrip("+"))
        if match is None or int(match[2]) == 0:
            raise InputError(
                "mnistexp resume: expected train.epochs=N or train.steps=N, since all other "
                f"settings are those of the run. Received: {override}"
            )
        length = dict.fromkeys(LENGTH_SETTINGS) | {match[1]: int(match[2])}
    return length


def _check_ended(run: RunRecord) -> None:
    if run.is_sweep:
        raise InputError(
            f"{run.name}: expected a run. Received: a sweep. The command of a sweep continues it"
        )
    if run.is_ensemble:
        raise InputError(
            f"{run.name}: expected a run that was trained. Received: an ensemble of other runs, "
            "which has no training to continue"
        )
    if run.status != "RUNNING" or process_state(run.tags) == "ended":
        return
    raise InputError(
        f"{run.name}: expected a run that has ended. Received: {run.run_id}, which is running in "
        f"process {run.tags.get('process', 'of another host')}. End it first"
    )


def _check_data(store: RunStore, run: RunRecord, config: Config) -> None:
    recorded, digest = store.data_digest(run.run_id), load_data(config.data).digest
    if recorded != digest:
        raise InputError(
            f"data: expected the data files with which {run.name} began, SHA-256 "
            f"{str(recorded)[:12]}. Received: {digest[:12]}"
        )


def _num_steps(config: Config) -> int:
    return config.train.num_steps(len(load_data(config.data).train))


def _checkpoint_folder(store: RunStore, run: RunRecord) -> CheckpointFolder | None:
    recorded = run.tags.get(CHECKPOINTS_TAG)
    return CheckpointFolder(Path(store.current_location(recorded))) if recorded else None


def folder_of(store: RunStore, run: RunRecord) -> Path:
    """Return the output folder of a run."""
    return Path(store.current_location(run.tags.get(FOLDER_TAG, "")))


def _as_new_run(resumption: Resumption, run: RunRecord) -> Resumption:
    checkpoints = replace(resumption.checkpoints, folder=None)
    return replace(
        resumption, run_id=None, checkpoints=checkpoints, known={}, tags={RESUMED_TAG: run.run_id}
    )


def _with_recorded_xla(
    config: Config, source: ConfigSource, logged: Config, run: RunRecord
) -> tuple[Config, ConfigSource]:
    """Return the config and the source with the XLA of the run, if its length decided about it.

    XLA rounds in another way, so the steps after a change would belong to neither training.
    """
    recorded = run.tags.get("xla")
    if recorded is None or _uses_xla(config) == _uses_xla(logged):
        return config, source
    device = config.device.model_copy(update={"xla": recorded})
    overrides = (*source.overrides, f"device.xla={recorded}")
    return config.model_copy(update={"device": device}), replace(source, overrides=overrides)


def _uses_xla(config: Config) -> bool:
    """Return whether XLA compiles the training on a CPU; a GPU does not look at the length."""
    assert isinstance(config.model, NetworkConfig)
    augments = not config.augmentation.is_off
    steps = _num_steps(config)
    return use_xla(config.model, config.device.xla, "cpu", num_steps=steps, augments=augments)


def _with_length(source: ConfigSource, length: Mapping[str, int | None]) -> ConfigSource:
    """Return the source with another length, so that its command makes the same run."""
    others = [
        text for text in source.overrides if text.partition("=")[0].lstrip("+~") not in length
    ]
    new = [f"{path}={value}" for path, value in length.items() if value is not None]
    return replace(source, overrides=(*others, *new))
