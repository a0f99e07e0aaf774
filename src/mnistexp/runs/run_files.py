"""The files of a run, and how its model is loaded without mnistexp."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mnistexp.dashboard.recording import RECORDING_TAG
from mnistexp.tracking import FOLDER_TAG, RunRecord, RunStore
from mnistexp.tracking.relocation import local_path

KERAS_FILE = "data/model.keras"
"""The file of a network in the folder of its model."""
QUIET_KERAS = 'import os; os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"; import keras'
"""With few of TensorFlow's notices; one says `failed call to cuInit` where no GPU is."""
SKOPS_FILE = "model.skops"


@dataclass(frozen=True)
class RunFiles:
    """Where the files of a run are: local paths, or addresses of a server. None: there are none.

    artifacts: what MLflow shows. model: the folder of the model. output: the output folder, with
    the recording and TensorBoard's files.
    """

    artifacts: str
    model: str | None
    output: str | None

    @property
    def local_folders(self) -> list[Path]:
        """The folders that exist on this computer."""
        found = [self.artifacts, self.model, self.output]
        folders = [local_path(location) for location in found if location is not None]
        return [folder for folder in folders if folder.is_dir()]


def find_run_files(store: RunStore, run: RunRecord) -> RunFiles:
    """Return where the files of a run are now."""
    output = run.tags.get(FOLDER_TAG)
    if output is None and RECORDING_TAG in run.tags:  # Of a version that did not record the folder.
        output = str(Path(run.tags[RECORDING_TAG]).parent)
    return RunFiles(
        artifacts=store.artifact_location(run.run_id),
        model=None if run.model_id is None else store.model_location(run.model_id),
        output=None if output is None else store.current_location(output),
    )


def loading_code(files: RunFiles) -> Sequence[str]:
    """Return the lines of Python that load the model of a run without mnistexp; none without one.

    A network is loaded with Keras, a scikit-learn model with skops. Both predict from raw pixels.
    """
    folder = local_path(files.model) if files.model is not None else None
    if folder is not None and (folder / KERAS_FILE).is_file():
        return (
            QUIET_KERAS,
            f"model = keras.saving.load_model({str(folder / KERAS_FILE)!r}, compile=False)",
            "weights = model.get_weights()",
        )
    if folder is not None and (folder / SKOPS_FILE).is_file():
        file = str(folder / SKOPS_FILE)
        return (
            "import skops.io",
            f"types = skops.io.get_untrusted_types(file={file!r})  # Read them if it is not yours.",
            f"model = skops.io.load({file!r}, trusted=types)",
        )
    return ()
