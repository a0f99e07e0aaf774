"""Fixtures that several tests of the data share."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

Server = tuple[str, Path, list[str]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A real web server: its address, the folder that it serves, and the requested paths."""
    folder = tmp_path / "served"
    folder.mkdir()
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            requests.append(self.path)

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}", folder, requests
    http.shutdown()
    thread.join()
    http.server_close()
