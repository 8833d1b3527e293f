"""Every bound on what comes from outside, each with its reason: bytes, seconds in all, depth, counts.

What exceeds one is refused with the bound in the message. Whoever reads from outside takes its bound from
here, so that a reader sees all of them at once.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20

# The service: who calls it, whom it calls, and what it remembers.

WEB_CONNECTIONS: Final = 100
"""Open connections to the web server. One more closes the oldest that has not sent a whole request, so that
half-open ones keep nobody out; and the rest of the process has file descriptors left (1,024 is usual)."""
WEB_HEADER: Final = 16 * KIB
"""Bytes of a request's line and headers; forges send less than 2 KiB."""
WEBHOOK: Final = 4 * MIB
"""Bytes of a webhook, which are kept before anybody knows whether it is signed. GitHub's limit is 25 MB, of
which a push takes some kilobytes; one that is larger is not needed, since the interval brings its commit."""
WEB_SECONDS: Final = 20.0
"""Seconds in all that a caller has to send a request, to take its answer, or to be idle in between."""
SCRAPES: Final = 2
"""Scrapes that are written at once: of four threads two are left for all else."""
UNTAKEN: Final = 64 * MIB
"""Bytes of metrics that wait for their callers to take them; those of 10,000 tunnels are 7 MiB."""
STANDSTILL: Final = 300.0
"""Seconds without a sign of progress, beyond the interval and the patience for tunnels, after which
`/healthz` says that the service hangs. No single exchange with a router or a remote may take that long."""
ENDING: Final = 270.0
"""Seconds that a run has to end in when the service is told to: below the 300 after which systemd and
the container's engine end it by force."""
FORGE_SECONDS: Final = 20.0
"""Seconds in all for one question to a forge, its repetitions included."""
FORGE_ANSWER: Final = 8 * MIB
"""Bytes of a forge's answer, unpacked: 100 comments of 64 KiB and what surrounds them."""
FORGE_LIST: Final = 64 * MIB
"""Bytes of all pages of a list; comments of 100 pages would be 640 MiB."""
FORGE_LIST_SECONDS: Final = 120.0
"""Seconds in all for the pages of a list."""
MESSAGE_SECONDS: Final = 60.0
"""Seconds in all to hand one message to its service; mail servers may greet late."""
MESSAGE_MEMORY: Final = 1024 * MIB
"""Bytes of address space of the process that hands a message over; it needs some 300 MiB."""
RECORD: Final = 8 * MIB
"""Bytes of what one run found, as JSON; the rest is counted. A first apply of 1,000 tunnels has 4 MiB."""
RECORD_MESSAGE: Final = 4 * KIB
"""Characters of the sentence about a run."""
RUNS_IN_MEMORY: Final = 100
"""Runs that are remembered beside the history's file; as many as a message looks back on."""
RECORDS_IN_MEMORY: Final = 32 * MIB
"""Bytes of those, as JSON; older ones go."""
SET_ASIDE: Final = 3
"""Damaged histories that are kept for a person to look at."""
HISTORY_SECONDS: Final = 5.0
"""Seconds to wait for whoever has locked the history."""
