"""The page as an ASGI application: each address, and the stream of what is new."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from reconciler.model import bounds
from reconciler.model.condition import TROUBLE
from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import attempt
from reconciler.page.connection_view import connection, values
from reconciler.page.html import environment, static
from reconciler.page.run_views import commit, commits, run, runs
from reconciler.page.snapshot import Source
from reconciler.page.views import (
    Shown,
    View,
    common,
    drift,
    fleet,
    limits,
    missing,
    router,
    routers,
    topology,
)

NAVIGATION: Final = (
    ("/", "Fleet"),
    ("/topology", "Topology"),
    ("/routers", "Routers"),
    ("/drift", "Drift"),
    ("/limits", "Limits"),
)
OF_A_SERVICE: Final = (("/runs", "Runs"), ("/commits", "Commits"))
VIEWS: Final[Mapping[str, View]] = {
    "/": fleet,
    "/topology": topology,
    "/routers": routers,
    "/routers/{name}": router,
    "/connections/{name}": connection,
    "/connections/{name}/values": values,
    "/runs": runs,
    "/runs/{number}": run,
    "/commits": commits,
    "/commits/{commit}": commit,
    "/drift": drift,
    "/limits": limits,
}


class Page:
    """The pages of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._limiter: CapacityLimiter | None = None
        self._waiting = 0
        self._streams = 0

    def application(self) -> Starlette:
        """All addresses."""
        routes = [Route(path, self._endpoint(view)) for path, view in VIEWS.items()]
        routes += [Route("/events", self._events), Route("/static/{name}", self._static)]
        made = Starlette(routes=routes, exception_handlers={404: self._not_found})
        # A redirect would lead to the host that the request names.
        made.router.redirect_slashes = False
        return made

    def render(self, view: View, path: str, asked: Mapping[str, str], itself: str) -> tuple[int, str]:
        """The status and the HTML of one response. An error is one response, and the log says why."""
        work = attempt("page", path[:100], lambda: self._rendered(view(self._source, asked), path, itself))
        if isinstance(work, TunnelwrightError):
            reason = f"{work.message} ({work.hint})" if work.hint else work.message
            broken = Shown("broken.html.j2", {"title": "Error", "reason": reason}, 500)
            again = attempt("page", path[:100], lambda: self._rendered(broken, path, itself))
            return (500, "") if isinstance(again, TunnelwrightError) else again
        return work

    def _rendered(self, shown: Shown, path: str, itself: str) -> tuple[int, str]:
        now = datetime.now(UTC)
        values = {**common(self._source, now), "title": "tunnelwright", **shown.values}
        seen = values["seen"]
        trouble = sum(one.state in TROUBLE for one in seen.connections) if seen is not None else 0
        here = "/" + path.split("/")[1]
        text = (
            environment()
            .get_template(shown.template)
            .render(
                values,
                navigation=[*NAVIGATION, *(OF_A_SERVICE if values["has_history"] else ())],
                here="/" if here == "/connections" else here,
                itself=itself,
                trouble_count=trouble,
                query=lambda **more: _query(itself, more),
            )
        )
        return shown.status, text

    def _endpoint(self, view: View) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._response(request, view)

        return endpoint

    async def _response(self, request: Request, view: View) -> Response:
        if self._waiting >= bounds.PAGE_WAITING:
            return PlainTextResponse("too many requests at the same time\n", 503, {"retry-after": "1"})
        if self._limiter is None:
            self._limiter = CapacityLimiter(bounds.PAGE_RENDERED)
        path, query = request.url.path, request.url.query[: 4 * bounds.PAGE_QUERY]
        asked = {**dict(request.query_params), **{k: str(v) for k, v in request.path_params.items()}}
        # What begins with two slashes is the address of another host.
        itself = f"/{quote(path.lstrip('/'))}{f'?{query}' if query else ''}"
        self._waiting += 1
        try:
            status, text = await run_sync(self.render, view, path, asked, itself, limiter=self._limiter)
        finally:
            self._waiting -= 1
        return HTMLResponse(text, status)

    async def _not_found(self, request: Request, _: Exception) -> Response:
        return await self._response(request, lambda *_: missing("page"))

    async def _static(self, request: Request) -> Response:
        found = static().get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("not found\n", 404)
        kept = "v" in request.query_params
        lasting = {"cache-control": "public, max-age=31536000, immutable" if kept else "no-cache"}
        return Response(found[1], headers=lasting, media_type=found[0])

    async def _events(self, _: Request) -> Response:
        if self._streams >= bounds.PAGE_STREAMS:
            return PlainTextResponse("too many browsers\n", 503, {"retry-after": "30"})
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[bytes]:
        """Server-sent events (HTML Standard, section 9.2): one for all that has changed since the last."""
        self._streams += 1
        end = time.monotonic() + bounds.PAGE_STREAM_SECONDS
        try:
            with self._source.changes.watched() as event:
                yield b"retry: 2000\n\n"
                while time.monotonic() < end:
                    try:
                        async with asyncio.timeout(bounds.PAGE_BEAT):
                            await event.wait()
                    except TimeoutError:
                        yield b": still here\n\n"
                        continue
                    event.clear()
                    yield b"event: changed\ndata: %d\n\n" % self._source.changes.number
                    await asyncio.sleep(bounds.PAGE_PAUSE)
        finally:
            self._streams -= 1


def _query(itself: str, more: Mapping[str, object]) -> str:
    """The same address with other values in its query."""
    path, _, query = itself.partition("?")
    return f"{path}?{urlencode({**dict(parse_qsl(query)), **more})}"
