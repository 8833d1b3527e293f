"""The page: who reads it, how much of a fleet one response shows, and how long it may take."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import KIB

PAGE_CONNECTIONS: Final = 100
"""Open connections to the page. One more closes the one that has waited longest for its browser."""

PAGE_HEADER: Final = 16 * KIB
"""Bytes of a request's line and headers."""

PAGE_SECONDS: Final = 20.0
"""Seconds in all that a browser has to send a request, to take its response, or to be idle in between."""

PAGE_STREAMS: Final = 50
"""Browsers that are notified of changes, of all connections: the others are left for their requests."""

PAGE_STREAM_SECONDS: Final = 3_600.0
"""Seconds after which such a stream ends; a browser opens the next one by itself."""

PAGE_PAUSE: Final = 1.0
"""Seconds between two notifications of one browser. It loads the page again for each of them."""

PAGE_BEAT: Final = 15.0
"""Seconds without a change after which a stream sends a comment: a browser that has gone is noticed by it."""

PAGE_RENDERED: Final = 4
"""Responses that are made at a time: each of them takes a core."""

PAGE_WAITING: Final = 100
"""Requests that wait for their turn."""

PAGE_ROWS: Final = 200
"""Connections, differences or runs that one response lists."""

PAGE_QUERY: Final = 200
"""Characters of what is searched for."""

PAGE_EVENTS: Final = 30
"""Events, and runs, of one connection that are listed."""

PAGE_NODES: Final = 40
"""Routers that a topology draws one by one; of more, clusters are drawn."""

PAGE_CLUSTERS: Final = 24
"""Clusters that a topology draws."""

PAGE_SQUARES: Final = 500
"""Connections of one cluster that are drawn."""

PAGE_SAMPLES: Final = 120
"""Samples of each connection that are kept in memory: two hours of a run a minute."""

PAGE_SAMPLED: Final = 5_000
"""Connections of which samples are kept: 120 of each take 50 MiB."""
