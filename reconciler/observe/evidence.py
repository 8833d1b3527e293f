"""Live routers -> evidence for a diagnosis. Reads the charon logs of both ends while a tunnel that is
down is initiated, sends echo requests through a tunnel that is up, and reads rules and routes. SAs
that carry traffic stay as they are, unless a rekey is requested."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from typing import assert_never

from reconciler.diagnosis import netfilter
from reconciler.diagnosis.evidence import End, Evidence, ForeignChild, Route
from reconciler.diagnosis.log_lines import REKEY_FAILED, matching
from reconciler.diff import diff_router
from reconciler.model import bounds
from reconciler.model.absence import Absence
from reconciler.model.decoding import Fields, from_json, not_understood, sequence
from reconciler.model.errors import AnswerNotUnderstood, CommandRejected, TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel, address_inside, group_of, probe_addresses
from reconciler.model.listing import counted
from reconciler.model.observation import Observation
from reconciler.model.plan import HeldAddress, ResourceChange, ResourceKind
from reconciler.model.router_config import PREFIX, IkeSa, RouterConfig, RouterState, connection_name
from reconciler.observe.charon_log import UNNAMED, CharonLog
from reconciler.observe.passage import Way, sas_of, send_to
from reconciler.observe.state import observe, read_sas
from reconciler.plan.moves import Place, held_addresses
from reconciler.routers.fleet import Fleet, of_router
from reconciler.routers.protocol import Router, Vici, entries

_ATTEMPT = str(bounds.ATTEMPT_MILLISECONDS)
_POLL = 0.05
_ROUTES, _ROUTE = "ip route show", "ip route get"
_NEIGHBORS, _LINKS = "ip neigh show", "ip link show"


@dataclass(frozen=True, slots=True)
class _Scene:
    fabric: Fabric
    desired: Mapping[str, RouterConfig]
    seen: Observation
    held: Mapping[tuple[str, str], Mapping[Place, HeldAddress]]
    fleet: Fleet
    rekey: bool


def examine(
    fabric: Fabric,
    desired: Mapping[str, RouterConfig],
    fleet: Fleet,
    names: Iterable[str],
    *,
    rekey: bool = False,
) -> tuple[Evidence, ...]:
    """Gather what there is about tunnels; both ends of a managed pair are one piece of evidence.

    A router that cannot be reached, or fails in the middle, is part of it.
    """
    groups: dict[str, list[Tunnel]] = {}
    wanted = {group_of(fabric.tunnels[name]) for name in names}
    for _, tunnel in sorted(fabric.tunnels.items()):
        if group_of(tunnel) in wanted:
            groups.setdefault(group_of(tunnel), []).append(tunnel)
    routers = Counter(tunnel.router for ends in groups.values() for tunnel in ends)
    asked = {name: desired[name].sysctls for name in routers}
    # Any host in the same public network may have the address of a tunnel as well.
    networks = {tunnel.vip.public_network for ends in groups.values() for tunnel in ends}
    asked |= {
        name: config.sysctls
        for name, config in desired.items()
        if name not in asked and not networks.isdisjoint(config.networks.values())
    }
    seen = observe(fleet, asked)

    def seconds(router: str) -> float:
        return bounds.ROUTER_OBSERVATION_SECONDS_IN_ALL + bounds.DIAGNOSE_SECONDS * routers[router]

    held = held_addresses(desired, seen.states)
    scene = _Scene(fabric, desired, seen, held, fleet.within(seconds, "one diagnosis"), rekey)
    examined = fleet.side_by_side("tunnel", groups, lambda group: _examine_tunnel(scene, groups[group]))
    return tuple(
        _failed(scene, groups[group], found) if isinstance(found, TunnelwrightError) else found
        for group, found in examined.items()
    )


def _failed(scene: _Scene, tunnels: list[Tunnel], error: TunnelwrightError) -> Evidence:
    """What is left to say of a tunnel when the work at one of its routers ended; of both where it is not
    known which."""
    routers = {tunnel.router for tunnel in tunnels}
    blamed = {error.router} & routers or routers
    why = str(Absence.of(error))
    ends = [
        End(tunnel, scene.desired[tunnel.router].connections.get(connection_name(tunnel.name)), None, why)
        if tunnel.router in blamed
        else _end(scene, tunnel)
        for tunnel in tunnels
    ]
    return _evidence(ends)


def _evidence(ends: list[End]) -> Evidence:
    # One that answers initiates; of two the one that does so in an apply.
    ends.sort(key=lambda e: (e.state is None, not e.tunnel.initiates))
    return Evidence(ends[0], ends[1] if len(ends) > 1 else None)


def _examine_tunnel(scene: _Scene, tunnels: list[Tunnel]) -> Evidence:
    ends = [_end(scene, tunnel) for tunnel in tunnels]
    evidence = _evidence(ends)
    with scene.fleet.together(end.tunnel.router for end in ends if end.state is not None) as routers:
        if all(end.connection is not None for end in ends) and evidence.this_end.tunnel.router in routers:
            evidence = _try(scene, evidence, routers)
        this_end, other_end = evidence.this_end, evidence.other_end
        return replace(
            evidence,
            this_end=_surroundings(scene, this_end, routers),
            other_end=_surroundings(scene, other_end, routers) if other_end is not None else None,
        )


def _end(scene: _Scene, tunnel: Tunnel) -> End:
    config = scene.desired[tunnel.router]
    connection = config.connections.get(connection_name(tunnel.name))
    state = scene.seen.states.get(tunnel.router)
    if state is None:
        return End(tunnel, connection, None, str(Absence.of(scene.seen.failures[tunnel.router])))
    drift = tuple(change for change in diff_router(config, state) if _concerns(change, tunnel))
    holders = tuple(scene.held.get((tunnel.vip.public_network, tunnel.vip.address), {}).values())
    sas = state.sas_of(connection_name(tunnel.name))
    return End(tunnel, connection, state, drift=drift, sas=sas, holders=holders)


def _concerns(change: ResourceChange, tunnel: Tunnel) -> bool:
    """True when a change at its router is this tunnel's business."""
    match change.resource.kind:
        case ResourceKind.TUNNEL:
            return change.resource.name == tunnel.name
        case ResourceKind.VIP:
            return change.resource.name == tunnel.vip.address
        case ResourceKind.FIREWALL:
            pairs = [(tunnel.vip.address, tunnel.peer_address)]
            pairs += [(a, b) for a in tunnel.local_cidrs for b in tunnel.peer_cidrs]
            own = {f"[{a.removesuffix('/32')} {b.removesuffix('/32')}]" for a, b in pairs}
            return any("[" not in c.path or c.path[c.path.find("[") :] in own for c in change.changes)
        case ResourceKind.SYSCTLS:
            return True
        case ResourceKind.BOOT | ResourceKind.KEY | ResourceKind.VIP_RECORD:
            return False
        case _:
            assert_never(change.resource.kind)


