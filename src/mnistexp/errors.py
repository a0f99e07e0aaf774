"""The exceptions of expected failures. The command line prints their messages, no traceback."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class MnistexpError(Exception):
    """An expected failure. Its message explains it completely, in one line.

    `exit_code` is the exit code of the command line: 1 for a failed run, 2 for wrong input.
    """

    exit_code = 1


class InputError(MnistexpError):
    """Wrong input. Raised before anything is computed."""

    exit_code = 2


class ConfigError(InputError):
    """A setting is unknown, has a wrong type or value, or contradicts another setting."""


class DataError(InputError):
    """A data file is missing, corrupt or has a wrong shape."""


class DeviceError(InputError):
    """The requested device does not exist or cannot be configured."""


class TrackingError(InputError):
    """The tracking store cannot be reached, read or written, or it has no such experiment."""


class StoreError(MnistexpError):
    """The tracking store failed during a run."""


class PortError(InputError):
    """The requested port of this computer is in use."""


class RecordingError(InputError):
    """A recording of a training cannot be found, read or shown."""


class ModelError(InputError):
    """A model is not in the store, or cannot be used here."""


class ImageError(InputError):
    """A file is not an image that can be read."""


class TrainingDiverged(MnistexpError):
    """The loss became NaN or infinite.

    step: the step after which it was measured.
    """

    def __init__(self, message: str, step: int = 0) -> None:
        super().__init__(message)
        self.step = step


class SweepFailed(MnistexpError):
    """Jobs of a sweep failed. All other jobs have ended."""


class Pruned(MnistexpError):
    """A search stopped this trial early, because its metric is worse than that of other trials."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean x or y?`, or an empty text if no known name is similar."""
    nearest = get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f" Did you mean {join_with_or(nearest)}?" if nearest else ""


def join_with_or(names: Sequence[str]) -> str:
    """Return `a`, `a or b`, `a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
