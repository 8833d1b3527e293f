"""Bounds of the probes that a service sends through every tunnel."""

from __future__ import annotations

from typing import Final

PROBE_REQUESTS: Final = 3
"""Echo requests of one round through one tunnel: with one alone, a lost packet would look like a tunnel that
carries nothing."""

PROBE_VISIT_SECONDS: Final = 10.0
"""Seconds for which one visit of a router sends requests: no thread and no connection is held for much
longer, however many tunnels the router has."""

PROBE_WAYS: Final = 1_000
"""Tunnels through which one visit sends requests: Linux takes 128 KiB as one argument, and over SSH the whole
command is one. A pair of addresses takes 40 bytes of it."""

PROOF_PACE: Final = 100.0
"""Echo requests a second that one router sends while `verify` or an apply proves its tunnels. 20 pings run at
a time then, of which each takes 2 ms of a processor to start: less than a tenth of one core."""

PROOF_VISIT_SECONDS: Final = 10.0
"""Seconds for which one command of a proof sends requests: there is progress at least as often."""

PROBES_WRITTEN: Final = 5.0
"""Seconds between two transactions that keep what probes have shown."""

PROBES_WOKEN: Final = 30.0
"""Seconds between two runs that are started because of what probes have shown."""

SELF_REPAIRS: Final = 4
"""Tunnels that one run of the service diagnoses and reconnects: when a whole site is cut off, that is not a
reason to work on all of its tunnels."""

SELF_REPAIR_AGAIN: Final = 600.0
"""Seconds after a reconnect before the same tunnel is diagnosed and reconnected again; twice as many after
each further one of the same day."""

SELF_REPAIR_DAY: Final = 86_400.0
"""Seconds for which a reconnect counts, and the longest time between two."""