def _try(scene: _Scene, evidence: Evidence, routers: Mapping[str, Router]) -> Evidence:
    """Bring it up if it is down, then send through it, then rekey it if that is asked for; both ends' logs
    are read over connections of their own."""
    with scene.fleet.together(routers) as read, ExitStack() as stack:
        logs = {name: stack.enter_context(CharonLog(router)) for name, router in read.items()}
        return _tried(scene, evidence, routers, logs)


def _tried(
    scene: _Scene, evidence: Evidence, routers: Mapping[str, Router], logs: Mapping[str, CharonLog]
) -> Evidence:
    this_end, other_end = evidence.this_end, evidence.other_end

    def said(end: End) -> tuple[str, ...]:
        log = logs[end.tunnel.router]
        return log.said(connection_name(end.tunnel.name), end.tunnel.vip.address, end.tunnel.peer_address)

    here = routers[this_end.tunnel.router]
    failure = _initiate(here, this_end)
    this_end = replace(this_end, said=said(this_end), sas=sas_of(here, this_end))
    if other_end is not None and other_end.tunnel.router in routers:
        other_end = replace(
            other_end, said=said(other_end), sas=sas_of(routers[other_end.tunnel.router], other_end)
        )
    if this_end.missing:
        this_end = replace(this_end, half_open=_half_open(here, this_end))
    evidence = replace(evidence, this_end=this_end, other_end=other_end, failure=failure)
    evidence = _send(scene, evidence, routers)
    if scene.rekey and this_end.children:
        for log in logs.values():
            log.forget()
        failure = _rekey(here, this_end, lambda: said(this_end))
        this_end = replace(this_end, said_rekeying=said(this_end), sas=sas_of(here, this_end))
        if other_end is not None and other_end.tunnel.router in routers:
            other_end = replace(
                other_end,
                said_rekeying=said(other_end),
                sas=sas_of(routers[other_end.tunnel.router], other_end),
            )
        evidence = replace(evidence, this_end=this_end, other_end=other_end, rekey_failure=failure)
    return evidence


