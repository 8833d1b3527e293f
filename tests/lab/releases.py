"""Which strongSwan the routers of a lab have: two releases, in the test run that CI makes some pairs of them
and in `make releases` each."""

from __future__ import annotations

import os
from typing import Final

from lab.topology import DEFAULT_RELEASE, RELEASES

OLD, MIDDLE, NEW = "bookworm", "trixie", "forky"
Pair = tuple[str, str]
"""The releases of router-a and of router-b."""
PAIRS: Final[tuple[Pair, ...]] = tuple(
    (first, second) for first, _, second in (w.partition("+") for w in os.environ.get("RELEASES", "").split())
)
"""Those that were asked for, as in RELEASES="bookworm+forky forky+forky"; none for what a test chooses."""


def pairs(*chosen: Pair) -> tuple[Pair, ...]:
    """The pairs that a test runs with: those that were asked for, or `chosen`."""
    return PAIRS or chosen


def label(pair: Pair) -> str:
    """`5.9.8+6.1.0`, as the names of tests have it."""
    return "+".join(RELEASES[release] for release in pair)


def of_sites(pair: Pair) -> dict[str, str]:
    """The release of each router of the three sites: that of the third one is the default."""
    return {"router-a": pair[0], "router-b": pair[1], "router-c": DEFAULT_RELEASE}
