"""Live routers -> evidence for a diagnosis. Listens to charon at both ends while a tunnel that is down is
initiated, sends echo requests through one that is up, and reads rules and routes. SAs that carry traffic stay
as they are, unless a rekey is asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from typing import Any

from reconciler.compile import group_of
from reconciler.diagnosis.evidence import End, Evidence, Flow, ForeignChild, Route
from reconciler.diagnosis.words import REKEY_FAILED, telling
from reconciler.diff import diff_router
from reconciler.facets.connections import connection_name
from reconciler.listening import Ears
from reconciler.model.errors import CommandRejected
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.observation import Observation
from reconciler.model.plan import ResourceChange
from reconciler.model.router_config import PREFIX, IkeSa, RouterConfig
from reconciler.observe import observe, read_sas
from reconciler.routers.protocol import Router, Vici
from reconciler.verify import probe_addresses

Connect = Callable[[str], Router]

_ATTEMPT = "5000"
"""Milliseconds for one attempt: charon sends again after 4 s, which is what tells a silent peer."""
_REKEY_WAIT = 6.0
_POLL = 0.05
_PINGS = 3
_MANY = 8


@dataclass(frozen=True, slots=True)
class _Scene:
    fabric: Fabric
    desired: Mapping[str, RouterConfig]
    seen: Observation
    connect: Connect
    rekey: bool


def examine(
    fabric: Fabric,
    desired: Mapping[str, RouterConfig],
    connect: Connect,
    names: Iterable[str],
    *,
    rekey: bool = False,
    parallelism: int = 10,
) -> tuple[Evidence, ...]:
    """Gather what there is about tunnels; both ends of a managed pair are one piece of evidence.

    A router that cannot be reached is part of it. Raises RouterUnreachable or CommandRejected when one
    fails in the middle.
    """
    groups: dict[str, list[Tunnel]] = {}
    wanted = {group_of(fabric.tunnels[name]) for name in names}
    for _, tunnel in sorted(fabric.tunnels.items()):
        if group_of(tunnel) in wanted:
            groups.setdefault(group_of(tunnel), []).append(tunnel)
    routers = {tunnel.router for ends in groups.values() for tunnel in ends}
    seen = observe(connect, {name: desired[name].sysctls for name in routers}, parallelism)
    scene = _Scene(fabric, desired, seen, connect, rekey)
    with ThreadPoolExecutor(max_workers=max(1, min(parallelism, len(groups)))) as pool:
        return tuple(pool.map(lambda ends: _examine_tunnel(scene, ends), groups.values()))


def _examine_tunnel(scene: _Scene, tunnels: list[Tunnel]) -> Evidence:
    ends = [_end(scene, tunnel) for tunnel in tunnels]
    # One that answers initiates; of two the one that does so in an apply.
    ends.sort(key=lambda e: (e.state is None, e.tunnel.name not in scene.desired[e.tunnel.router].initiators))
    evidence = Evidence(ends[0], ends[1] if len(ends) > 1 else None)
    with ExitStack() as stack:
        routers = {
            end.tunnel.name: stack.enter_context(closing(scene.connect(end.tunnel.router)))
            for end in ends
            if end.state is not None
        }
        if all(end.connection is not None for end in ends) and evidence.near.tunnel.name in routers:
            evidence = _try(scene, evidence, routers, stack)
        near, far = evidence.near, evidence.far
        return replace(
            evidence,
            near=_surroundings(scene, near, routers),
            far=_surroundings(scene, far, routers) if far is not None else None,
        )


def _end(scene: _Scene, tunnel: Tunnel) -> End:
    config = scene.desired[tunnel.router]
    connection = config.connections.get(connection_name(tunnel.name))
    state = scene.seen.states.get(tunnel.router)
    if state is None:
        return End(tunnel, connection, None, scene.seen.failures[tunnel.router].message)
    drift = tuple(change for change in diff_router(config, state) if _concerns(change, tunnel))
    return End(tunnel, connection, state, drift=drift, sas=state.sas_of(connection_name(tunnel.name)))


def _concerns(change: ResourceChange, tunnel: Tunnel) -> bool:
    """True when a change at its router is this tunnel's business."""
    match change.resource.kind:
        case "tunnel":
            return change.resource.name == tunnel.name
        case "vip":
            return change.resource.name == tunnel.vip.address
        case "firewall":
            pairs = [(tunnel.vip.address, tunnel.peer_address)]
            pairs += [(a, b) for a in tunnel.local_cidrs for b in tunnel.peer_cidrs]
            own = {f"[{a.removesuffix('/32')} {b.removesuffix('/32')}]" for a, b in pairs}
            return any(c.path == "rules" or c.path[c.path.find("[") :] in own for c in change.changes)
        case "sysctl":
            return True
    return False


