"""Finding the recording of a run, with `mnistexp watch` and in a notebook."""

import tempfile
from pathlib import Path

import pytest
from recordings import write_recording
from support import Command, TrackedRun

from mnistexp import watch
from mnistexp.dashboard.figure import PANELS, DashboardFigure
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.errors import RecordingError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: expected a run of the store, the folder of a run"),
        (["."], "expected a folder with a recording below it. Received: none"),
        ([], "runs: expected a folder with a recording below it"),
    ],
)
def test_a_run_that_does_not_exist_is_rejected(
    mnistexp: Command, arguments: list[str], message: str
) -> None:
    result = mnistexp("watch", *arguments)
    assert result.exit_code == 2
    assert message in result.err
    assert not list(Path.cwd().iterdir())


def test_a_run_is_found_by_file_folder_id_and_name_and_among_its_artifacts(
    recorded_run: TrackedRun, mnistexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, run_id = recorded_run.result.recording, recorded_run.result.run_id
    assert file is not None
    assert run_id is not None
    uri = f"sqlite:///{recorded_run.folder}/mlflow.db"

    def picture_of(run: str) -> bytes:
        result = mnistexp("watch", run, "--uri", uri, "--save", "a.png")
        assert result.exit_code == 0, result.err
        return Path("a.png").read_bytes()

    expected = picture_of(str(file))
    assert picture_of(str(file.parent)) == expected
    assert picture_of(run_id) == expected
    assert picture_of("recorded") == expected
    temporary = Path("temporary").absolute()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    moved = file.rename(file.with_suffix(".moved"))
    try:
        assert picture_of(run_id) == expected
    finally:
        moved.rename(file)
    assert not list(temporary.iterdir())


def test_a_run_without_a_recording_is_rejected_with_advice(
    two_layers_run: TrackedRun, mnistexp: Command
) -> None:
    assert two_layers_run.result.run_id is not None
    uri = f"sqlite:///{two_layers_run.folder}/mlflow.db"
    result = mnistexp("watch", two_layers_run.result.run_id, "--uri", uri)
    assert result.exit_code == 2
    assert "expected a run that was recorded, with dashboard=record" in result.err


def test_a_recording_of_other_data_files_is_rejected(tmp_path: Path) -> None:
    write_recording(tmp_path / "r", 1)
    with pytest.raises(RecordingError, match="expected the mnist files that were recorded"):
        RecordedRun(tmp_path / "r")


def test_watch_returns_a_figure_that_a_notebook_shows(recorded_run: TrackedRun) -> None:
    assert recorded_run.result.recording is not None
    figure = watch(recorded_run.result.recording)
    assert isinstance(figure, DashboardFigure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert len([axes for axes in figure.axes if axes.get_label() in PANELS]) == 6
