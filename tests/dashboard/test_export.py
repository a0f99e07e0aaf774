"""Movies and pictures of `mnistexp watch --save`."""

import itertools
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from support import Command

from mnistexp.dashboard.export import movie_frames
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import RecordingWriter


def save(mnistexp: Command, run: RecordedRun, name: str) -> str:
    """Run `mnistexp watch --save NAME` and return its output."""
    result = mnistexp("watch", str(run.recording.file), "--save", name)
    assert result.exit_code == 0, result.err
    return result.out


def test_an_mp4_has_one_picture_per_frame_and_24_a_second(
    opened_run: RecordedRun, mnistexp: Command
) -> None:
    assert save(mnistexp, opened_run, "a.mp4") == "a.mp4: 11 pictures\n"
    decode = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", "a.mp4", "-f", "rawvideo"]
    decoded = subprocess.run([*decode, "-pix_fmt", "gray", "-"], capture_output=True, check=True)
    pictures = np.frombuffer(decoded.stdout, "u1").reshape(-1, 810, 1440)
    assert len(pictures) == 11
    assert b"24 fps" in decoded.stderr
    assert all((a != b).any() for a, b in itertools.pairwise(pictures))


def test_a_gif_has_one_picture_per_frame_and_24_a_second(
    opened_run: RecordedRun, mnistexp: Command
) -> None:
    save(mnistexp, opened_run, "a.gif")
    with Image.open("a.gif") as gif:
        assert gif.n_frames == 11  # type: ignore[attr-defined]
        assert gif.info["duration"] == 40  # A GIF counts hundredths of a second, so 25 a second.


def test_a_png_is_the_last_picture(opened_run: RecordedRun, mnistexp: Command) -> None:
    assert save(mnistexp, opened_run, "a.png") == "a.png: 1 picture\n"
    with Image.open("a.png") as picture:
        assert picture.size == (1440, 810)


def test_the_speed_of_a_movie_sets_its_duration(opened_run: RecordedRun) -> None:
    frames = opened_run.recording.frames
    seconds = frames[-1].seconds - frames[0].seconds
    indices = movie_frames(opened_run, speed=0.5)
    assert len(indices) == pytest.approx(2 * seconds * 24, abs=2)
    assert indices[-1] == 10


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.avi", "--save: expected a name with .mp4, .gif or .png. Received: a.avi"),
        ("no/a.gif", "--save: expected an existing folder. Received: no"),
    ],
)
def test_a_file_that_cannot_be_saved_is_rejected(
    mnistexp: Command, name: str, message: str
) -> None:
    result = mnistexp("watch", "--save", name)
    assert result.exit_code == 2
    assert message in result.err
    assert not list(Path.cwd().iterdir())


def test_an_mp4_without_ffmpeg_is_rejected_with_advice(
    opened_run: RecordedRun, mnistexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistexp.dashboard.export.which", lambda _: None)
    monkeypatch.setattr("mnistexp.dashboard.export.find_spec", lambda _: None)
    result = mnistexp("watch", str(opened_run.recording.file), "--save", "a.mp4")
    assert result.exit_code == 2
    assert "pip install 'mnistexp[movie]', or save as .gif" in result.err


def test_export_of_a_recording_without_frames_is_rejected(
    opened_run: RecordedRun, mnistexp: Command
) -> None:
    header = opened_run.recording.header
    RecordingWriter(Path("empty"), header).close("KeyboardInterrupt")
    for name in ("a.png", "a.gif"):
        result = mnistexp("watch", "empty", "--save", name)
        assert result.exit_code == 2
        assert "empty: this recording has no frame since the run ended before" in result.err
        assert not Path(name).exists()
