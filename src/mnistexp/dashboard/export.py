"""Save a recorded run as a picture or as a movie."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.errors import RecordingError

if TYPE_CHECKING:
    from matplotlib.animation import AbstractMovieWriter

FRAMES_PER_SECOND = 24


def check_export_file(file: Path) -> None:
    """Check that a picture or movie can be written, before a recording is read.

    Raises:
        RecordingError: the suffix is not .mp4, .gif or .png, the folder does not exist, or ffmpeg
            is missing for an .mp4.
    """
    if file.suffix not in (".mp4", ".gif", ".png"):
        raise RecordingError(f"--save: expected a name with .mp4, .gif or .png. Received: {file}")
    if not file.absolute().parent.is_dir():
        raise RecordingError(f"--save: expected an existing folder. Received: {file.parent}")
    if file.suffix == ".mp4":
        find_ffmpeg()


def export(
    recorded_run: RecordedRun, file: Path, speed: float | None = None
) -> Iterator[tuple[int, int]]:
    """Write the last picture (.png) or a movie (.mp4, .gif), which has 24 pictures a second.

    Args:
        speed: of the movie, as a multiple of the training's speed. Default: one picture per frame.

    Yields:
        The number of pictures that are done, and the total.

    Raises:
        RecordingError: see `check_export_file`; or there is no frame.
    """
    check_export_file(file)
    if file.suffix == ".png":
        save_picture(recorded_run, file)
        yield 1, 1
    else:
        yield from _save_movie(recorded_run, file, movie_frames(recorded_run, speed))


def save_picture(recorded_run: RecordedRun, file: Path) -> None:
    """Write the six panels at the end of the recording as a PNG.

    Raises:
        RecordingError: there is no frame.
    """
    from mnistexp.dashboard.figure import DashboardFigure

    figure = DashboardFigure(recorded_run)
    figure.draw_frame(recorded_run.last_index)
    file.write_bytes(figure.to_png())


def movie_frames(recorded_run: RecordedRun, speed: float | None) -> list[int]:
    """Return the index of the frame that each picture of a movie shows.

    Raises:
        RecordingError: there is no frame.
    """
    if speed is None:
        return list(range(recorded_run.last_index + 1))
    frames = recorded_run.recording.frames[: recorded_run.last_index + 1]
    indices: list[int] = []
    for index, frame in enumerate(frames):
        seconds = (frame.seconds - frames[0].seconds) / speed
        num_pictures = round(seconds * FRAMES_PER_SECOND) + 1
        indices += [index] * (num_pictures - len(indices))
    return indices


def find_ffmpeg() -> str:
    """Return the path of ffmpeg: that of the system, or that of the extra `movie`.

    Raises:
        RecordingError: ffmpeg is not installed.
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


def _save_movie(
    recorded_run: RecordedRun, file: Path, indices: list[int]
) -> Iterator[tuple[int, int]]:
    from mnistexp.dashboard.figure import DPI, DashboardFigure

    figure = DashboardFigure(recorded_run)
    writer = _movie_writer(file)
    with writer.saving(figure, str(file), DPI):
        for number, index in enumerate(indices):
            figure.draw_frame(index)
            writer.grab_frame()
            yield number + 1, len(indices)


def _movie_writer(file: Path) -> "AbstractMovieWriter":
    import matplotlib
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if file.suffix == ".gif":
        return PillowWriter(fps=FRAMES_PER_SECOND)
    matplotlib.rcParams["animation.ffmpeg_path"] = find_ffmpeg()
    # Every player supports this pixel format.
    return FFMpegWriter(
        fps=FRAMES_PER_SECOND, codec="libx264", extra_args=["-pix_fmt", "yuv420p", "-crf", "20"]
    )
