"""The parts of `make torture`, in short."""

from pathlib import Path

import pytest
from torture.counts import BEGIN, END, HEADER, Counts, write_counts
from torture.damaged_files import load_damaged_models, open_crafted_recordings
from torture.load import run_in_parallel, run_long_sweep
from torture.served_requests import send_requests
from torture.store_set_up import interrupt_set_ups

pytestmark = pytest.mark.integration


def test_a_store_is_usable_after_its_first_set_up_was_interrupted() -> None:
    assert interrupt_set_ups(6).lost == ()


@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "server"])
def test_runs_of_three_processes_on_one_store_are_complete(server: bool) -> None:
    assert run_in_parallel(3, 4, server=server).lost == ()


def test_a_sweep_needs_no_more_memory_and_files_at_its_end() -> None:
    assert run_long_sweep(40).lost == ()


def test_damaged_models_and_recordings_give_one_line_or_a_result() -> None:
    assert load_damaged_models(24, seed=0).lost == ()
    assert open_crafted_recordings(60, seed=0).lost == ()


def test_no_request_is_answered_by_an_internal_error() -> None:
    assert send_requests(60, seed=0).lost == ()


def test_counts_replace_their_row_of_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{HEADER}\n| kills | 1 | 1 | 0 |\n{END}\nafter")
    write_counts([Counts("input", 5_000), Counts("kills", 30, lost=("the second",))], page)
    rows = "| kills | 30 | 29 | 1 |\n| input | 5,000 | 5,000 | 0 |"
    assert page.read_text() == f"before\n{BEGIN}\n{HEADER}\n{rows}\n{END}\nafter"
