"""The exceptions of expected failures. The command line prints their messages, no traceback."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MAX_WORD_LENGTH = 300
"""Longer than the paths and addresses that a message may have to show."""
MAX_LINE_LENGTH = 1_500
LONG_WORD = re.compile(rf"\S{{{MAX_WORD_LENGTH + 1},}}")


class MnistexpError(Exception):
    """An expected failure. Its message explains it completely, in one line.

    `exit_code` is the exit code of the command line: 1 for a failed run, 2 for wrong input.
    """

    exit_code = 1

    def __str__(self) -> str:
        """Return the message as it can be printed; see `printable`."""
        return printable(super().__str__())


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


class OutOfMemory(MnistexpError):
    """The training needs more memory than the device has."""


class SweepFailed(MnistexpError):
    """Jobs of a sweep failed. All other jobs have ended."""


class Pruned(MnistexpError):
    """A search stopped this trial early, because its metric is worse than that of other trials."""


def printable(text: str) -> str:
    """Return a text without control characters, whose words and lines are not too long.

    A message contains what it received, which may be anything: a page of text, or codes that change
    the colors of the terminal. Line breaks remain.
    """
    visible = "".join(
        char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text
    )
    words_cut = LONG_WORD.sub(lambda word: _cut_middle(word[0], MAX_WORD_LENGTH), visible)
    return "\n".join(_cut_middle(line, MAX_LINE_LENGTH) for line in words_cut.split("\n"))


def _cut_middle(text: str, length: int) -> str:
    """Leave out the middle: what a message expects is at its start, what to do at its end."""
    if len(text) <= length:
        return text
    half = length // 2 - 1
    return f"{text[:half]}…{text[-half:]}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean x or y?`, or an empty text if no known name is similar."""
    nearest = get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f" Did you mean {join_with_or(nearest)}?" if nearest else ""


def join_with_or(names: Sequence[str]) -> str:
    """Return `a`, `a or b`, `a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
