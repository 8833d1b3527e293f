"""Desired state and one observation -> the condition of each connection. Pure; sends nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.diff.live import Live
from reconciler.facets.connections import selectors
from reconciler.facets.sas import agreement
from reconciler.model.absence import Absence
from reconciler.model.condition import ConnectionCondition, EndCondition, State
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.listing import counted
from reconciler.model.plan import Resource
from reconciler.model.router_config import ChildSa, IkeSa, RouterConfig, RouterState

_RANK = {state: rank for rank, state in enumerate(State)}

UNHEARD = 5
"""Packets that one end has sent before it counts that the other has decrypted none: the two ends are observed
one after the other, with packets on the way."""


def conditions(
    fabric: Fabric,
    desired: Mapping[str, RouterConfig],
    states: Mapping[str, RouterState],
    absent: Mapping[str, Absence],
    differs: Mapping[Resource, str],
) -> tuple[ConnectionCondition, ...]:
    """Every connection of the fabric, those in trouble first, then those that drift, then by name. `states`
    are those of the routers that were observed, `absent` says why the others were not; `differs` how
    resources differ from what Git desires."""
    drifted = {(what.router, what.name): reason for what, reason in differs.items() if what.is_tunnel}
    running = {router: Live(state).sas for router, state in states.items()}
    found = []
    for name in sorted(fabric.tunnels):
        tunnels = fabric.ends_of(name)
        if name == min(tunnel.name for tunnel in tunnels):
            ends = tuple(
                _end(
                    EndCondition(tunnel, State.UP, "", drifted.get((tunnel.router, tunnel.name), "")),
                    desired[tunnel.router],
                    absent,
                    running.get(tunnel.router),
                )
                for tunnel in tunnels
            )
            found.append(ConnectionCondition(name, *together(ends), ends))
    return in_order(found)


def in_order(found: Iterable[ConnectionCondition]) -> tuple[ConnectionCondition, ...]:
    """Those in trouble first, then those that drift, then by name."""
    return tuple(sorted(found, key=lambda one: (_RANK[one.state], not one.drifts, one.name)))


def _end(
    end: EndCondition,
    desired: RouterConfig,
    absent: Mapping[str, Absence],
    sas: Mapping[str, Sequence[IkeSa]] | None,
) -> EndCondition:
    """One end as it is, under whichever name: a rename that Git has and the router has not is no tunnel that
    is down."""
    tunnel, router, names = end.tunnel, end.tunnel.router, end.tunnel.connections
    if sas is None:
        why = absent[router].sentence(router) if router in absent else f"{router} was not observed"
        return replace(end, state=State.UNKNOWN, reason=why)
    running = running_of(tunnel, sas)
    end = replace(end, running=running, children=agreement.carrying(running))
    if not tunnel.enabled:
        return replace(end, state=State.DISABLED)
    state, reason = standing(tunnel, running, tuple(desired.connections[names[0]].children))
    return replace(end, state=state, reason=reason)


def as_reported(
    found: Iterable[ConnectionCondition], up: Mapping[str, Collection[tuple[str, str]]]
) -> tuple[ConnectionCondition, ...]:
    """Conditions as of an observation, with what routers have reported since: `up` has, of each router that
    is followed now, the tunnels with their children that have CHILD_SAs. Of an end that has gone down or come
    up since, no SA is known."""
    return in_order(_reported(one, up) for one in found)


def _reported(one: ConnectionCondition, up: Mapping[str, Collection[tuple[str, str]]]) -> ConnectionCondition:
    ends = tuple(_end_reported(end, up.get(end.tunnel.router)) for end in one.ends)
    if ends == one.ends:
        return one
    # What one end holds is compared with what the other one does, so both are known, or neither.
    ends = tuple(replace(end, running=(), children=()) for end in ends)
    state, reason = together(ends)
    return replace(one, state=state, reason=reason, ends=ends)


def _end_reported(end: EndCondition, up: Collection[tuple[str, str]] | None) -> EndCondition:
    """One end. A router that could not be observed may be followed all the same."""
    tunnel = end.tunnel
    former = bool(end.running) and end.running[0].connection != tunnel.connections[0]
    if up is None or not tunnel.enabled or former:
        return end
    wanted = [child for child, _, _ in selectors(tunnel)]
    missing = [child for child in wanted if (tunnel.name, child) not in up]
    if end.state is not State.UNKNOWN:
        before = {child.name for child in end.children}
        if set(missing) == {child for child in wanted if child not in before}:
            return end
    if not missing:
        return replace(end, state=State.UP, reason="")
    if len(missing) < len(wanted):
        reason = f"no CHILD_SA for {', '.join(missing)} at {tunnel.router}"
        return replace(end, state=State.DEGRADED, reason=reason)
    return replace(end, state=State.DOWN, reason=f"no CHILD_SA at {tunnel.router}")


def running_of(tunnel: Tunnel, sas: Mapping[str, Sequence[IkeSa]]) -> tuple[IkeSa, ...]:
    """The IKE_SAs by which a tunnel end runs, of those of its router by connection."""
    return next((tuple(sas[name]) for name in tunnel.connections if name in sas), ())


def standing(tunnel: Tunnel, running: Sequence[IkeSa], children: tuple[str, ...]) -> tuple[State, str]:
    """What the SAs of an enabled end say, which should have one for each of some children; and why."""
    # By a former connection it runs with the children of an earlier configuration.
    former = bool(running) and running[0].connection != tunnel.connections[0]
    wanted = () if former else children
    missing = agreement.down(running, wanted)
    if agreement.carrying(running) and not missing:
        return State.UP, ""
    if 0 < len(missing) < len(wanted):
        return State.DEGRADED, f"no CHILD_SA for {', '.join(missing)} at {tunnel.router}"
    states = sorted({sa.state for sa in running} - {"ESTABLISHED"})
    what = f"the IKE_SA is {', '.join(states)}" if states else "no CHILD_SA" if running else "no IKE_SA"
    return State.DOWN, f"{what} at {tunnel.router}"


def together(ends: tuple[EndCondition, ...]) -> tuple[State, str]:
    """The state of a connection by those of its ends, and why."""
    off = [end.tunnel.router for end in ends if not end.tunnel.enabled]
    if len(off) == len(ends):
        return State.DISABLED, ""
    if off:
        return State.DOWN, f"disabled at {off[0]} alone"
    worst = min((end.state for end in ends), key=_RANK.__getitem__)
    if worst is not State.UP or len(ends) == 1:
        return worst, "; ".join(dict.fromkeys(end.reason for end in ends if end.reason))
    here, there = ends
    silent = [*_silent(here, there), *_silent(there, here)]
    if silent:
        return State.SILENT, "; ".join(silent)
    for one, other in ((here, there), (there, here)):
        if any(child.installed for child in _alone(one, other)):
            return State.DEGRADED, f"{one.tunnel.router} holds a CHILD_SA that {other.tunnel.router} does not"
    return State.UP, ""


def _alone(one: EndCondition, other: EndCondition) -> tuple[ChildSa, ...]:
    return agreement.one_sided(one.running, other.running)


def _silent(sender: EndCondition, receiver: EndCondition) -> Iterator[str]:
    """Whether what one end has sent through the CHILD_SAs that both hold has not arrived: not one packet."""
    theirs = {(child.spi_out, child.spi_in): child for child in receiver.children}
    pairs = [
        (child.packets_out, theirs[child.spi_in, child.spi_out].packets_in)
        for child in sender.children
        if (child.spi_in, child.spi_out) in theirs
    ]
    sent, received = (sum(counts) for counts in zip(*pairs, strict=True)) if pairs else (0, 0)
    if sent >= UNHEARD and not received:
        packets = f"{counted(sent, 'packet')} from {sender.tunnel.router}"
        yield f"{receiver.tunnel.router} has decrypted none of {packets}"
