"""What can go wrong, in the user's words: one line each, and no traceback."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class MnistexpError(Exception):
    """A failure that its message explains completely.

    `exit_code` is what the command line ends with: 1 for a run that failed, 2 for wrong input.
    """

    exit_code = 1


class InputError(MnistexpError):
    """The user's input cannot work. Found before anything is computed."""

    exit_code = 2


class ConfigError(InputError):
    """A setting is unknown, of the wrong type, out of range or at odds with another one."""


class DataError(InputError):
    """A data file is missing, corrupt or of the wrong shape."""


class DeviceError(InputError):
    """The device that was asked for is not there or cannot be set up."""


class TrackingError(InputError):
    """The tracking store cannot be reached or written."""


class RecordingError(InputError):
    """A recording of a training cannot be found, read or shown."""


class ModelError(InputError):
    """A model is not in the store, or is none that can be used here."""


class PictureError(InputError):
    """A file is no picture that can be read."""


class TrainingDiverged(MnistexpError):
    """The loss became NaN or infinite."""


class SweepFailed(MnistexpError):
    """Jobs of a sweep have failed; the others are done."""


class Pruned(MnistexpError):
    """A search has given up this trial, which is hopeless beside the others."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, told as Ctrl-C is, so that the run is closed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean x or y?`, or nothing where no known name is near."""
    nearest = get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f" Did you mean {join_with_or(nearest)}?" if nearest else ""


def join_with_or(names: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