def _initiate(router: Router, this_end: End) -> str:
    """Ask for every child that is missing; why charon did not bring it up, or nothing."""
    name = connection_name(this_end.tunnel.name)
    if this_end.state is None or name not in this_end.state.connections:
        return ""
    if this_end.missing:
        # An attempt that is under way is half over: what its peer said is logged already.
        for sa in this_end.sas:
            if sa.state == "CONNECTING":
                _command(router, "terminate", {"ike-id": sa.id, "force": "yes", "timeout": "1000"})
    for child in this_end.missing:
        failure = _command(router, "initiate", {"ike": name, "child": child, "timeout": _ATTEMPT})
        if failure:
            return failure
    return ""


def _half_open(router: Router, end: End) -> tuple[IkeSa, ...]:
    """The attempts of the peer for which charon has found no connection yet."""
    addresses = (end.tunnel.vip.address, end.tunnel.peer_address)
    with of_router(router.name):
        found = read_sas(router.vici, every=True)
    return tuple(
        sa
        for sa in found
        if (sa.local_address, sa.remote_address) == addresses
        and (sa.connection, sa.state, sa.initiator) == (UNNAMED, "CONNECTING", False)
    )


def _command(router: Router, command: str, message: Mapping[str, str]) -> str:
    try:
        for _ in router.vici.stream(command, "control-log", {**message, "loglevel": "-1"}):
            pass
    except CommandRejected as error:
        return error.message
    return ""


def _send(scene: _Scene, evidence: Evidence, routers: Mapping[str, Router]) -> Evidence:
    """Echo requests from this router's own address inside the tunnel to that of the other end; where all are
    answered, also such as are as large as packets of TCP, both ways."""
    this_end, other_end = evidence.this_end, evidence.other_end
    here = routers[this_end.tunnel.router]
    if other_end is None:
        target = this_end.tunnel.probe
        source = address_inside(scene.fabric, this_end.tunnel)
        if target is None or not source or not this_end.children:
            return evidence
        return replace(evidence, flow=send_to(here, this_end, source, target.target))
    ends = probe_addresses(scene.fabric, this_end.tunnel)
    if other_end.tunnel.router not in routers or ends is None or not this_end.children:
        return evidence
    there = routers[other_end.tunnel.router]
    way = Way(here, this_end, ends[0], there, other_end, ends[1])
    flow = way.send()
    if 0 < flow.received < flow.sent:
        # Once more where some were answered: one may go with an SA that crossed the one that came up just
        # now, or be late on a router that is busy. What is wrong with a tunnel loses them again.
        flow = way.send()
    evidence = replace(evidence, flow=flow)
    mss = min(scene.fabric.routers[end.tunnel.router].mss for end in evidence.ends)
    return replace(evidence, lost_sizes=way.lost_sizes(mss)) if evidence.carries else evidence


def _rekey(router: Router, this_end: End, said: Callable[[], tuple[str, ...]]) -> str:
    """Replace every CHILD_SA, make before break; why it failed, or nothing."""
    old = {child.id for child in this_end.children}
    for number in sorted(old, key=int):
        try:
            router.vici.request("rekey", {"child-id": number})
        except CommandRejected as error:
            return error.message
    deadline = time.monotonic() + bounds.REKEY_SECONDS
    while time.monotonic() < deadline:
        if _replaced(sas_of(router, this_end), old):
            return ""
        failed = matching(said(), REKEY_FAILED)
        if failed:
            return failed[-1]
        time.sleep(_POLL)
    return f"no new CHILD_SA within {bounds.REKEY_SECONDS:g} s"


def _replaced(sas: Iterable[IkeSa], old: set[str]) -> bool:
    running = {child.id for sa in sas for child in sa.children if child.installed}
    return len(running) >= len(old) and not running & old


def _surroundings(scene: _Scene, end: End, routers: Mapping[str, Router]) -> End:
    router = routers.get(end.tunnel.router)
    if router is None or end.state is None:
        return end
    with of_router(router.name):
        return _inspect(scene, end, end.state, router)


