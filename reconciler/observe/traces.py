"""One live router -> what it reports of those who were at it."""

from __future__ import annotations

from reconciler.model.trace import Trace
from reconciler.routers.protocol import Router


def traces_of(router: Router, seconds: int) -> tuple[Trace, ...]:
    """The logins, changed files and restarts of the last so many seconds."""
    return router.host.traces(seconds)
