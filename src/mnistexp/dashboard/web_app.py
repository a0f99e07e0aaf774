"""The web application of the viewer. It draws pictures; the page sends keys and zoom boxes.

Imports matplotlib, so it is imported where it is used.
"""

import asyncio
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mnistexp.dashboard.figure import DPI, minimum_height
from mnistexp.dashboard.recorded_run import RecordedRun
from mnistexp.dashboard.viewer_session import ViewerSession
from mnistexp.local_server import address, listen, open_browser, serve_app

PAGE = Path(__file__).with_name("page.html")
FIRST_PORT = 8800
PORTS_TRIED = 100
UPDATE_SECONDS = 0.1
"""Time between two checks for a new picture: at most ten pictures a second."""
MAX_WAIT_SECONDS = 1.0
"""Maximum time that a request waits for a new picture. After it, the response is empty."""
CLOSED_AFTER_SECONDS = 60.0
"""A page without a request for this time counts as closed, and its viewer is dropped."""
MAX_VIEWERS = 32
"""Maximum number of open pages. Each has a figure of some megabytes."""
SAVED_DPI = 200
SIDE_LIMITS = (200, 4000)
"""Minimum and maximum width and height of a picture, in CSS pixels."""
RATIO_LIMITS = (0.5, 3)
"""Minimum and maximum number of physical pixels per CSS pixel."""


@dataclass
class Viewer:
    """An open page. num_pictures: pictures sent to it. last_request: its time in seconds."""

    session: ViewerSession
    num_pictures: int = 0
    last_request: float = field(default_factory=time.monotonic)


class WebApp:
    """The web application. Each open page has its own session. One session draws at a time."""

    def __init__(self, recorded_run: RecordedRun, speed: float | None) -> None:
        self._recorded_run = recorded_run
        self._speed = speed
        self._viewers: dict[str, Viewer] = {}
        self._lock = asyncio.Lock()
        self.starlette = Starlette(
            routes=[
                Route("/", self._page),
                Route("/picture", self._picture),
                Route("/key", self._key, methods=["POST"]),
                Route("/box", self._box, methods=["POST"]),
                Route("/save", self._save),
            ]
        )

    def has_shown_end(self) -> bool:
        """Return whether the training has ended and every open page shows its end or is paused."""
        self._drop_viewers()
        if not self._viewers:
            self._recorded_run.recording.read_new()
            return not self._recorded_run.recording.is_running
        sessions = [viewer.session for viewer in self._viewers.values()]
        return all(session.is_at_end or session.is_paused for session in sessions)

    async def _page(self, request: Request) -> Response:
        """Create a viewer, and return the page with its name."""
        name = secrets.token_urlsafe()
        async with self._lock:
            session = await asyncio.to_thread(ViewerSession, self._recorded_run, self._speed)
            self._viewers[name] = Viewer(session)
            self._drop_viewers()
        return HTMLResponse(PAGE.read_text().replace("{{viewer}}", name))

    async def _picture(self, request: Request) -> Response:
        """Return the next picture, or no content if there is none within a second.

        The query has the number of the last picture (`seen`), the `width` and `height` of the
        window in CSS pixels, and the `ratio` of physical pixels per CSS pixel. The picture has
        this width. It is higher than the window if its panels need that.
        """
        seen, width, height, ratio = _read_numbers(request, "seen", "width", "height", "ratio")
        viewer = self._find_viewer(request)
        session = viewer.session
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while time.monotonic() < deadline:
            async with self._lock:
                _resize(session, width, height, ratio)
                if await asyncio.to_thread(session.update) or viewer.num_pictures > seen:
                    viewer.num_pictures = int(max(viewer.num_pictures, seen)) + 1
                    picture = await asyncio.to_thread(session.figure.to_png)
                    headers = {"X-State": _state(viewer), "Cache-Control": "no-store"}
                    return Response(picture, 200, headers, "image/png")
            await asyncio.sleep(UPDATE_SECONDS)
        return Response(status_code=204)

    async def _key(self, request: Request) -> Response:
        session = self._find_viewer(request).session
        async with self._lock:
            session.press(request.query_params.get("key", ""))
        return Response(status_code=204)

    async def _box(self, request: Request) -> Response:
        """Zoom into a box between two corners, as fractions of the picture from the bottom left."""
        session = self._find_viewer(request).session
        x0, y0, x1, y1 = _read_numbers(request, "x0", "y0", "x1", "y1")
        async with self._lock:
            session.zoom((x0, y0), (x1, y1))
        return Response(status_code=204)

    async def _save(self, request: Request) -> Response:
        """Return the picture as a download."""
        session = self._find_viewer(request).session
        async with self._lock:
            picture = await asyncio.to_thread(session.figure.to_png, SAVED_DPI)
            headers = {"Content-Disposition": f'attachment; filename="{session.file_name}"'}
        return Response(picture, 200, headers, "image/png")

    def _find_viewer(self, request: Request) -> Viewer:
        """Return the viewer that a request names. Only names that `_page` has issued are valid.

        Requests from the pages of other web sites are refused.
        """
        own_origin = f"{request.url.scheme}://{request.headers.get('host')}"
        if request.headers.get("origin", own_origin) != own_origin:
            raise HTTPException(403, "requests from other web sites are refused")
        viewer = self._viewers.get(request.query_params.get("viewer", ""))
        if viewer is None:
            raise HTTPException(404, "unknown viewer: load the page again")
        viewer.last_request = time.monotonic()
        self._drop_viewers()
        return viewer

    def _drop_viewers(self) -> None:
        """Drop the viewers of closed pages, and the oldest ones if there are too many."""
        oldest_allowed = time.monotonic() - CLOSED_AFTER_SECONDS
        newest_first = sorted(self._viewers.items(), key=lambda item: -item[1].last_request)
        self._viewers = {
            name: viewer
            for name, viewer in newest_first[:MAX_VIEWERS]
            if viewer.last_request > oldest_allowed
        }


