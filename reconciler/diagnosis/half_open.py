"""Half-open attempts: what the peer sends arrives, and it receives nothing of what is sent to it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnosis.evidence import Evidence
from reconciler.diagnosis.finding import Finding, found
from reconciler.diagnosis.packet_path import unanswered
from reconciler.model.listing import counted


def half_open(evidence: Evidence) -> Iterator[Finding]:
    """The peer's first request was answered, and no second one came; nor does the peer answer ours."""
    end = evidence.this_end
    attempts = counted(len(end.half_open), "attempt")
    if end.half_open and unanswered(evidence):
        tunnel = end.tunnel
        yield found(
            "half-open",
            tunnel,
            "peer.address",
            f"requests of {tunnel.peer_address} arrive at {tunnel.router}, but what {tunnel.router} sends is "
            f"lost: {attempts} of the peer got no further than the first answer, "
            "and the peer does not answer ours",
            seen=[f"IKE_SA {sa.id}: {sa.state} as responder, SPIs {sa.spis}" for sa in end.half_open],
            hint=f"find what drops UDP 500 and 4500 from {tunnel.vip.address} to {tunnel.peer_address}, on "
            "the path or at the peer",
        )
