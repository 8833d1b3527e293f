"""The service: who calls it, and how long it may take."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import KIB, MIB

WEB_CONNECTIONS: Final = 100
"""Open connections to the web server. One more closes the oldest that has not sent a whole request, so that
half-open ones exclude no other client; and the rest of the process has file descriptors left (1,024 is
usual)."""

WEB_HEADER: Final = 16 * KIB
"""Bytes of a request's line and headers; forges send less than 2 KiB."""

WEBHOOK: Final = 4 * MIB
"""Bytes of a webhook, which are kept before its signature is checked. GitHub's limit is 25 MB, of
which a push takes some kilobytes; one that is larger is not needed, since the interval brings its commit."""

WEB_SECONDS: Final = 20.0
"""Seconds in all that a caller has to send a request, to take its answer, or to be idle in between."""

SCRAPES: Final = 2
"""Scrapes that are written at once: of four threads two are left for all else."""

WEB_THREADS: Final = 4
"""Requests that are answered at once."""

WEB_TURN: Final = 10
"""Connections that are taken, or ended to make room, in one turn."""

UNTAKEN: Final = 64 * MIB
"""Bytes of metrics that wait for their callers to take them; those of 10,000 tunnels are 7 MiB."""

STANDSTILL: Final = 300.0
"""Seconds without a sign of progress, beyond the interval and the timeout for tunnels, after which
`/healthz` says that the service hangs. No single exchange with a router or a remote may take that long."""

ENDING: Final = 270.0
"""Seconds that a run has to end in when the service is stopped: below the 300 after which systemd and
the container's engine end it by force."""

ATTRIBUTED_ROUTERS: Final = 20
"""Routers that one run asks who was there."""

ATTRIBUTED_SECONDS: Final = 86_400
"""The time before now for which they are asked, at most."""
