"""Bounds of the probes that a service sends through every tunnel."""

from __future__ import annotations

from typing import Final

PROBE_REQUESTS: Final = 3
"""Echo requests of one round through one tunnel: with one alone, a lost packet would look like a tunnel that
carries nothing."""

PROBES_OF_VISIT: Final = 64
"""Tunnels that one visit of a router probes: at 20 requests a second it takes 10 seconds, so that no thread
and no connection is held for much longer, however many tunnels the router has."""
