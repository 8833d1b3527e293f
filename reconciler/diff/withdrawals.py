"""Tunnels whose address another place gets: they leave it before it is taken away.

SAs by an address that is gone can neither be ended nor replaced in an orderly way: its peer would not know of
it. So the connection is unloaded and its SAs are terminated first, in the same phase, and the tunnel comes up
anew in its turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.diff.live import Live
from reconciler.diff.tunnel_steps import switch_step
from reconciler.model.operation import (
    Establish,
    Operation,
    RemoveAddress,
    Scope,
    Terminate,
    UnloadConnection,
    Widen,
)
from reconciler.model.plan import Action, Disruption, Phase, ResourceChange, Step
from reconciler.model.router_config import RouterConfig, RouterState, connection_name, local_addresses


def withdrawn(removals: Iterable[ResourceChange]) -> frozenset[str]:
    """The addresses that removals take away for the sake of another place."""
    return frozenset(
        step.operation.address.host
        for change in removals
        for step in change.steps
        if step.phase is Phase.WITHDRAW and isinstance(step.operation, RemoveAddress)
    )


def connections_by_host(state: RouterState) -> dict[str, set[str]]:
    """Local address to the connections that are loaded with it, or run by it."""
    found: dict[str, set[str]] = {}
    for name, settings in state.connections.items():
        for host in local_addresses(settings):
            found.setdefault(host, set()).add(name)
    for sa in state.sas:
        if not sa.ending:
            found.setdefault(sa.local_address, set()).add(sa.connection)
    return found


def connections_of(desired: RouterConfig, change: ResourceChange) -> frozenset[str]:
    """The connections that the change of a tunnel end replaces or removes: its own and former ones."""
    name = connection_name(change.resource.name)
    wanted = desired.connections.get(name)
    return frozenset({name, *(wanted.former if wanted is not None else ())})


def leaving(
    desired: RouterConfig, live: Live, tunnels: Iterable[ResourceChange], hosts: frozenset[str]
) -> Iterator[ResourceChange]:
    """The changes of tunnels, in which those by one of these addresses leave it before it goes."""
    by_host = connections_by_host(live.state) if hosts else {}
    using = {name for host in hosts for name in by_host.get(host, ())}
    for change in tunnels:
        names = using & connections_of(desired, change) if change.resource.is_tunnel else frozenset()
        yield _leaving(change, live, sorted(names), hosts) if names else change


def _leaving(change: ResourceChange, live: Live, names: list[str], hosts: frozenset[str]) -> ResourceChange:
    if change.action is Action.DELETE:
        return replace(change, steps=tuple(replace(step, phase=Phase.WITHDRAW) for step in change.steps))
    router, group = change.resource.router, change.group
    steps = []
    for name in names:
        loaded = live.state.connections.get(name)
        if loaded is not None and hosts & local_addresses(loaded):
            steps.append(_step(router, group, f"unload connection {name}", UnloadConnection(name)))
        if any(sa.local_address in hosts and not sa.ending for sa in live.sas.get(name, ())):
            steps.append(_step(router, group, f"terminate the SAs of {name}", Terminate(name)))
    gone = [step.operation for step in steps]
    kept = (_anew(step) for step in change.steps if step.operation not in gone)
    return replace(change, steps=(*steps, *kept))


def _anew(step: Step) -> Step:
    """The same step; where it would replace running SAs, it finds none."""
    match step.operation:
        case Establish(scope=scope) as operation if scope is not Scope.FIRST:
            anew = replace(operation, scope=Scope.RECONNECT)
        case Widen(connection, children):
            anew = Establish(connection, children, Scope.RECONNECT)
        case _:
            return step
    return switch_step(step.router, step.group, anew, Disruption.INTERRUPTS)


def _step(router: str, group: str, summary: str, operation: Operation) -> Step:
    ends = isinstance(operation, Terminate)
    disruption = Disruption.INTERRUPTS if ends else Disruption.NONE
    return Step(router, Phase.WITHDRAW, group, summary, disruption, operation)
