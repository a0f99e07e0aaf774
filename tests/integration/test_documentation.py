"""The documentation builds with its executed notebook, and its tables fit."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"


CUT_TABLES = """[...document.querySelectorAll(".table-wrapper")]
    .filter(wrapper => wrapper.scrollWidth > wrapper.clientWidth)
    .map(wrapper => wrapper.innerText.slice(0, 80))"""


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages. Building executes the notebook."""
    folder = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(folder)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_the_documentation_has_all_pages(html: Path) -> None:
    for page in [*DOCS.glob("*.md"), *DOCS.glob("*.ipynb")]:
        assert (html / page.name).with_suffix(".html").is_file()
    assert "test_accuracy" in (html / "notebook.html").read_text()
    assert 'href="#section-dense"' in (html / "reference" / "settings.html").read_text()
    assert "Results of the experiments" in (html / "index.html").read_text()


def test_no_table_is_wider_than_its_page(html: Path, page: "Page") -> None:
    pages = [*html.glob("*.html"), *html.glob("reference/*.html")]
    assert len(pages) > 10
    for path in pages:
        page.goto(path.as_uri())
        assert page.evaluate(CUT_TABLES) == [], path.name
