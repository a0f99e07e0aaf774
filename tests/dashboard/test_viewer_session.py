"""The position in time, the keys and the zoom of one viewer."""

from pathlib import Path

import pytest
from recordings import HEADER, random_frame, write_recording

from mnistexp.dashboard.figure import PANELS, Point
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.recording import Recording, RecordingWriter
from mnistexp.dashboard.viewer_session import Player, ViewerSession


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_finished_training_is_replayed_at_the_chosen_speed(tmp_path: Path) -> None:
    write_recording(tmp_path / "r", 101)
    clock = Clock()
    player = Player(Recording(tmp_path / "r"), speed=2.0, clock=clock)
    assert player.advance(paused=False) == 0
    clock.now = 3.0
    assert (player.advance(paused=False), player.num_skipped) == (6, 5)
    clock.now = 100.0
    assert player.advance(paused=True) == 6
    clock.now = 101.0
    assert player.advance(paused=False) == 6
    clock.now = 102.0
    assert player.advance(paused=False) == 8
    clock.now = 200.0
    assert (player.advance(paused=False), player.is_at_end) == (100, True)
    player.restart()
    assert player.advance(paused=False) == 0


def test_a_replay_takes_30_seconds_by_default(tmp_path: Path) -> None:
    write_recording(tmp_path / "r", 101)
    assert Player(Recording(tmp_path / "r")).speed == pytest.approx(100 / 30)


def test_a_running_training_is_followed_and_a_pause_keeps_the_frame(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r", HEADER)
    recording = Recording(tmp_path / "r")
    player = Player(recording)
    assert player.speed is None
    assert player.advance(paused=False) == -1
    for step in range(3):
        writer.write(random_frame(step))
    recording.read_new()
    assert player.advance(paused=False) == 2
    writer.write(random_frame(3))
    recording.read_new()
    assert player.advance(paused=True) == 2
    assert player.advance(paused=False) == 3
    writer.close("finished")
    recording.read_new()
    assert player.is_at_end


@pytest.fixture
def session(opened_run: RecordedRun) -> ViewerSession:
    """A viewer that has reached the end of a replay."""
    session = ViewerSession(opened_run, speed=1e6)
    session.update()
    assert session.is_at_end
    return session


@pytest.mark.parametrize(
    ("key", "panels"),
    [
        *((str(number + 1), (name,)) for number, name in enumerate(PANELS)),
        ("7", ("accuracy", "loss")),
        ("8", ("first_quantiles", "second_quantiles")),
        ("9", ("batch", "test")),
        ("0", PANELS),
    ],
)
def test_keys_select_the_panels(session: ViewerSession, key: str, panels: tuple[str, ...]) -> None:
    session.press("1")
    session.press(key)
    assert session.update()
    axes = session.figure.panel_axes
    assert tuple(name for name in PANELS if axes[name].get_visible()) == panels
    assert session.layout == key


def test_the_figure_is_drawn_again_only_if_something_has_changed(session: ViewerSession) -> None:
    assert not session.update()
    session.press("7")
    assert session.update()
    assert not session.update()


def limits(session: ViewerSession, panel: str) -> tuple[float, ...]:
    session.update()
    axes = session.figure.panel_axes[panel]
    return (*axes.get_xlim(), *axes.get_ylim())


def corner(session: ViewerSession, panel: str, x: float, y: float) -> Point:
    """Return data coordinates of a panel as fractions of the figure."""
    pixels = session.figure.panel_axes[panel].transData.transform((x, y))
    fractions = pixels / session.figure.bbox.size
    return float(fractions[0]), float(fractions[1])


@pytest.mark.parametrize(
    ("panel", "box"), [("accuracy", (50, 150, 0.2, 0.6)), ("test", (100, 300, 400, 200))]
)
def test_a_zoom_lasts_until_h_is_pressed(
    session: ViewerSession, panel: str, box: tuple[float, float, float, float]
) -> None:
    default_limits = limits(session, panel)
    left, right, bottom, top = box
    session.zoom(corner(session, panel, right, top), corner(session, panel, left, bottom))
    assert limits(session, panel) == pytest.approx(box)
    for key in ("1", "0", " "):  # The last one replays the training.
        session.press(key)
    assert limits(session, panel) == pytest.approx(box)
    session.press("h")
    assert limits(session, panel) == default_limits


@pytest.mark.parametrize("end", [(0.2, 0.7), (0.2000001, 0.9)])
def test_a_box_without_an_area_does_not_zoom(session: ViewerSession, end: Point) -> None:
    session.zoom((0.2, 0.7), end)
    assert session.view.zoom == {}


def test_a_box_outside_of_all_panels_does_not_zoom(session: ViewerSession) -> None:
    session.zoom((0.0, 0.0), (0.5, 0.5))
    assert session.view.zoom == {}


def test_space_pauses_a_replay_and_replays_at_the_end(opened_run: RecordedRun) -> None:
    session = ViewerSession(opened_run, speed=0.001)
    session.update()
    session.press(" ")
    assert session.is_paused
    session.press(" ")
    assert not session.is_paused
    session = ViewerSession(opened_run, speed=1e6)
    session.update()
    assert session.step == 200
    session.press(" ")
    assert not session.is_paused
    assert not session.is_at_end
