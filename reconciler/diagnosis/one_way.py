"""Packets to an unmanaged peer that do not come back: only this end's counters show where they vanish."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from reconciler.diagnosis.evidence import Evidence
from reconciler.diagnosis.finding import Finding, found
from reconciler.diagnosis.packet_path import esp_dropped_at
from reconciler.model.diagnostic import Severity
from reconciler.model.listing import counted

_SOME: Final = 5
"""Packets that went out before it counts that none came: one or two may still be on their way."""


def one_way(evidence: Evidence) -> Iterator[Finding]:
    """This end encrypts, and decrypts nothing. Where nothing is known to answer behind the peer, that may be
    as it should be: a stream in one direction."""
    this_end, flow = evidence.this_end, evidence.flow
    tunnel = this_end.tunnel
    if evidence.other_end is not None or not this_end.children:
        return
    if flow is None:
        went = sum(child.packets_out for child in this_end.children)
        came = sum(child.packets_in for child in this_end.children)
        certain = False
    else:
        went, came, certain = flow.this_out, flow.this_in, True
    if came or went < (1 if certain else _SOME):
        return
    packets = [f"{counted(went, 'packet')} encrypted at {tunnel.router}, 0 decrypted"]
    verdict = esp_dropped_at(this_end)
    if verdict is not None:
        yield found(
            "esp-blocked",
            tunnel,
            "peer.address",
            f"ESP is dropped at {tunnel.router} by {verdict.rule}",
            seen=packets,
            hint=f"change {verdict.rule} (`nft -a list ruleset`): tunnelwright changes only its own table",
        )
        return
    item = found(
        "one-way",
        tunnel,
        "peer.address",
        f"packets go out to {tunnel.peer_address}, and none comes back: they vanish on the path, at the peer "
        "or behind it",
        seen=packets,
        hint="ask the peer's administrator whether its CHILD_SA counts them"
        + ("" if certain else "; set `probe.target` to an address behind the peer that answers"),
        new_sas_may_help=True,
    )
    yield item if certain else replace(item, severity=Severity.WARNING)
