"""A page in the browser, on 127.0.0.1: the pictures are drawn here, the keys are pressed there."""

import asyncio
import io
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistexp.dashboard.recorded_run import DPI, RecordedRun
from mnistexp.dashboard.viewer_session import SAVED_DPI, WAIT_SECONDS, ViewerSession

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

PAGE = Path(__file__).with_name("page.html")
HOST = "127.0.0.1"
PATIENCE_SECONDS = 15.0
"""So long a question for the next picture waits at most; then it is asked again."""
FORGET_SECONDS = 60.0
"""A viewer that has not asked for so long has gone."""
SIDES = (200, 4000)
"""Of a picture, in pixels."""


@dataclass
class Viewer:
    """A page that was opened: its show, and how many pictures it was given."""

    show: ViewerSession
    pictures: int = 0
    asked: float = field(default_factory=time.monotonic)


class WebApp:
    """All viewers of a film. Each has its own view; whatever draws does so in turn.

    closing: nobody is to wait any more.
    """

    def __init__(self, film: RecordedRun, speed: float | None) -> None:
        self._film = film
        self._speed = speed
        self._viewers: dict[str, Viewer] = {}
        self._lock = asyncio.Lock()
        self.closing = False

    @property
    def is_over(self) -> bool:
        """Whether the training has ended, and every viewer has seen it, or has paused."""
        if not self._viewers:
            self._film.recording.read_new()
            return not self._film.recording.is_running
        shows = [viewer.show for viewer in self._viewers.values()]
        return all(show.is_over or show.view.paused for show in shows)

    def application(self) -> "Starlette":
        """What answers the browser; only to the names of this machine."""
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.routing import Route

        routes = [
            Route("/", self._page),
            Route("/picture", self._picture),
            Route("/key", self._key, methods=["POST"]),
            Route("/box", self._box, methods=["POST"]),
            Route("/save", self._save),
        ]
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
        refuse = {KeyError: _refuse, ValueError: _refuse}
        return Starlette(routes=routes, middleware=[hosts], exception_handlers=refuse)

    async def _page(self, request: "Request") -> "Response":
        from starlette.responses import HTMLResponse

        name = secrets.token_urlsafe(16)
        text = PAGE.read_text().replace("VIEWER", name)
        return HTMLResponse(text, headers={"Cache-Control": "no-store"})

    async def _picture(self, request: "Request") -> "Response":
        """The next picture as soon as there is one; nothing if that takes long."""
        from starlette.responses import Response

        seen = int(request.query_params["seen"])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and not await self._is_left(request):
            async with self._viewer(request) as viewer:
                _resize(viewer.show, request)
                if await asyncio.to_thread(viewer.show.tick) or viewer.pictures > seen:
                    viewer.pictures = max(viewer.pictures, seen) + 1
                    picture = await asyncio.to_thread(_draw, viewer.show)
                    return Response(picture, 200, _describe(viewer), "image/png")
            await asyncio.sleep(WAIT_SECONDS)
        return Response(status_code=204)

    async def _is_left(self, request: "Request") -> bool:
        return self.closing or await request.is_disconnected()

    async def _key(self, request: "Request") -> "Response":
        from starlette.responses import Response

        key = (await request.body()).decode()
        async with self._viewer(request) as viewer:
            viewer.show.press(key)
        return Response(status_code=204)

    async def _box(self, request: "Request") -> "Response":
        """Two corners, as shares of the picture from its bottom left."""
        from starlette.responses import Response

        corners = np.array(await request.json(), float).reshape(2, 2)
        async with self._viewer(request) as viewer:
            panels = viewer.show.panels
            start, end = corners * panels.figure.bbox.size
            panels.zoom((start[0], start[1]), (end[0], end[1]))
        return Response(status_code=204)

    async def _save(self, request: "Request") -> "Response":
        """The picture as a file to keep, finer than on the page."""
        from starlette.responses import Response

        buffer = io.BytesIO()
        async with self._viewer(request) as viewer:
            viewer.show.view.saving = False
            figure = viewer.show.panels.figure
            await asyncio.to_thread(figure.savefig, buffer, format="png", dpi=SAVED_DPI)
            viewer.show.view.say(f"saved: {viewer.show.file_name}")
            disposition = f'attachment; filename="{viewer.show.file_name}"'
        headers = {"Content-Disposition": disposition}
        return Response(buffer.getvalue(), 200, headers, "image/png")

    @asynccontextmanager
    async def _viewer(self, request: "Request") -> AsyncIterator[Viewer]:
        """The viewer that asks, while nobody else's is touched; a new one if it is not known."""
        from matplotlib.figure import Figure

        name = request.query_params["viewer"]
        async with self._lock:
            now = time.monotonic()
            self._viewers = {
                other: viewer
                for other, viewer in self._viewers.items()
                if now - viewer.asked < FORGET_SECONDS
            }
            if name not in self._viewers:
                show = ViewerSession(Figure(dpi=DPI), self._film, self._speed)
                self._viewers[name] = Viewer(show)
            self._viewers[name].asked = now
            yield self._viewers[name]


async def _refuse(request: "Request", error: Exception) -> "Response":
    from starlette.responses import PlainTextResponse

    return PlainTextResponse("not a question of the page's", 400)


def _resize(show: ViewerSession, request: "Request") -> None:
    """The size of the window in CSS pixels, and how many real ones each has."""
    parameters = request.query_params
    ratio = float(np.clip(float(parameters["ratio"]), 0.5, 3))
    width, height = (np.clip(float(parameters[name]), *SIDES) for name in ("width", "height"))
    show.panels.figure.set_dpi(DPI * ratio)
    show.panels.figure.set_size_inches(width / DPI, height / DPI)


def _draw(show: ViewerSession) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(show.panels.figure)
    canvas.draw()
    buffer = io.BytesIO()
    # Hardly packed: it does not go far, and packing well takes as long as drawing.
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _describe(viewer: Viewer) -> dict[str, str]:
    """What the picture shows, for the page and for those who cannot see it."""
    show = viewer.show
    view = show.view
    state = {
        "picture": viewer.pictures,
        "panels": view.panels,
        "step": show.step,
        "paused": view.paused,
        "zooming": view.zooming,
        "help": view.help,
        "zoomed": sorted(view.zoom),
        "over": show.is_over,
    }
    return {"X-State": json.dumps(state), "Cache-Control": "no-store"}
