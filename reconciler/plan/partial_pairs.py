"""Pairs of which a plan changes one end alone: because the other one is not selected, or because its router
is not in Git. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.facets import files
from reconciler.facets.connections import listed_ends
from reconciler.model.operation import LoadConnection, LoadSecret
from reconciler.model.plan import Action, Disruption, Phase, ResourceChange
from reconciler.model.router_config import RouterConfig, RouterState, connection_name


def with_unselected(
    kept: Iterable[ResourceChange], left_out: Mapping[str, Sequence[ResourceChange]]
) -> Iterator[ResourceChange]:
    """The changes that are `kept`; `left_out` has, by group, the tunnel ends that differ as well and are not
    selected. Such a pair has two configurations until its other end is changed too: the other end may refuse
    what this one negotiates, so nothing is sure to come up before the old SAs go."""
    for change in kept:
        others = [item for item in left_out.get(change.group, ()) if change.group and _loads(item)]
        if not others or change.action is Action.DELETE:
            yield change
            continue
        steps = tuple(
            replace(step, disruption=Disruption.INTERRUPTS)
            if step.phase is Phase.SWITCH and step.disruption is Disruption.MAKE_BEFORE_BREAK
            else step
            for step in change.steps
        )
        names = ", ".join(str(other.resource) for other in others)
        yield replace(change, steps=steps, reason=f"{change.reason}; its other end, {names}, is not selected")


def _loads(change: ResourceChange) -> bool:
    """Whether charon is to hold another connection or key."""
    return any(isinstance(step.operation, LoadConnection | LoadSecret) for step in change.steps)


def with_abandoned(
    changes: Iterable[ResourceChange],
    desired: Mapping[str, RouterConfig],
    live: Mapping[str, RouterState],
) -> Iterator[ResourceChange]:
    """The same changes. Where a tunnel is removed whose other end was managed, at a router that Git has no
    more, the reason says that everything stays there. While a router of `desired` is not in `live` nothing is
    said: the other end may be there."""
    found = tuple(changes)
    removed = [change for change in found if _removes_a_tunnel(change)]
    if not removed or live.keys() < desired.keys():
        yield from found
        return
    known = {item.host for config in desired.values() for item in config.addresses}
    for config in desired.values():
        known |= {own for item in config.connections.values() for own in listed_ends(item.settings)[0][0]}
    for state in live.values():
        known |= {own for settings in state.connections.values() for own in listed_ends(settings)[0][0]}
        known |= {item.host for item in state.addresses}
    for change in found:
        peers = _managed_peers(change, live) if _removes_a_tunnel(change) else set()
        gone = sorted(peers - known)
        yield replace(change, reason=_left_behind(change.reason, gone)) if gone else change


def _removes_a_tunnel(change: ResourceChange) -> bool:
    return change.resource.is_tunnel and change.action is Action.DELETE


def _managed_peers(change: ResourceChange, live: Mapping[str, RouterState]) -> set[str]:
    """The peer addresses of a tunnel end whose file says that its other end was managed."""
    state = live[change.resource.router]
    name = connection_name(change.resource.name)
    if not files.WrittenFile(state.files.get(files.file_name(name))).paired:
        return set()
    return set(listed_ends(state.connections.get(name, {}))[0][1])


def _left_behind(reason: str, addresses: Sequence[str]) -> str:
    return (
        f"{reason}; its other end at {', '.join(addresses)} was managed too, but Git has no router there any "
        "more: everything on that router stays as it is"
    )
