"""The order in which tunnels may use up a budget: routers take turns. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from reconciler.policy.units import Unit

_SECONDS: Final = 600
"""How long one order of routers lasts: a plan and the apply that follows it have the same, as a rule."""


def in_turn(units: Iterable[Unit], now: datetime) -> list[Unit]:
    """Units that interrupt, in the order in which they may do so: the first one of each router, then the
    second one of each, and so on; those of one router in order of name, and what was never Git's last.

    A router may report a difference at every observation. It is charged for that itself: a unit counts for
    the routers at whose end it interrupts. Which router begins changes every ten minutes, in a way that no
    name and no window of the day prefers, so that no router waits for ever, whatever the others report."""
    taken: Counter[str] = Counter()
    found: list[tuple[bool, int, bytes, str, Unit]] = []
    for unit in units:
        routers = unit.interrupted_at
        turn = max(taken[router] for router in routers)
        taken.update(routers)
        begins = min(_lot(router, now) for router in routers)
        found.append((unit.strange, turn, begins, str(unit.resources[0]), unit))
    return [unit for *_, unit in sorted(found, key=lambda item: item[:-1])]


def _lot(router: str, now: datetime) -> bytes:
    return hashlib.sha256(f"{now.timestamp() // _SECONDS:.0f} {router}".encode()).digest()