def serve_viewer(
    recorded_run: RecordedRun,
    speed: float | None = None,
    port: int | None = None,
    *,
    browser: bool,
    until_end: bool,
) -> None:
    """Serve the page on 127.0.0.1 and print its address, until Ctrl-C.

    Args:
        speed: of a replay, as a multiple of the training's speed. Default: a replay of at most 30
            seconds.
        port: default: the first free port from 8800.
        browser: open the page in the browser if there is a display.
        until_end: stop when the training has ended and every open page has shown its end.

    Raises:
        PortError: the port is taken.
    """
    if recorded_run.recording.is_running:
        os.nice(10)  # Drawing must not slow down the training.
    app = WebApp(recorded_run, speed)
    with listen(port) if port else listen(FIRST_PORT, PORTS_TRIED) as listener:
        url = address(listener)
        # The viewer of a training's own process ends with it: there Ctrl-C ends the training.
        hint = "" if until_end else "  (Ctrl-C ends the viewer)"
        print(f"{recorded_run.recording.header.name}: {url}{hint}", flush=True)
        if browser:
            open_browser(url)
        serve_app(app.starlette, listener, app.has_shown_end if until_end else lambda: False)


def _read_numbers(request: Request, *names: str) -> list[float]:
    """Return numbers of the query. Anything else gets status 400."""
    try:
        numbers = [float(request.query_params[name]) for name in names]
    except (KeyError, ValueError) as error:
        raise HTTPException(400, f"expected numbers: {', '.join(names)}") from error
    if not np.isfinite(numbers).all():
        raise HTTPException(400, f"expected finite numbers: {', '.join(names)}")
    return numbers


def _resize(session: ViewerSession, width: float, height: float, ratio: float) -> None:
    """Set the size of the figure to that of a window, or higher if its panels need that."""
    session.figure.set_dpi(DPI * float(np.clip(ratio, *RATIO_LIMITS)))
    width, height = np.clip((width, height), *SIDE_LIMITS) / DPI
    height = max(height, minimum_height(session.view.panels, width))
    session.figure.set_size_inches(width, height)


def _state(viewer: Viewer) -> str:
    """Return what the picture shows, for the page and for people who cannot see the picture."""
    session = viewer.session
    state = {
        "picture": viewer.num_pictures,
        "panels": session.view.panels,
        "layout": session.layout,
        "titles": session.titles,
        "name": session.name,
        "status": session.status,
        "step": session.step,
        "paused": session.is_paused,
        "zoomed": sorted(session.view.zoom),
        "at_end": session.is_at_end,
    }
    return json.dumps(state)
