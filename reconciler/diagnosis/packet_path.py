"""Causes on the way of packets: rules of firewalls and NAT, routes, policies, one-sided SAs, lost packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netaddr import AddrFormatError, IPNetwork

from reconciler.diagnosis import log_lines
from reconciler.diagnosis.evidence import End, Evidence
from reconciler.diagnosis.finding import Finding, found
from reconciler.diagnosis.netfilter import Packet, Verdict, dropped, translated
from reconciler.model.diagnostic import Severity
from reconciler.model.listing import counted

_UDP, _ICMP, _ESP = 17, 1, 50
_IKE_PORTS = (500, 4500)
_IPSEC_INTERFACE = "ipsec0"


def ike_blocked(evidence: Evidence) -> Iterator[Finding]:
    """IKE is not answered, and a rule of a managed router, or what came through, says where it is lost. A
    rule that drops IKE ends a tunnel that is up as well, at its next rekeying or dead peer detection."""
    this_end, other_end = evidence.this_end, evidence.other_end
    silent = unanswered(evidence)
    if not silent and (not this_end.children or log_lines.answered(_said(this_end), _peer(this_end))):
        return
    port = log_lines.port_of(_said(this_end), 4500 if this_end.encapsulated else 500)
    dropping = [(end, rule) for end in evidence.ends if (rule := _drops_ike(evidence, end, port)) is not None]
    lost = log_lines.matching(_said(this_end), log_lines.UNANSWERED)
    for end, (verdict, ports) in dropping:
        ahead = "" if silent else "; the tunnel ends at its next rekeying or dead peer detection"
        yield found(
            "ike-blocked",
            end.tunnel,
            "peer.address",
            f"IKE (UDP {ports}) is dropped at {end.tunnel.router} by {verdict.rule}{ahead}",
            seen=lost,
            hint=_remove(verdict),
        )
    if not silent or dropping or other_end is None or other_end.state is None:
        return
    arrived = log_lines.arrived(_said(other_end), this_end.tunnel.vip.address, port)
    where = (
        f"{other_end.tunnel.router} receives requests of {this_end.tunnel.router}, but its answers are lost"
        if arrived
        else f"{this_end.tunnel.router} sends, but {other_end.tunnel.router} receives nothing"
    )
    yield found(
        "ike-blocked",
        this_end.tunnel,
        "peer.address",
        f"{where}: something between {this_end.tunnel.vip.address} and {_peer(this_end)} drops UDP {port}",
        seen=lost,
        hint="check firewalls and routes between the two addresses",
    )


def _drops_ike(evidence: Evidence, end: End, port: int) -> tuple[Verdict, str] | None:
    """The rule of a router that drops what is sent to a port of IKE, or what comes back, with the ports of
    IKE that it drops."""
    ours = end is evidence.this_end
    sender, receiver = evidence.this_end.tunnel.vip.address, _peer(evidence.this_end)

    def verdict(number: int) -> Verdict | None:
        request, reply = Packet(sender, receiver, _UDP, number), Packet(receiver, sender, _UDP, number)
        hooks = [("output", request), ("input", reply)] if ours else [("input", request), ("output", reply)]
        return next((found for _, found in _stopped([(end, *hook) for hook in hooks])), None)

    stopped = verdict(port)
    ports = " and ".join(str(number) for number in _IKE_PORTS if verdict(number) == stopped)
    return (stopped, ports) if stopped is not None else None


def peer_silent(evidence: Evidence) -> Iterator[Finding]:
    """The peer does not answer, and nothing on our side says why."""
    if unanswered(evidence):
        tunnel, said = evidence.this_end.tunnel, _said(evidence.this_end)
        port = log_lines.port_of(said)
        half = log_lines.answered(said, tunnel.peer_address) and port != _IKE_PORTS[0]
        what = f"answers on UDP {_IKE_PORTS[0]}, and not on UDP {port}:" if half else "does not answer"
        yield found(
            "peer-silent",
            tunnel,
            "peer.address",
            f"{tunnel.peer_address} {what} IKE from {tunnel.vip.address}",
            seen=log_lines.matching(said, log_lines.UNANSWERED),
            hint="check that the peer is up, that this is its address, and that no firewall on the path "
            "drops UDP 500 and 4500; a peer behind a NAT has to initiate the tunnel itself",
        )


def _said(end: End) -> tuple[str, ...]:
    return (*end.said, *end.said_rekeying)


def _peer(end: End) -> str:
    return end.tunnel.peer_address


def unanswered(evidence: Evidence) -> bool:
    """charon sends again, and nothing has come back in this attempt since: requests of the peer are no
    answers."""
    said = _said(evidence.this_end)
    last = max((i for i, line in enumerate(said) if log_lines.UNANSWERED.search(line)), default=-1)
    return last >= 0 and not log_lines.answered(said[last:], _peer(evidence.this_end))


def _stopped(stops: list[tuple[End, str, Packet]]) -> Iterator[tuple[End, Verdict]]:
    for end, hook, packet in stops:
        wan = end.tunnel.vip.interface
        interfaces = (wan, None) if hook == "input" else (None, wan)
        verdict = dropped(end.ruleset, hook, replace(packet, interfaces=interfaces))
        if verdict is not None:
            yield end, verdict


def _remove(verdict: Verdict) -> str:
    return f"change {verdict.rule} (`nft -a list ruleset`): tunnelwright changes only its own table"


def esp_blocked(evidence: Evidence) -> Iterator[Finding]:
    """One end encrypts and the other does not get it."""
    this_end, other_end, flow = evidence.this_end, evidence.other_end, evidence.flow
    if other_end is None or flow is None or flow.whole:
        return
    lost = [
        (a, b, sent, arrived)
        for a, b, sent, arrived in (
            (this_end, other_end, flow.this_out, flow.other_in),
            (other_end, this_end, flow.other_out, flow.this_in),
        )
        if sent and not arrived
    ]
    for sender, receiver, sent, _ in lost:
        what, protocol = ("ESP in UDP", "UDP 4500") if sender.encapsulated else ("ESP", "IP protocol 50")
        packet = _esp(sender, sender.tunnel.vip.address, sender.tunnel.peer_address)
        rules = list(_stopped([(sender, "output", packet), (receiver, "input", packet)]))
        packets = [
            f"{counted(sent, 'packet')} encrypted at {sender.tunnel.router}, 0 decrypted at "
            f"{receiver.tunnel.router}"
        ]
        for end, verdict in rules[:1]:
            yield found(
                "esp-blocked",
                end.tunnel,
                "peer.address",
                f"{what} is dropped at {end.tunnel.router} by {verdict.rule}",
                seen=packets,
                hint=_remove(verdict),
            )
        if not rules:
            yield found(
                "esp-blocked",
                receiver.tunnel,
                "peer.address",
                f"{what} from {sender.tunnel.router} to {receiver.tunnel.router} is lost on the path",
                seen=packets,
                hint=f"check whether a firewall on the path drops {protocol}",
                new_sas_may_help=True,
            )


def esp_dropped_at(end: End) -> Verdict | None:
    """The rule by which a router certainly drops the ESP that it sends or receives; None without one."""
    ours, peer = end.tunnel.vip.address, end.tunnel.peer_address
    stops = [(end, "output", _esp(end, ours, peer)), (end, "input", _esp(end, peer, ours))]
    return next((verdict for _, verdict in _stopped(stops)), None)


def _esp(end: End, source: str, destination: str) -> Packet:
    """A packet of the end's ESP on the path."""
    if end.encapsulated:
        return Packet(source, destination, _UDP, _IKE_PORTS[1])
    return Packet(source, destination, _ESP)


