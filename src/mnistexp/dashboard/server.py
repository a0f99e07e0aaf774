"""Serving the page until it is ended, or the training is."""

import asyncio
import os
import socket
import webbrowser
from contextlib import suppress

from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.web_app import HOST, WebApp
from mnistexp.dashboard.window import has_display
from mnistexp.errors import RecordingError

FIRST_PORT = 8800
PORTS_TRIED = 100


def serve(film: RecordedRun, speed: float | None, port: int | None, *, until_end: bool) -> None:
    """Serve the page on 127.0.0.1, say where, and open a browser if there is a display.

    Args:
        port: default: the first free one from 8800.
        until_end: end when the training has ended and whoever looks has seen it.

    Raises:
        RecordingError: the port is taken.
    """
    listener = _listen(port)
    address = f"http://{HOST}:{listener.getsockname()[1]}"
    print(f"{film.recording.header.name}: {address}  (Ctrl-C ends the view)", flush=True)
    if has_display():
        webbrowser.open(address)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(WebApp(film, speed), listener, until_end))


async def _serve(theatre: WebApp, listener: socket.socket, until_end: bool) -> None:
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            theatre.application(),
            log_level="error",
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not serving.done():
        await asyncio.wait([serving], timeout=0.2)
        server.should_exit |= until_end and theatre.is_over
        theatre.closing = server.should_exit
    await serving


def _listen(port: int | None) -> socket.socket:
    first = port or FIRST_PORT
    last = first if port else first + PORTS_TRIED
    for number in range(first, last + 1):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, number))
        except OSError as error:
            listener.close()
            reason = os.strerror(error.errno or 0)
            continue
        listener.listen()  # Who comes before the server is ready waits for it.
        return listener
    raise RecordingError(
        f"--port: expected a free port. Received: {first} ({reason}). Try --port {last + 1}"
    )
