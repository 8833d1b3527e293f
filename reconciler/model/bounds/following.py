"""Bounds of the events of routers that a service follows, and of charon's words."""

from __future__ import annotations

from typing import Final

EVENTS_BURST: Final = 100_000
"""Events of one router at once, each child of a message being one: 10,000 tunnels that go down and come up
again are 40,000, and twice that where each has two children."""

EVENTS_PER_SECOND: Final = 50.0
"""Events of one router in the long run: 10,000 tunnels that rekey IKE_SA and CHILD_SA each hour are 6 a
second."""

EVENTS_QUEUED: Final = 200_000
"""What has happened to tunnels and is not written yet, of all routers; 100 MB. Of more, those of the router
with most of them are counted and not kept."""

SPIS_OF_CHILD: Final = 64
"""CHILD_SAs of one child that are distinguished: two while one is rekeyed, and a few more where both
ends initiate. Of more the latest count."""

EVENTS_WRITTEN: Final = 1_000
"""Of these in one transaction."""

EVENTS_KEPT: Final = 100_000
"""Events of tunnels that the history's file keeps; the oldest of the router with most of them go."""

EVENTS_OF_TUNNEL: Final = 1_000
"""Of these of one tunnel, so that one that flaps takes nothing from the others."""

EVENTS_IN_MEMORY: Final = 2_000
"""Of these beside the history's file, of each router as many as of the others."""

FOLLOW_TICK: Final = 2.0
"""Seconds for which one wait for an event lasts: so soon a thread ends that is asked to."""

FOLLOW_LISTED: Final = 900.0
"""Seconds after which SAs are listed again beside the events: a list of 10,000 takes charon 0.3 s."""

FOLLOWED_WELL: Final = 30.0
"""Seconds that a connection must have lasted for the next one to be made at once."""

FOLLOW_LONGEST: Final = 60.0
"""Seconds between two attempts to follow a router, at most; and the pause of one that floods."""

FOLLOWED_DESCRIPTORS: Final = 8
"""File descriptors of one router that is followed: a login or a client of the engine, the session with
charon, and what the event loop has of both."""

FOLLOWED_ROUTERS: Final = 2_000
"""Routers that one service follows: each is a thread and a connection."""

EVENTS_LASTING: Final = 20
"""Different alerts and failures of one tunnel end that are kept until it goes up or down again."""

FOLLOWED_RESERVE: Final = 2_048
"""File descriptors that are left for runs, the web server and child processes."""

DOWN_SECONDS: Final = 2.0
"""Seconds that a tunnel has to be down for a run to be started because of it."""

DOWN_RUNS: Final = 30.0
"""Seconds between two such runs, however many tunnels go down."""

LOG_UNNAMED: Final = 64
"""IKE_SAs that charon has not assigned to a connection yet, whose words are kept until it has."""

LOG_LINES: Final = 100
"""Lines of each of those."""

LOG_TICK: Final = 0.2
"""Seconds for which one wait for a line lasts: so soon a reader ends that is asked to."""