def nat_steals(evidence: Evidence) -> Iterator[Finding]:
    """A NAT rule is asked before the tunnel's exemption and translates its traffic."""
    for end in evidence.enabled:
        for local, remote in _pairs(end):
            packet = Packet(_host(local), _host(remote), _ICMP, interfaces=(None, _outside(end)))
            verdict = translated(end.ruleset, "postrouting", packet)
            if verdict is not None:
                yield found(
                    "nat-steals",
                    end.tunnel,
                    "source",
                    f"traffic from {local} to {remote} is translated ({verdict.action}) before the tunnel's "
                    f"exemption at {end.tunnel.router}, by {verdict.rule}, and misses the tunnel",
                    seen=_uncounted(evidence),
                    hint=f"exempt the tunnel in {verdict.rule}, or give its chain a priority above 90",
                )
                break


def route_steals(evidence: Evidence) -> Iterator[Finding]:
    """The kernel sends the tunnel's traffic elsewhere."""
    for end in evidence.ends:
        if end.state is None or not end.up:
            # The userspace data plane has its routes with its SAs alone.
            continue
        for route in end.routes:
            astray = route.failure or (
                f"is sent to {route.device}"
                if end.state.data_plane == "userspace" and route.device != _IPSEC_INTERFACE
                else ""
            )
            if astray:
                yield found(
                    "route-steals",
                    end.tunnel,
                    "peer.cidrs",
                    f"traffic from {route.source} to {route.destination} misses the tunnel at "
                    f"{end.tunnel.router}: {astray}",
                    hint=f"see `ip route get {route.destination} from {route.source}` and `ip rule` there",
                )
                break


def forward_blocked(evidence: Evidence) -> Iterator[Finding]:
    """Another table drops what the router forwards into the tunnel, or out of it."""
    for end in evidence.enabled:
        for local, remote in _pairs(end):
            inside, outside = end.inside.get(local), _outside(end)
            there = Packet(_host(local), _host(remote), _ICMP, interfaces=(inside, outside))
            back = Packet(_host(remote), _host(local), _ICMP, interfaces=(outside, inside))
            verdicts = [dropped(end.ruleset, "forward", packet) for packet in (there, back)]
            verdict = next((item for item in verdicts if item is not None), None)
            if verdict is not None:
                yield found(
                    "forward-blocked",
                    end.tunnel,
                    "source",
                    f"{end.tunnel.router} does not forward between {local} and {remote}: dropped by "
                    f"{verdict.rule}",
                    hint=_remove(verdict),
                )
                break


