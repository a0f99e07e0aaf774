"""The web application of the viewer: valid and invalid requests, viewers, and errors."""

import asyncio
import json
import logging
import logging.handlers
import queue
import re
import threading
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, NoReturn

import pytest
import requests

from mnistexp.dashboard import web_app
from mnistexp.dashboard.figure import DashboardFigure
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.web_app import WebApp
from mnistexp.local_server import address, listen, serve_app

WINDOW: dict[str, object] = {"seen": 0, "width": 1200, "height": 700, "ratio": 1}
Client = Callable[..., requests.Response]


@pytest.fixture
def app(opened_run: RecordedRun) -> WebApp:
    return WebApp(opened_run, speed=1e6)


@pytest.fixture
def client(app: WebApp) -> Iterator[Client]:
    """Send requests to the web application: a method, a path and the query."""
    stop = threading.Event()
    with listen(20_000, attempts=1_000) as listener:
        server = threading.Thread(
            target=serve_app, args=(app.starlette, listener, stop.is_set), daemon=True
        )
        server.start()

        def send(
            method: str, path: str, origin: str | None = None, **query: object
        ) -> requests.Response:
            url = f"{address(listener)}/{path}"
            headers = {"Origin": origin.format(own=address(listener))} if origin else {}
            return requests.request(method, url, params=query, headers=headers, timeout=30)  # type: ignore[arg-type]

        yield send
        stop.set()
        server.join(30)
        assert not server.is_alive()


def open_page(client: Client) -> str:
    """Load the page and return the name of its viewer."""
    found = re.search(r'const viewer = "([^"]+)"', client("GET", "").text)
    assert found is not None
    return found[1]


def test_each_page_has_its_own_view(client: Client) -> None:
    first, second = open_page(client), open_page(client)
    assert first != second
    assert client("POST", "key", viewer=first, key="7").status_code == 204
    for viewer, panels in ((first, 2), (second, 6)):
        response = client("GET", "picture", viewer=viewer, **WINDOW)
        assert response.content.startswith(b"\x89PNG")
        assert len(json.loads(response.headers["X-State"])["panels"]) == panels


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "picture", {}),
        ("GET", "picture", {**WINDOW, "width": "x"}),
        ("GET", "picture", {**WINDOW, "height": "nan"}),
        ("POST", "box", {}),
        ("POST", "box", {"x0": 0, "y0": 0, "x1": 1}),
        ("POST", "box", {"x0": 0, "y0": 0, "x1": 1, "y1": "inf"}),
    ],
)
def test_a_request_with_wrong_numbers_gets_status_400(
    client: Client, method: str, path: str, query: dict[str, object]
) -> None:
    response = client(method, path, viewer=open_page(client), **query)
    assert response.status_code == 400
    assert "numbers" in response.text


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "picture"), ("GET", "save"), ("POST", "key"), ("POST", "box")]
)
def test_a_request_with_an_unknown_viewer_gets_status_404(
    client: Client, method: str, path: str
) -> None:
    query = {**WINDOW, "key": "7", "x0": 0, "y0": 0, "x1": 1, "y1": 1}
    assert client(method, path, viewer="made_up", **query).status_code == 404
    assert client(method, path, **query).status_code == 404


def test_a_request_from_another_web_site_is_refused(client: Client) -> None:
    viewer = open_page(client)
    for origin, status in (("{own}", 204), ("http://example.org", 403), ("null", 403)):
        assert client("POST", "key", viewer=viewer, key="7", origin=origin).status_code == status


def test_the_body_of_a_request_is_never_read(app: WebApp, client: Client) -> None:
    query = f"viewer={open_page(client)}&key=7&x0=0&y0=0&x1=1&y1=1".encode()
    sent = []

    async def receive() -> NoReturn:
        raise AssertionError("the application reads the body, whose size nothing bounds")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    for path in ("/key", "/box"):
        scope = {"type": "http", "method": "POST", "path": path, "query_string": query}
        headers = [(b"host", b"127.0.0.1"), (b"content-length", b"1000000000000")]
        asyncio.run(app.starlette({**scope, "headers": headers}, receive, send))
    assert [message["status"] for message in sent if "status" in message] == [204, 204]


def test_the_name_of_a_recording_cannot_add_headers(
    opened_run: RecordedRun, client: Client
) -> None:
    vars(opened_run.recording.header)["name"] = 'a"\r\nSet-Cookie: b=ü'
    response = client("GET", "save", viewer=open_page(client))
    assert response.headers["Content-Disposition"] == (
        'attachment; filename="a_Set-Cookie_b_-step-0.png"'
    )
    assert "Set-Cookie" not in response.headers


def test_the_viewer_with_the_oldest_request_is_dropped_when_there_are_too_many(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_app, "MAX_VIEWERS", 2)
    first, second = open_page(client), open_page(client)
    client("POST", "key", viewer=first, key="7")
    third = open_page(client)
    statuses = [client("GET", "save", viewer=name).status_code for name in (first, second, third)]
    assert statuses == [200, 404, 200]


def test_an_error_in_drawing_gets_status_500_and_the_server_logs_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: DashboardFigure, dpi: float | None = None) -> bytes:
        raise ValueError("this figure cannot be drawn")

    monkeypatch.setattr(DashboardFigure, "to_png", fail)
    viewer = open_page(client)
    log: queue.Queue[logging.LogRecord] = queue.Queue()
    handler = logging.handlers.QueueHandler(log)
    # Not before the server runs: it configures its loggers anew at the start.
    logging.getLogger("uvicorn.error").addHandler(handler)
    try:
        assert client("GET", "picture", viewer=viewer, **WINDOW).status_code == 500
        # The server logs the error after it has sent the response.
        message = log.get(timeout=30).getMessage()
    finally:
        logging.getLogger("uvicorn.error").removeHandler(handler)
    assert "Traceback" in message
    assert "ValueError: this figure cannot be drawn" in message


def test_the_end_is_shown_when_every_page_has_shown_it(app: WebApp, client: Client) -> None:
    assert app.has_shown_end()  # There is no page.
    viewer = open_page(client)
    assert not app.has_shown_end()
    client("GET", "picture", viewer=viewer, **WINDOW)
    assert app.has_shown_end()


def test_the_viewer_of_a_closed_page_is_dropped(
    app: WebApp, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_page(client)
    assert not app.has_shown_end()
    monkeypatch.setattr(web_app, "CLOSED_AFTER_SECONDS", 0)
    assert app.has_shown_end()


def test_a_request_gets_an_empty_response_if_nothing_has_changed(client: Client) -> None:
    viewer = open_page(client)
    response = client("GET", "picture", viewer=viewer, **WINDOW)
    seen = json.loads(response.headers["X-State"])["picture"]
    assert client("GET", "picture", viewer=viewer, **{**WINDOW, "seen": seen}).status_code == 204
