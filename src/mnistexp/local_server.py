"""A web server for this machine alone."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

HOST = "127.0.0.1"


def serve_here(app: Any, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve an ASGI application on 127.0.0.1 until Ctrl-C or SIGTERM.

    Requests under another name than 127.0.0.1 or localhost are refused, so that no page of the web
    can reach it through a name that it makes point here.

    Args:
        port: of 127.0.0.1.
        on_ready: is told the address as soon as it answers.
    """
    import uvicorn
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    class Server(uvicorn.Server):  # type: ignore[misc]  # It counts as untyped.
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if not self.should_exit:
                on_ready(f"http://{HOST}:{port}")

    guarded = TrustedHostMiddleware(app, allowed_hosts=[HOST, "localhost"])
    settings = uvicorn.Config(
        guarded, HOST, port, log_level="warning", timeout_graceful_shutdown=5, lifespan="off"
    )
    with suppress(KeyboardInterrupt):
        Server(settings).run()
