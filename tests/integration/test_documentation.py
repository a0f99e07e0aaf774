"""The documentation builds, and its notebook runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documentation_builds_without_warnings(tmp_path: Path) -> None:
    html = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(html)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    for page in [*DOCS.glob("*.md"), *DOCS.glob("*.ipynb")]:
        assert (html / page.name).with_suffix(".html").is_file()
    assert 'href="#section-dense"' in (html / "reference" / "settings.html").read_text()
    assert "Results of the experiments" in (html / "index.html").read_text()


def test_the_notebook_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook: Any = nbformat.reads((DOCS / "notebook.ipynb").read_text(), as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    printed = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("test_accuracy" in str(output) for output in printed)
    assert (tmp_path / "mlflow.db").is_file()
