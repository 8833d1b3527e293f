"""What an apply and a diagnosis wait for, on routers that are busy with other things as well."""

from __future__ import annotations

from typing import Final

CLEAR_SECONDS: Final = 3.0
"""How long an apply waits for what traffic negotiates at a tunnel that it is about to switch: some round
trips between routers that are busy. A tunnel at which nothing is negotiated is not waited for."""

STUCK_SECONDS: Final = 5.0
"""How long an exchange in which the peer takes no part may last until it counts as stuck: charon sends again
after 4 s, and what was lost before is answered then."""

SETTLE_SECONDS: Final = 10.0
"""How long an apply waits for a switched tunnel to come to rest: long enough for one retransmission of IKE,
which charon sends after 4 s, and for what follows where that is stuck. A tunnel that is at rest is not waited
for."""

SETTLE_TURN_SECONDS: Final = 1.0
"""How long one router may take to list its SAs, or to do what brings a tunnel to rest, before the tunnels of
the others go on without it. `list-sas` of 1,000 tunnels takes a tenth of that."""

ANSWER_MILLISECONDS: Final = 3_000
"""How long charon may wait for a peer before it answers a command to initiate or terminate: less than
VICI_SECONDS, as all of these are. To charon 0 means to wait for ever."""

FORCED_MILLISECONDS: Final = 500
"""The same for an SA that goes even if its peer does not answer."""

EXPLAINED: Final = 3
"""Connections of one router that did not come up and are tried once more to learn why; each costs
ANSWER_MILLISECONDS."""

ESTABLISH_SECONDS: Final = 10.0
"""How long charon may take, at most, to bring up new SAs beside running ones, whatever the timeout: all of
one router together, so that a hundred peers that do not answer cost little more than one."""

ASKED_AGAIN: Final = 16
"""How many times one apply asks the peer of a tunnel for selectors that it has not agreed to: once for each
block of them, and one more for each child as a whole."""

ONE_SIDED_SECONDS: Final = 10
"""How old a CHILD_SA is that is missed at the other end of its tunnel: longer than two routers are read one
after the other, and than a DELETE is on its way."""

NARROWED_SAS: Final = 256
"""CHILD_SAs of one child whose selectors are compared with what it is for: a peer that takes one pair of
networks at a time needs one for each pair."""

ENDING_SECONDS: Final = 10.0
"""How long an apply waits for peers of one router to answer that their SAs end, all of them together. charon
ends an SA whose peer is silent all the same."""

HURRIED_MILLISECONDS: Final = 50
"""For each of them once that time is used up."""

ATTEMPT_MILLISECONDS: Final = 5_000
"""One attempt to initiate: charon sends again after 4 s, which shows a silent peer."""

REKEY_SECONDS: Final = 6.0
"""A new CHILD_SA: one retransmission, as in SETTLE_SECONDS, between two ends of which neither is switched."""

ROUTE_QUESTIONS: Final = 8
"""Addresses of one peer CIDR for which the kernel is asked for its route."""
