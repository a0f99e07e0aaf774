"""Settings of Sphinx. `make docs` builds the pages."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from reference import write_pages  # noqa: E402

from mnistexp import __version__  # noqa: E402

write_pages(HERE / "reference")

project = "mnistexp"
version = release = __version__
copyright = "the authors of mnistexp"  # noqa: A001
extensions = ["myst_nb"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "mnistexp"
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True  # The notebook writes a store into its working folder.
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "remove"
html_static_path = ["static"]
html_css_files = ["tables.css"]
