"""A recording with the digits it refers to, and the pictures and the movie that are made of it."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from mnistexp.dashboard.recording import Recording
from mnistexp.dashboard.time_series import TimeSeries, build_time_series
from mnistexp.data import DataConfig, load_data
from mnistexp.errors import RecordingError

if TYPE_CHECKING:
    from matplotlib.animation import AbstractMovieWriter

FRAMES_PER_SECOND = 24
SIZE_INCHES = (14.4, 8.1)
DPI = 100
"""1440 × 810 pixels."""
MOVIES = (".mp4", ".gif")


class RecordedRun:
    """A recording, the images that it refers to, and its columns."""

    def __init__(self, file: Path) -> None:
        """Open a recording.

        Raises:
            RecordingError: it cannot be read, or the data is no longer what it was.
            DataError: the data cannot be read.
        """
        self.recording = Recording(file)
        header = self.recording.header
        data = load_data(DataConfig(**header.data))
        if data.digest != header.data_digest:
            raise RecordingError(
                f"{file}: expected {data.name} as it was recorded. Received: other data files"
            )
        self.train, self.test = data.train, data.test
        self._track: TimeSeries | None = None

    @property
    def track(self) -> TimeSeries:
        """The columns of what was read so far; there is at least one moment."""
        if self._track is None or len(self._track.steps) != len(self.recording.moments):
            self._track = build_time_series(self.recording)
        return self._track


def check_savable(file: Path) -> None:
    """Refuse a file that cannot be written, before anything is read.

    Raises:
        RecordingError: its ending is none of .mp4, .gif and .png, its folder is not there, or
            ffmpeg is not installed for an .mp4.
    """
    if file.suffix not in (*MOVIES, ".png"):
        raise RecordingError(f"--save: expected a name with .mp4, .gif or .png. Received: {file}")
    if not file.absolute().parent.is_dir():
        raise RecordingError(f"--save: expected an existing folder. Received: {file.parent}")
    if file.suffix == ".mp4":
        find_ffmpeg()


def save(film: RecordedRun, file: Path, speed: float | None = None) -> Iterator[tuple[int, int]]:
    """Write the last picture, or the movie with 24 frames a second, by the file's ending.

    Args:
        speed: times as fast as it was trained. Default: a frame for each moment.

    Yields:
        The number of frames that are done, and of all.

    Raises:
        RecordingError: see `check_savable`; or there is no moment yet.
    """
    check_savable(file)
    if not film.recording.moments:
        raise RecordingError(f"{film.recording.file}: there is no moment in it yet")
    if file.suffix == ".png":
        save_picture(film, file)
        yield 1, 1
    else:
        yield from _save_movie(film, file, frames(film, speed))


def save_picture(film: RecordedRun, file: Path) -> None:
    """Write the six panels as they are at the end, as PNG."""
    from matplotlib.figure import Figure

    from mnistexp.dashboard.panels import Panels

    figure = Figure(figsize=SIZE_INCHES, dpi=DPI)
    Panels(figure, film).show(len(film.recording.moments) - 1)
    figure.savefig(file, format="png")


def frames(film: RecordedRun, speed: float | None) -> list[int]:
    """The moment that each frame shows."""
    moments = film.recording.moments
    if speed is None:
        return list(range(len(moments)))
    shown: list[int] = []
    for index, moment in enumerate(moments):
        due = round((moment.seconds - moments[0].seconds) / speed * FRAMES_PER_SECOND) + 1
        shown += [index] * (due - len(shown))
    return shown


def _save_movie(film: RecordedRun, file: Path, indices: list[int]) -> Iterator[tuple[int, int]]:
    from matplotlib.figure import Figure

    from mnistexp.dashboard.panels import Panels

    figure = Figure(figsize=SIZE_INCHES, dpi=DPI)
    panels = Panels(figure, film)
    writer = _writer(file)
    with writer.saving(figure, str(file), DPI):
        for number, index in enumerate(indices):
            panels.show(index)
            writer.grab_frame()
            yield number + 1, len(indices)


def _writer(file: Path) -> "AbstractMovieWriter":
    import matplotlib
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if file.suffix == ".gif":
        return PillowWriter(fps=FRAMES_PER_SECOND)
    matplotlib.rcParams["animation.ffmpeg_path"] = find_ffmpeg()
    # Every player plays this colour format.
    return FFMpegWriter(
        fps=FRAMES_PER_SECOND, codec="libx264", extra_args=["-pix_fmt", "yuv420p", "-crf", "20"]
    )


def find_ffmpeg() -> str:
    """The program: that of the system, or that of the extra `movie`.

    Raises:
        RecordingError: there is none.
    """
    installed = which("ffmpeg")
    if installed:
        return installed
    if find_spec("imageio_ffmpeg") is None:
        raise RecordingError(
            "--save: expected ffmpeg to be installed for .mp4. Received: none. Install it, or "
            "pip install 'mnistexp[movie]', or save as .gif"
        )
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())
