"""Causes in who has which address: a VIP that is missing or that another machine has too, a peer address that
is the router's own, addresses that are translated on the path."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnosis import log_lines
from reconciler.diagnosis.evidence import End, Evidence
from reconciler.diagnosis.finding import APPLY, Finding, found


def vip_missing(evidence: Evidence) -> Iterator[Finding]:
    """The tunnel's local address is not on the router."""
    for end in evidence.ends:
        if end.state is None:
            continue
        vip = end.tunnel.vip
        there = {(a.interface, a.host) for a in end.state.addresses}
        if (vip.interface, vip.address) not in there:
            hint = APPLY if vip.managed else f"find out what configures {vip.address} at {end.tunnel.router}"
            message = f"the VIP {vip.address} is not on {vip.interface} of {end.tunnel.router}"
            yield found("vip-missing", end.tunnel, "vip", message, hint=hint)


def duplicate_address(evidence: Evidence) -> Iterator[Finding]:
    """Another managed router has the tunnel's local address as well: packets go to either of the two."""
    for end in evidence.ends:
        others = [held for held in end.holders if held.router != end.tunnel.router]
        for held in others:
            ours = f"tunnelwright added it there for {held.owner}"
            yield found(
                "duplicate-address",
                end.tunnel,
                "vip",
                f"the VIP {held.host} is on {held.address.interface} of {held.router} too",
                seen=[ours if held.owner else "tunnelwright did not add it there"],
                hint=APPLY if held.owner else f"remove it from {held.router}",
            )


def answered_elsewhere(evidence: Evidence) -> Iterator[Finding]:
    """Packets for a local address reach another machine than the router that has it. A proxy (RFC 1027) that
    passes them on does so too, and then the tunnel carries."""
    if evidence.other_end is None or evidence.carries:
        return
    this_end, other_end = evidence.this_end, evidence.other_end
    for holder, sender in ((this_end, other_end), (other_end, this_end)):
        address = holder.tunnel.vip.address
        seen = sender.neighbors.get(address)
        if seen is not None and holder.ethernet and seen not in holder.ethernet:
            yield found(
                "duplicate-address",
                holder.tunnel,
                "vip",
                f"another machine has the VIP {address} too: {sender.tunnel.router} sends to {seen}, which "
                f"is not an interface of {holder.tunnel.router}",
                seen=[f"neighbor at {sender.tunnel.router}: {address} lladdr {seen}"],
                hint=f"find the machine with the Ethernet address {seen}, and remove the VIP there",
            )


def peer_is_local(evidence: Evidence) -> Iterator[Finding]:
    """The peer address is the router's own: what is sent there never leaves the router."""
    for end in evidence.ends:
        places = _places(end, end.tunnel.peer_address)
        if places:
            yield found(
                "peer-is-local",
                end.tunnel,
                "peer.address",
                f"{end.tunnel.router} has the peer address {end.tunnel.peer_address} itself, on "
                f"{', '.join(places)}: its packets for the peer do not leave it",
                hint=f"remove the address from {end.tunnel.router}, or correct `peer.address`",
            )


def _places(end: End, address: str) -> list[str]:
    """The interfaces of a router that have an address."""
    state = end.state
    return sorted(a.interface for a in state.addresses if a.host == address) if state is not None else []


def translated_on_the_path(evidence: Evidence) -> Iterator[Finding]:
    """The peer has answered, and it has received nothing from our address: it saw another one, for which it
    has no connection."""
    this_end, other_end = evidence.this_end, evidence.other_end
    if other_end is None or log_lines.arrived(other_end.said, this_end.tunnel.vip.address):
        return
    ours = this_end.tunnel.vip.address
    seen = log_lines.without_connection(other_end.said, other_end.tunnel.vip.address)
    others = tuple(dict.fromkeys(address for address in seen if address != ours))
    if others and log_lines.answered(this_end.said, this_end.tunnel.peer_address):
        yield found(
            "address-translated",
            other_end.tunnel,
            "peer.address",
            f"{other_end.tunnel.router} receives packets of {this_end.tunnel.router} from "
            f"{' or '.join(others)}, not from {ours}: a NAT is between them",
            seen=log_lines.matching(other_end.said, log_lines.NO_CONNECTION),
            hint=f"exempt UDP 500, UDP 4500 and ESP of {ours} from NAT, or let the router behind the NAT "
            "initiate, with that address as `peer.address` at the other end",
        )
