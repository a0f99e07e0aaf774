"""The file of a journal: what is written can be read, also after a kill and on a full disk."""

import math
from pathlib import Path

import pytest

from mnistexp.errors import TrackingError
from mnistexp.tracking.journal import (
    RECORDS_NAME,
    JournalWriter,
    close_abandoned,
    find_journals,
    has_writer,
    is_being_sent,
    locked_for_sending,
    new_journal_folder,
    read_records,
    remove_journal,
)


def write(folder: Path, *values: float) -> Path:
    """Write metrics into a new journal, and return its file."""
    writer = JournalWriter(folder)
    for step, value in enumerate(values):
        writer.append("metrics", values={"train_loss": value}, step=step)
    writer.close()
    return folder / RECORDS_NAME


def losses(folder: Path) -> list[float]:
    return [record["values"]["train_loss"] for record in read_records(folder).records]


def test_what_is_written_is_read_in_its_order_without_rounding(tmp_path: Path) -> None:
    write(tmp_path / "a", math.pi, 1e-300, -0.1)
    assert losses(tmp_path / "a") == [math.pi, 1e-300, -0.1]


def test_values_that_are_no_numbers_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "a", math.nan, math.inf, -math.inf)
    assert list(map(repr, losses(tmp_path / "a"))) == ["nan", "inf", "-inf"]


def test_reading_goes_on_behind_the_last_record(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append("tags", values={"a": "ä\n"})
    first = read_records(tmp_path)
    writer.append("end", status="FINISHED")
    writer.close()
    second = read_records(tmp_path, first.position)
    assert [record["type"] for record in first.records + second.records] == ["tags", "end"]
    assert read_records(tmp_path, second.position).records == []


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_record_that_was_cut_is_left_out_and_the_journal_can_be_continued(
    cut: int, tmp_path: Path
) -> None:
    file = write(tmp_path, 1.0, 2.0, 3.0)
    file.write_bytes(file.read_bytes()[:-cut])
    assert losses(tmp_path) == [1.0, 2.0]
    write(tmp_path, 4.0)
    assert losses(tmp_path) == [1.0, 2.0, 4.0]


def test_an_altered_record_is_reported_and_the_records_before_it_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, 1.0, 2.0, 3.0)
    file.write_bytes(file.read_bytes().replace(b"2.0", b"2.5"))
    read = read_records(tmp_path)
    assert [record["values"] for record in read.records] == [{"train_loss": 1.0}]
    assert "records.jsonl: expected a record with its checksum at byte" in read.fault
    with pytest.raises(TrackingError, match="checksum"):
        JournalWriter(tmp_path)


def test_an_altered_last_record_is_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, 1.0, 2.0)
    file.write_bytes(file.read_bytes().replace(b"2.0", b"2.5"))
    assert (losses(tmp_path), read_records(tmp_path).fault) == ([1.0], "")


def test_only_one_process_writes_and_one_sends_a_journal(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    assert has_writer(tmp_path)
    with pytest.raises(TrackingError, match="that no process writes"):
        JournalWriter(tmp_path)
    writer.close()
    assert not has_writer(tmp_path)
    with locked_for_sending(tmp_path):
        assert is_being_sent(tmp_path)
        with pytest.raises(TrackingError, match="sends"), locked_for_sending(tmp_path):
            pass
    assert not is_being_sent(tmp_path)


def test_records_that_do_not_fit_on_the_disk_are_written_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = JournalWriter(tmp_path)
    full = OSError(28, "No space left on device")

    def fail(*_: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr("mnistexp.tracking.journal.append_whole", fail)
        writer.append("metrics", values={"train_loss": 1.0}, step=0)
        writer.append("metrics", values={"train_loss": 2.0}, step=1)
    assert losses(tmp_path) == []
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device. The training continues" in line
    writer.append("metrics", values={"train_loss": 3.0}, step=2)
    writer.close()
    assert losses(tmp_path) == [1.0, 2.0, 3.0]


def test_the_run_of_a_killed_process_is_closed_once(tmp_path: Path) -> None:
    write(tmp_path, 1.0)
    close_abandoned(tmp_path, "killed")
    close_abandoned(tmp_path, "killed again")
    tags, end = read_records(tmp_path).records[1:]
    assert (tags["values"], end["status"]) == ({"reason": "killed"}, "KILLED")


def test_the_run_of_a_killed_process_has_the_step_of_its_last_metric(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    for step in (900, 1200):
        writer.append("metrics", values={"train_loss": 1.0}, step=step)
    writer.append("metrics", values={"num_parameters": 7850}, step=0)
    writer.close()
    close_abandoned(tmp_path, "killed")
    assert read_records(tmp_path).records[-2]["values"]["ended_at"] == "at step 1,200"


def test_journals_of_runs_and_of_jobs_are_found(tmp_path: Path) -> None:
    run, job = tmp_path / "runs/a", tmp_path / "runs/b/0"
    folders = [new_journal_folder(run), new_journal_folder(job)]
    for folder in folders:
        write(folder, 1.0)
    second = new_journal_folder(run)
    write(second, 1.0)
    assert find_journals(tmp_path / "runs") == sorted([*folders, second])
    assert find_journals(run) == [folders[0], second]
    assert find_journals(second) == [second]


def test_a_sent_journal_is_removed_with_the_folder_of_its_run_unless_that_has_files(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a/journal", 1.0)
    write(tmp_path / "b/journal", 1.0)
    (tmp_path / "b/config.yaml").touch()
    remove_journal(tmp_path / "a/journal")
    remove_journal(tmp_path / "b/journal")
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["b", "config.yaml"]
