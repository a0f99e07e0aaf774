"""Checks of packages and extras, with the metadata of a made-up installation."""

from pathlib import Path

import pytest

from mnistexp.diagnostics.packages import check_extras, check_packages


def test_packages_that_are_missing_or_have_a_wrong_version_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the metadata of an installation that requires other versions."""
    info = tmp_path / "mnistexp-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: mnistexp\nVersion: 0.1.0\nRequires-Python: <3.5\n"
        "Provides-Extra: search\nProvides-Extra: gone\nProvides-Extra: all\n"
        "Requires-Dist: numpy<1\nRequires-Dist: rich\nRequires-Dist: no-such-package\n"
        "Requires-Dist: typer<0.1; extra == 'search'\n"
        "Requires-Dist: another-one; extra == 'gone'\n"
        "Requires-Dist: mnistexp[gone]; extra == 'all'\n"
        "Requires-Dist: never; python_version < '3'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    python, *packages = [r.message for r in check_packages() if r.status == "problem"]
    assert python.startswith("expected <3.5. Received: 3.")
    assert packages[0].startswith("numpy: expected <1. Received: ")
    assert packages[1:] == ["no-such-package is not installed"]
    search, gone, everything = check_extras()
    assert search.status == "problem"
    assert "typer: expected <0.1" in search.message
    assert (gone.status, everything.status) == ("note", "note")
    assert gone.remedy == "pip install 'mnistexp[gone]'"