def _inspect(scene: _Scene, end: End, state: RouterState, router: Router) -> End:
    asked = time.time()
    found = router.host.inspect()
    ahead = _ahead(found.clock, asked, time.time())
    routes = sequence(from_json(found.routes, _ROUTES), _ROUTES)
    desired = scene.fabric.routers[end.tunnel.router]
    inside = {a.cidr: a.interface for a in desired.vpc if a.cidr in end.tunnel.local_cidrs}
    own = {address.host for address in state.addresses}
    questions = [
        (source, destination, inside[local])
        for local in inside
        for source in islice(_hosts(local, own), 1)
        for remote in end.tunnel.peer_cidrs
        for destination in _destinations(remote, routes)
    ]
    replies = router.host.route(questions) if questions else ()
    if len(replies) != len(questions):
        what = f"{counted(len(replies), 'answer')} to {counted(len(questions), 'question')}"
        raise AnswerNotUnderstood(what, where=_ROUTE)
    return replace(
        end,
        ruleset=netfilter.read(found.ruleset),
        neighbors=_ethernet(found.neighbors, "dst", "lladdr", _NEIGHBORS),
        ethernet=frozenset(_ethernet(found.links, "ifname", "address", _LINKS).values()),
        inside=inside,
        clock_ahead=ahead,
        routes=tuple(_route(q, reply) for q, reply in zip(questions, replies, strict=True)),
        foreign=tuple(_foreign(router.vici)),
    )


def _ahead(clock: int | None, asked: float, answered: float) -> int:
    """Seconds by which a clock, read between two moments of ours, is certainly ahead; negative: behind."""
    if clock is None:
        return 0
    return max(0, int(clock - answered)) + min(0, int(clock + 1 - asked))


def _ethernet(said: str, key: str, value: str, where: str) -> dict[str, str]:
    """The Ethernet addresses of a listing, by another field; an entry without one has none.

    Raises AnswerNotUnderstood.
    """
    entries = [Fields(entry, where) for entry in sequence(from_json(said, where), where)]
    return {name: found for one in entries if (name := one.text(key, "")) and (found := one.text(value, ""))}


def _hosts(cidr: str, taken: set[str]) -> Iterator[str]:
    """Addresses that a host behind the router may have."""
    return (str(address) for address in IPv4Network(cidr).hosts() if str(address) not in taken)


def _destinations(cidr: str, routes: Iterable[object]) -> list[str]:
    """One address of a peer CIDR, and one of each route that leads into a part of it.

    Raises AnswerNotUnderstood.
    """
    network = IPv4Network(cidr)
    found = [str(next(network.hosts(), network.network_address))]
    for route in routes:
        words = Fields(route, _ROUTES).text("dst", "default")
        if words != "default" and "." in words:
            try:
                part = IPv4Network(words.rsplit(maxsplit=1)[-1])
            except ValueError:
                raise not_understood(words, "an IPv4 network", _ROUTES, "dst") from None
            if part.subnet_of(network) and part != network:
                found.append(str(IPv4Address(int(part.network_address) + (part.num_addresses > 2))))
    return list(dict.fromkeys(found))[: bounds.ROUTE_QUESTIONS]


def _route(question: tuple[str, str, str], reply: str) -> Route:
    """Where the kernel sends a packet. Its refusal is an answer, which is no JSON.

    Raises AnswerNotUnderstood.
    """
    source, destination, _ = question
    if not reply.lstrip().startswith("["):
        return Route(source, destination, failure=reply.strip() or "no route")
    found = sequence(from_json(reply, _ROUTE), _ROUTE)
    if not found:
        return Route(source, destination, failure="no route")
    route = Fields(found[0], _ROUTE)
    return Route(source, destination, route.text("dev", ""), route.text("type", ""))


def _foreign(vici: Vici) -> Iterator[ForeignChild]:
    """Every child configuration that is not tunnelwright's.

    Raises AnswerNotUnderstood.
    """
    for name, body in entries(vici, "list-conns", "list-conn"):
        if not name.startswith(PREFIX):
            for child, section in Fields(body, "list-conns", name).section("children").sections():
                yield ForeignChild(name, child, section.texts("local-ts"), section.texts("remote-ts"))
