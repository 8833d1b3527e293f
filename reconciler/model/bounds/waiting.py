"""What an apply and a diagnosis wait for, on routers that are busy with other things as well."""

from __future__ import annotations

from typing import Final

CLEAR_SECONDS: Final = 3.0
"""How long an apply waits for what traffic negotiates at a tunnel that it is about to switch: some round
trips between routers that are busy. A tunnel at which nothing is negotiated is not waited for."""

SETTLE_SECONDS: Final = 8.0
"""How long an apply waits for a switched tunnel to come to rest: long enough for one retransmission of IKE,
which charon sends after 4 s. A tunnel that is at rest is not waited for."""

ANSWER_MILLISECONDS: Final = 3_000
"""How long charon may wait for a peer before it answers a command to initiate or terminate: less than
VICI_SECONDS, as all of these are. To charon 0 means to wait for ever."""

FORCED_MILLISECONDS: Final = 500
"""The same for an SA that goes even if its peer does not answer."""

EXPLAINED: Final = 3
"""Connections of one router that did not come up and are tried once more to hear why; each costs
ANSWER_MILLISECONDS."""

ESTABLISH_SECONDS: Final = 10.0
"""How long charon may take, at most, to bring up a new SA beside a running one, whatever the patience."""

ATTEMPT_MILLISECONDS: Final = 5_000
"""One attempt to initiate: charon sends again after 4 s, which is what tells a silent peer."""

REKEY_SECONDS: Final = 6.0
"""A new CHILD_SA: one retransmission, as in SETTLE_SECONDS, between two ends of which neither is switched."""

ROUTE_QUESTIONS: Final = 8
"""Addresses of one peer CIDR for which the kernel is asked for its route."""
