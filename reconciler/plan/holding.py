"""Which end of a tunnel holds back in a switch: it goes on with its old SAs until its peer ends them, so that
no packet is lost. Pure.

That is the end that would send on the new SA before its peer can receive on it: with IKEv2 the end that
answers, with IKEv1 the end that initiates (`facets/priority.py`). It is never both. An end whose data plane
knows no priorities does not hold back, nor does an unmanaged peer that answers.

Until a DELETE arrives its receiver may send on the old SA. The end that sends the DELETE of an IKEv2 SA
receives on it until its peer has answered, so it must not be the one that holds back; that of an IKEv1 SA
removes it at once, so it must be. With one version both are right where the initiating end terminates. A
change of the version needs the other end for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.diff.live import Live
from reconciler.diff.tunnels import holding_back
from reconciler.model.plan import Action, Establish, FarEnd, ResourceChange, Scope, Step
from reconciler.model.router_config import IkeSa, RouterConfig, RouterState


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


def with_ends(step: Step, desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState]) -> Step:
    """A switch that knows which end terminates the old SAs."""
    operation = step.operation
    if not isinstance(operation, Establish) or operation.far is None:
        return step
    former = {sa.version for sa in _running(step.router, operation, live)} - {
        _version(step, operation, desired)
    }
    changed = replace(operation, far_ends=min(former, default=""))
    holder = holding_end(replace(step, operation=changed), desired, live)
    return replace(step, operation=changed) if holder is not None else step


def holding_end(
    step: Step, desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState]
) -> FarEnd | None:
    """The end that holds back in a switch; None where none can."""
    operation = step.operation
    if not isinstance(operation, Establish) or operation.scope not in {Scope.CHILD, Scope.IKE}:
        return None
    version = _version(step, operation, desired)
    if any(sa.version not in {version, operation.far_ends} for sa in _running(step.router, operation, live)):
        return None
    end = operation.far if version == "2" else FarEnd(step.router, operation.connection)
    return end if end is not None and end.router in live and live[end.router].holds_back else None


def _version(step: Step, operation: Establish, desired: Mapping[str, RouterConfig]) -> str:
    """The version of IKE of the new SAs."""
    return str(desired[step.router].connections[operation.connection].settings["version"])


def _running(router: str, operation: Establish, live: Mapping[str, RouterState]) -> Iterator[IkeSa]:
    names = {operation.connection, *operation.replaces}
    return (sa for sa in live[router].sas if sa.connection in names)


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
