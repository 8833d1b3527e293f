"""How often tunnels may be probed."""

from __future__ import annotations

from typing import Final

MIN_PROBE_INTERVAL: Final = 5.0
"""Seconds between two rounds of echo requests through one tunnel: what is probed more often is a load."""
MAX_PROBE_INTERVAL: Final = 86_400.0
"""What is probed more seldom says nothing of today."""
