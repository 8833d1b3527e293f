"""What a router reports of who was there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, order=True)
class Trace:
    """One thing that a router reports. `at` is by the router's own clock, in UTC."""

    at: datetime
    text: str
