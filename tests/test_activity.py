"""What is printed while something takes long."""

import sys
import time

import pytest

from mnistexp import activity
from mnistexp.activity import show_activity


def test_only_what_takes_long_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with show_activity("adding"):
        pass
    monkeypatch.setattr(activity, "DELAY_SECONDS", 0.01)
    with show_activity("reading data"):
        time.sleep(0.2)
    monkeypatch.setattr(activity, "START_DELAY_SECONDS", 0.01)
    with show_activity("reading the store", sys.stderr, is_first=True):
        time.sleep(0.2)
    assert capsys.readouterr() == ("reading data …\n", "reading the store …\n")


def test_an_exception_ends_the_activity(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(activity, "DELAY_SECONDS", 0.1)
    with pytest.raises(RuntimeError), show_activity("reading data"):
        raise RuntimeError
    time.sleep(0.2)
    assert capsys.readouterr().out == ""
