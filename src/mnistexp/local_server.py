"""Web servers that only this computer can reach."""

import asyncio
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mnistexp.errors import PortError

HOST = "127.0.0.1"
POLL_SECONDS = 0.2
"""Time between two calls of `should_stop`."""
COMPUTATION_SECONDS = 3
"""Time for requests that are computed after Ctrl-C; less than that for requests in general."""
SHUTDOWN_SECONDS = 5
"""Time for open requests after Ctrl-C."""


def listen(port: int, attempts: int = 1) -> socket.socket:
    """Return a socket that listens on a free port of 127.0.0.1.

    Clients that connect before a server answers wait for it.

    Args:
        port: the first port to try. attempts: how many consecutive ports to try.

    Raises:
        PortError: all of these ports are taken.
    """
    for number in range(port, port + attempts):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, number))
            listener.listen()
        except OSError as error:
            listener.close()
            reason = os.strerror(error.errno or 0)
        else:
            return listener
    tried = f"{port}" if attempts == 1 else f"{port} to {port + attempts - 1}, all in use"
    raise PortError(
        f"--port: expected a free port. Received: {tried} ({reason}). Try --port {port + attempts}"
    )


def address(listener: socket.socket) -> str:
    """Return the address for a browser: `http://127.0.0.1:8800`."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


def open_browser(url: str) -> None:
    """Open a page in the browser, if there is a display for one."""
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform == "darwin" or any(os.environ.get(name) for name in displays):
        webbrowser.open(url)


def serve_app(
    app: Any,
    listener: socket.socket,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    ends_process: bool = False,
) -> None:
    """Serve an ASGI application until Ctrl-C, SIGTERM, or until `should_stop` returns True.

    Requests to another host name than 127.0.0.1 or localhost are refused. Otherwise a web site
    could reach the server by a host name of its own that resolves to 127.0.0.1.

    Args:
        ends_process: after Ctrl-C, wait at most three seconds for requests that are computed, then
            end the process. Python cannot end their threads, and would wait for them.
    """
    import uvicorn
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    guarded = TrustedHostMiddleware(app, allowed_hosts=[HOST, "localhost"])
    server = uvicorn.Server(
        uvicorn.Config(
            guarded,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )

    async def stop_server() -> None:
        while not (server.should_exit or should_stop()):
            await asyncio.sleep(POLL_SECONDS)
        server.should_exit = True
        if ends_process:
            timer.start()

    async def serve() -> None:
        stopping = asyncio.create_task(stop_server())
        await server.serve(sockets=[listener])
        stopping.cancel()

    timer = threading.Timer(COMPUTATION_SECONDS, _end_process)
    timer.daemon = True
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve())
    finally:
        timer.cancel()


def _end_process() -> None:
    """Replace the process by one that does nothing and succeeds.

    Python has no public function that ends a process with a status and without its threads.
    """
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-c", ""])
