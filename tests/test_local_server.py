"""Servers on 127.0.0.1: ports, host names and the browser."""

import subprocess
import sys
import threading
import webbrowser
from typing import Any

import pytest
import requests

from mnistexp.errors import PortError
from mnistexp.local_server import address, listen, open_browser, serve_app

FIRST_PORT = 21_000


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that answers `hello`."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def test_a_port_in_use_is_rejected_and_the_next_one_is_proposed() -> None:
    with listen(FIRST_PORT, attempts=1_000) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortError, match=rf"Received: {port} \(.*\). Try --port {port + 1}"):
            listen(port)


def test_the_first_free_port_is_taken() -> None:
    with listen(FIRST_PORT, attempts=1_000) as first:
        port = first.getsockname()[1]
        with listen(port, attempts=1_000) as second:
            assert second.getsockname()[1] > port


def test_requests_to_another_host_name_are_refused() -> None:
    stop = threading.Event()
    with listen(FIRST_PORT, attempts=1_000) as listener:
        server = threading.Thread(target=serve_app, args=(hello, listener, stop.is_set))
        server.start()
        url = address(listener)
        try:
            for host, status in (("127.0.0.1", 200), ("localhost", 200), ("evil.example", 400)):
                response = requests.get(url, headers={"Host": host}, timeout=10)
                assert response.status_code == status
        finally:
            stop.set()
            server.join(30)


@pytest.mark.parametrize("command", ["draw", "serve"])
def test_commands_report_a_port_in_use_before_they_look_for_a_model(
    command: str, tmp_path: Any
) -> None:
    with listen(FIRST_PORT, attempts=1_000) as listener:
        port = str(listener.getsockname()[1])
        arguments = [sys.executable, "-m", "mnistexp", command, "best", "--port", port]
        result = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert "--port: expected a free port" in result.stderr


@pytest.mark.parametrize(("display", "opens"), [(":0", True), ("", False)])
def test_the_browser_opens_only_if_there_is_a_display(
    monkeypatch: pytest.MonkeyPatch, display: str, opens: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    open_browser("http://127.0.0.1:8800")
    assert opened == (["http://127.0.0.1:8800"] if opens else [])