def overlapping_policy(evidence: Evidence) -> Iterator[Finding]:
    """A connection that is not tunnelwright's claims the same traffic."""
    for end in evidence.enabled:
        for foreign in end.foreign:
            same = [
                f"{local} === {remote}"
                for local, remote in _pairs(end)
                if _overlaps(local, foreign.local_ts) and _overlaps(remote, foreign.remote_ts)
            ]
            if same:
                yield found(
                    "overlapping-policy",
                    end.tunnel,
                    "peer.cidrs",
                    f"the connection {foreign.connection!r} at {end.tunnel.router}, which is not "
                    f"tunnelwright's, also has the selectors {', '.join(same)}",
                    seen=[
                        f"{foreign.connection}/{foreign.child}: {' '.join(foreign.local_ts)} === "
                        f"{' '.join(foreign.remote_ts)}"
                    ],
                    hint="remove it from the router, or change the CIDRs of one of the two",
                )


def one_sided(evidence: Evidence) -> Iterator[Finding]:
    """One end holds SAs that the other has forgotten; beside one that both hold, such an SA is in the way of
    no packet of the end that lacks it."""
    this_end, other_end = evidence.this_end, evidence.other_end
    if other_end is None or this_end.state is None or other_end.state is None:
        return
    ours = {child.spis for child in this_end.children}
    theirs = {child.spis_at_peer for child in other_end.children}
    for holder, spis in ((this_end, ours - theirs), (other_end, theirs - ours)):
        if spis:
            other = other_end if holder is this_end else this_end
            item = found(
                "one-sided-sa",
                holder.tunnel,
                "ike.dpd",
                f"{holder.tunnel.router} holds CHILD_SAs that {other.tunnel.router} does not have",
                seen=[f"{spi_in}/{spi_out}" for spi_in, spi_out in sorted(spis)],
                hint="wait for dead peer detection, or send traffic from the end without them, which "
                "negotiates new ones",
                new_sas_may_help=True,
            )
            yield replace(item, severity=Severity.WARNING) if ours & theirs and evidence.carries else item


def not_encrypted(evidence: Evidence) -> Iterator[Finding]:
    """Packets do not enter the tunnel, and nothing that is known says why."""
    this_end, other_end, flow = evidence.this_end, evidence.other_end, evidence.flow
    if flow is None or flow.whole:
        return
    ways = [(this_end, flow.sent, flow.this_out)]
    if other_end is not None:
        ways.append((other_end, flow.other_in, flow.other_out))
    for end, wanted, out in ways:
        if wanted and not out:
            yield found(
                "not-encrypted",
                end.tunnel,
                "source",
                f"{end.tunnel.router} sends no packet into the tunnel: 0 of {wanted} were encrypted",
                seen=_uncounted(evidence),
                hint="check routes, NAT, firewall rules and other IPsec policies of this router",
                new_sas_may_help=True,
            )


def no_reply(evidence: Evidence) -> Iterator[Finding]:
    """The tunnel carries packets, and not all echo requests were answered."""
    flow = evidence.flow
    if flow is not None and not flow.whole:
        yield found(
            "no-reply",
            evidence.this_end.tunnel,
            "peer.cidrs",
            f"{flow.received} of {flow.sent} echo requests through the tunnel were answered",
            seen=_uncounted(evidence),
            hint="packets pass the tunnel: find out what drops ICMP behind it",
        )


def _uncounted(evidence: Evidence) -> list[str]:
    flow = evidence.flow
    if flow is None:
        return []
    return [
        f"{flow.sent} echo requests sent, {flow.received} answered; CHILD_SA packets: "
        f"{flow.this_out} out and {flow.this_in} in at {evidence.this_end.tunnel.router}"
        + (f", {flow.other_in} in and {flow.other_out} out at the peer" if evidence.other_end else "")
    ]


def _pairs(end: End) -> list[tuple[str, str]]:
    return [(a, b) for a in end.tunnel.local_cidrs for b in end.tunnel.peer_cidrs]


def _host(cidr: str) -> str:
    """An address of a network that stands for its hosts."""
    network = IPNetwork(cidr)
    return str(network[min(10, network.size - 1)])


def _outside(end: End) -> str:
    userspace = end.state is not None and end.state.data_plane == "userspace"
    return _IPSEC_INTERFACE if userspace else end.tunnel.vip.interface


def _overlaps(cidr: str, selectors: tuple[str, ...]) -> bool:
    for selector in selectors:
        try:
            other = IPNetwork(selector.partition("[")[0])
        except (AddrFormatError, ValueError):
            # `dynamic`, a range, or an IPv6 network that is not ours.
            continue
        mine = IPNetwork(cidr)
        if mine.version == other.version and (mine in other or other in mine):
            return True
    return False