def _try(scene: _Scene, evidence: Evidence, routers: Mapping[str, Router], stack: ExitStack) -> Evidence:
    """Bring it up if it is down, then send through it, then rekey it if that is asked for."""
    near, far = evidence.near, evidence.far
    heard = {
        end.tunnel.name: stack.enter_context(Ears(scene.connect(end.tunnel.router)))
        for end in evidence.ends
        if end.tunnel.name in routers
    }

    def said(end: End) -> tuple[str, ...]:
        ears = heard.get(end.tunnel.name)
        if ears is None:
            return ()
        return ears.said(connection_name(end.tunnel.name), end.tunnel.vip.address, end.tunnel.peer_address)

    vici = routers[near.tunnel.name].vici
    failure = _initiate(vici, near)
    near = replace(near, said=said(near), sas=read_sas(vici, connection_name(near.tunnel.name)))
    if far is not None and far.tunnel.name in routers:
        there = routers[far.tunnel.name].vici
        far = replace(far, said=said(far), sas=read_sas(there, connection_name(far.tunnel.name)))
    evidence = replace(evidence, near=near, far=far, failure=failure)
    evidence = replace(evidence, flow=_send(scene, evidence, routers))
    if scene.rekey and near.children:
        for ears in heard.values():
            ears.forget()
        failure = _rekey(vici, near, lambda: said(near))
        near = replace(near, said_rekeying=said(near), sas=read_sas(vici, connection_name(near.tunnel.name)))
        if far is not None and far.tunnel.name in routers:
            there = routers[far.tunnel.name].vici
            far = replace(far, said_rekeying=said(far), sas=read_sas(there, connection_name(far.tunnel.name)))
        evidence = replace(evidence, near=near, far=far, rekey_failure=failure)
    return evidence


def _initiate(vici: Vici, near: End) -> str:
    """Ask for every child that is missing; why charon did not bring it up, or nothing."""
    name = connection_name(near.tunnel.name)
    if near.state is None or name not in near.state.connections:
        return ""
    if near.missing:
        # An attempt that is under way is half over: what it was told is past hearing.
        for sa in near.sas:
            if sa.state == "CONNECTING":
                _command(vici, "terminate", {"ike-id": sa.id, "force": "yes", "timeout": "1000"})
    for child in near.missing:
        failure = _command(vici, "initiate", {"ike": name, "child": child, "timeout": _ATTEMPT})
        if failure:
            return failure
    return ""


def _command(vici: Vici, command: str, message: Mapping[str, str]) -> str:
    try:
        for _ in vici.stream(command, "control-log", {**message, "loglevel": "-1"}):
            pass
    except CommandRejected as error:
        return error.message
    return ""


def _send(scene: _Scene, evidence: Evidence, routers: Mapping[str, Router]) -> Flow | None:
    """Echo requests from the near router's own address inside the tunnel to the far one's."""
    near, far = evidence.near, evidence.far
    ends = probe_addresses(scene.fabric, near.tunnel)
    if far is None or far.tunnel.name not in routers or ends is None or not near.children:
        return None
    here, there = routers[near.tunnel.name], routers[far.tunnel.name]
    before = _packets(here, near), _packets(there, far)
    ping = here.host.ping(*ends, _PINGS)
    after = _packets(here, near), _packets(there, far)
    (near_in, near_out), (far_in, far_out) = (
        (now[0] - then[0], now[1] - then[1]) for then, now in zip(before, after, strict=True)
    )
    return Flow(ping.sent, ping.received, near_out, far_in, far_out, near_in)


