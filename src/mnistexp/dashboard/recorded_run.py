"""A recorded run: its recording, the images that it refers to, and its values as arrays."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnistexp.dashboard.recording import Frame, Recording
from mnistexp.data import DataConfig, load_data
from mnistexp.errors import RecordingError

LAB_SCALE = 100
"""The lab sums the loss over a batch of 100 images."""


@dataclass(frozen=True)
class TimeSeries:
    """The values of all frames, one array for each quantity.

    steps, learning_rates, losses (× 100), accuracies: float, [num_frames].
    test_indices: indices of the frames with an evaluation of the test images, [num_tests].
    test_losses (× 100), test_accuracies: [num_tests].
    quantiles: by name, [num_frames, 8].
    """

    steps: np.ndarray
    learning_rates: np.ndarray
    losses: np.ndarray
    accuracies: np.ndarray
    test_indices: np.ndarray
    test_losses: np.ndarray
    test_accuracies: np.ndarray
    quantiles: dict[str, np.ndarray]

    def num_tests(self, index: int) -> int:
        """Return the number of test evaluations up to and including a frame."""
        return int(np.searchsorted(self.test_indices, index, side="right"))


class RecordedRun:
    """A recording with the images that it refers to."""

    def __init__(self, file: Path) -> None:
        """Open a recording.

        Raises:
            RecordingError: the file cannot be read, or the data files have changed since.
            DataError: the data cannot be read. Missing files are not downloaded.
        """
        self.recording = Recording(file)
        header = self.recording.header
        try:
            # Without the address: a recording of someone else must not choose what is downloaded.
            config = DataConfig(**{**header.data, "url": None})
        except (TypeError, ValueError) as error:
            raise RecordingError(
                f"{file}: the data settings of this recording are wrong"
            ) from error
        data = load_data(config)
        if data.digest != header.data_digest:
            raise RecordingError(
                f"{file}: expected the {data.name} files that were recorded. "
                "Received: other data files"
            )
        self.train, self.test = data.train, data.test
        self.class_names = data.class_names
        if not all(map(self._has_images_of, self.recording.frames)):
            raise RecordingError(
                f"{file}: expected frames of the images of {data.name}. Received: other images"
            )
        self._series: TimeSeries | None = None

    def _has_images_of(self, frame: Frame) -> bool:
        batch, on_test = frame.snapshot.batch, frame.snapshot.on_test
        is_of_train = batch.max(initial=0) < len(self.train)
        augmented, num_pixels = frame.snapshot.augmented, math.prod(self.train.images.shape[1:])
        is_of_batch = augmented is None or augmented.size == len(batch) * num_pixels
        is_of_test = on_test is None or len(on_test.predictions) == len(self.test)
        return is_of_train and is_of_batch and is_of_test

    def batch_images(self, frame: Frame) -> np.ndarray:
        """Return the training images of a frame as its step saw them, uint8 [n, h, w, channels]."""
        snapshot = frame.snapshot
        if snapshot.augmented is None:
            images: np.ndarray = self.train.images[snapshot.batch]
        else:
            images = snapshot.augmented.reshape(-1, *self.train.images.shape[1:])
        return images

    @property
    def last_index(self) -> int:
        """Index of the last frame.

        Raises:
            RecordingError: there is no frame.
        """
        if not self.recording.frames:
            state = (
                "yet" if self.recording.is_running else "since the run ended before its first step"
            )
            raise RecordingError(f"{self.recording.file}: this recording has no frame {state}")
        return len(self.recording.frames) - 1

    @property
    def series(self) -> TimeSeries:
        """The time series of all frames that were read so far; there must be at least one."""
        if self._series is None or len(self._series.steps) != len(self.recording.frames):
            self._series = _build_time_series(self.recording.frames)
        return self._series


def _build_time_series(frames: list[Frame]) -> TimeSeries:
    snapshots = [frame.snapshot for frame in frames]
    tests = [(i, shot.on_test) for i, shot in enumerate(snapshots) if shot.on_test is not None]
    return TimeSeries(
        steps=np.array([snapshot.step for snapshot in snapshots], "f8"),
        learning_rates=np.array([snapshot.learning_rate for snapshot in snapshots]),
        losses=LAB_SCALE * np.array([snapshot.on_batch.loss for snapshot in snapshots]),
        accuracies=np.array([snapshot.on_batch.accuracy for snapshot in snapshots]),
        test_indices=np.array([index for index, _ in tests], int),
        test_losses=LAB_SCALE * np.array([evaluation.loss for _, evaluation in tests]),
        test_accuracies=np.array([evaluation.accuracy for _, evaluation in tests]),
        quantiles={
            name: np.stack([snapshot.quantiles[name] for snapshot in snapshots])
            for name in snapshots[0].quantiles
        },
    )
