"""Every bound on what comes from outside, each with its reason: bytes, seconds in all, depth, counts.

What exceeds one is refused with the bound in the message. Whoever reads from outside takes its bound from
here, so that a reader sees all of them at once.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20

# An apply, on routers that are busy with other things as well.

CLEAR_SECONDS: Final = 3.0
"""How long an apply waits for what traffic negotiates at a tunnel that it is about to switch: some round
trips between routers that are busy. A tunnel at which nothing is negotiated is not waited for."""

SETTLE_SECONDS: Final = 8.0
"""How long an apply waits for a switched tunnel to come to rest: long enough for one retransmission of IKE,
which charon sends after 4 s. A tunnel that is at rest is not waited for."""