def _packets(router: Router, end: End) -> tuple[int, int]:
    """Packets in and out of all CHILD_SAs of a tunnel end so far."""
    found = read_sas(router.vici, connection_name(end.tunnel.name))
    children = [child for sa in found for child in sa.children]
    return sum(child.packets_in for child in children), sum(child.packets_out for child in children)


def _rekey(vici: Vici, near: End, said: Callable[[], tuple[str, ...]]) -> str:
    """Replace every CHILD_SA, make before break; why it failed, or nothing."""
    name = connection_name(near.tunnel.name)
    old = {child.id for child in near.children}
    for number in sorted(old, key=int):
        try:
            vici.request("rekey", {"child-id": number})
        except CommandRejected as error:
            return error.message
    deadline = time.monotonic() + _REKEY_WAIT
    while time.monotonic() < deadline:
        if _replaced(read_sas(vici, name), old):
            return ""
        failed = telling(said(), REKEY_FAILED)
        if failed:
            return failed[-1]
        time.sleep(_POLL)
    return f"no new CHILD_SA within {_REKEY_WAIT:g} s"


def _replaced(sas: Iterable[IkeSa], old: set[str]) -> bool:
    running = {child.id for sa in sas for child in sa.children if child.state == "INSTALLED"}
    return len(running) >= len(old) and not running & old


def _surroundings(scene: _Scene, end: End, routers: Mapping[str, Router]) -> End:
    router = routers.get(end.tunnel.name)
    if router is None or end.state is None:
        return end
    found = router.host.inspect()
    desired = scene.fabric.routers[end.tunnel.router]
    inside = {a.cidr: a.interface for a in desired.vpc if a.cidr in end.tunnel.local_cidrs}
    own = {address.cidr.partition("/")[0] for address in end.state.addresses}
    questions = [
        (source, destination, inside[local])
        for local in inside
        for source in islice(_hosts(local, own), 1)
        for remote in end.tunnel.peer_cidrs
        for destination in _destinations(remote, json.loads(found.routes))
    ]
    replies = router.host.route(questions) if questions else ()
    return replace(
        end,
        ruleset=tuple(json.loads(found.ruleset)["nftables"]),
        inside=inside,
        routes=tuple(_route(q, reply) for q, reply in zip(questions, replies, strict=True)),
        foreign=tuple(_foreign(router.vici)),
    )


def _hosts(cidr: str, taken: set[str]) -> Iterator[str]:
    """Addresses that a host behind the router may have."""
    return (str(address) for address in IPv4Network(cidr).hosts() if str(address) not in taken)


def _destinations(cidr: str, routes: list[dict[str, Any]]) -> list[str]:
    """One address of a peer CIDR, and one of each route that leads into a part of it."""
    network = IPv4Network(cidr)
    found = [str(next(network.hosts(), network.network_address))]
    for route in routes:
        words = str(route.get("dst", "default"))
        if words != "default" and "." in words:
            part = IPv4Network(words.rsplit(maxsplit=1)[-1])
            if part.subnet_of(network) and part != network:
                found.append(str(IPv4Address(int(part.network_address) + (part.num_addresses > 2))))
    return list(dict.fromkeys(found))[:_MANY]


def _route(question: tuple[str, str, str], reply: str) -> Route:
    source, destination, _ = question
    try:
        route: dict[str, Any] = json.loads(reply)[0]
    except (ValueError, IndexError, KeyError):
        return Route(source, destination, failure=reply.strip() or "no route")
    return Route(source, destination, str(route.get("dev", "")), str(route.get("type", "")))


def _foreign(vici: Vici) -> Iterator[ForeignChild]:
    """Every child configuration that is not tunnelwright's."""
    for event in vici.stream("list-conns", "list-conn"):
        for name, body in event.items():
            if not name.startswith(PREFIX):
                for child, section in body["children"].items():
                    yield ForeignChild(name, child, tuple(section["local-ts"]), tuple(section["remote-ts"]))
