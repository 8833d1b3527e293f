"""For how long routers can be armed: the limits of the option and of the setting."""

from __future__ import annotations

from typing import Final

MIN_CONFIRM: Final = 10
"""Seconds: it takes some to apply anything, and to prove it."""

MAX_CONFIRM: Final = 86_400
"""Seconds."""
