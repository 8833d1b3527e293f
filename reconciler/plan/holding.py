"""Which end of a tunnel holds back in a switch: it goes on with its old SAs until its peer ends them, so that
no packet is lost. Pure.

That is the end that would send on the new SA before its peer can receive on it: with IKEv2 the end that
answers, with IKEv1 the end that initiates (`facets/priority.py`). It is never both: the end that sends the
DELETE of an IKEv2 SA must not hold back, since its peer drops the SA at once. So a change of the version,
by which the new SAs would be held back by one rule and the old ones ended by the other, holds nothing back;
nor does an end whose data plane knows no priorities, or an unmanaged peer that answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from reconciler.diff.live import Live
from reconciler.diff.tunnels import holding_back
from reconciler.model.plan import Action, Establish, FarEnd, ResourceChange, Scope, Step
from reconciler.model.router_config import RouterConfig, RouterState


def with_priorities(
    changes: Iterable[ResourceChange],
    switches: Iterable[Step],
    desired: Mapping[str, RouterConfig],
    live: Mapping[str, RouterState],
    *,
    selected: Callable[[ResourceChange], bool],
    reconnect: frozenset[str],
) -> list[ResourceChange]:
    """The changes, with those that let ends hold back while these `switches` are made. An end that is not
    `selected` does not hold back."""
    found = list(changes)
    ends = [end for step in switches if (end := holding_end(step, desired, live)) is not None]
    states: dict[str, Live] = {}
    for end in sorted(ends, key=lambda end: (end.router, end.connection)):
        config, state = desired[end.router], live[end.router]
        connection = config.connections[end.connection]
        compared = states.setdefault(end.router, Live(state))
        change = holding_back(config, compared, connection, asked=connection.tunnel in reconnect)
        if change is not None and selected(change):
            _put(found, change)
    return found


def holding_end(
    step: Step, desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState]
) -> FarEnd | None:
    """The end that holds back in a switch; None where none can."""
    operation = step.operation
    if not isinstance(operation, Establish) or operation.scope not in {Scope.CHILD, Scope.IKE}:
        return None
    version = str(desired[step.router].connections[operation.connection].settings["version"])
    names = {operation.connection, *operation.replaces}
    if any(sa.connection in names and sa.version != version for sa in live[step.router].sas):
        return None
    end = operation.far if version == "2" else FarEnd(step.router, operation.connection)
    return end if end is not None and end.router in live and live[end.router].holds_back else None


def _put(changes: list[ResourceChange], change: ResourceChange) -> None:
    """Replace the change of the same resource, or put it where its place among the others is."""
    for index, other in enumerate(changes):
        if other.resource == change.resource and other.action is not Action.DELETE:
            changes[index] = change
            return
    before = [index for index, other in enumerate(changes, start=1) if _place(other) < _place(change)]
    changes.insert(before[-1] if before else 0, change)


def _place(change: ResourceChange) -> tuple[str, bool, bool, str]:
    """Routers in order of name; tunnels after what concerns the whole router, and before what is removed."""
    tunnel = change.resource.kind == "tunnel"
    return (change.resource.router, tunnel, change.action is Action.DELETE, change.resource.name)
