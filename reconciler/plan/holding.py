"""Which end of a tunnel holds back in a switch: it goes on with its old SAs until its peer ends them, so that
no packet is lost. Pure.

That is the end that would send on the new SA before its peer can receive on it: with IKEv2 the end that
answers, with IKEv1 the end that initiates (`facets/connections/priority.py`). It is never both. An end whose
data plane knows no priorities does not hold back, nor does an unmanaged peer that answers.

Until a DELETE arrives its receiver may send on the old SA. The end that sends the DELETE of an IKEv2 SA
receives on it until its peer has answered, so it must not be the one that holds back; that of an IKEv1 SA
removes it at once, so it must be. With one version both are right where the initiating end terminates. A
change of the version needs the other end for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from heapq import merge

from reconciler.diff.live import Live
from reconciler.diff.tunnels import holding_back
from reconciler.model.operation import Establish, PairEnd
from reconciler.model.plan import Action, Resource, ResourceChange, ResourceKind, Step
from reconciler.model.router_config import IkeSa, RouterConfig


def with_priorities(
    changes: Iterable[ResourceChange],
    switches: Iterable[Step],
    desired: Mapping[str, RouterConfig],
    live: Mapping[str, Live],
    *,
    selected: Callable[[ResourceChange], bool],
) -> list[ResourceChange]:
    """The changes, with those that let ends hold back while these `switches` are made. An end that is not
    `selected` does not hold back."""
    ends = [end for step in switches if (end := holding_end(step, desired, live)) is not None]
    holding: dict[Resource, ResourceChange] = {}
    for router, name in sorted((end.router, end.connection) for end in ends):
        connection = desired[router].connections[name]
        change = holding_back(desired[router], live[router], connection)
        if change is not None and selected(change):
            holding[change.resource] = change
    found = [
        change if change.action is Action.DELETE else holding.pop(change.resource, change)
        for change in changes
    ]
    return list(merge(found, holding.values(), key=_place))


def with_ends(step: Step, desired: Mapping[str, RouterConfig], live: Mapping[str, Live]) -> Step:
    """A switch that knows which end terminates the old SAs."""
    operation = step.operation
    if not isinstance(operation, Establish) or operation.other_end is None:
        return step
    former = {sa.version for sa in _running(step.router, operation, live)} - {
        _version(step, operation, desired)
    }
    changed = replace(operation, former_version=min(former, default=""))
    holder = holding_end(replace(step, operation=changed), desired, live)
    return replace(step, operation=changed) if holder is not None else step


def holding_end(step: Step, desired: Mapping[str, RouterConfig], live: Mapping[str, Live]) -> PairEnd | None:
    """The end that holds back in a switch; None where none can."""
    operation = step.operation
    if not isinstance(operation, Establish) or not operation.scope.beside:
        return None
    version = _version(step, operation, desired)
    if any(
        sa.version not in {version, operation.former_version} for sa in _running(step.router, operation, live)
    ):
        return None
    end = operation.other_end if version == "2" else PairEnd(step.router, operation.connection)
    return end if end is not None and end.router in live and live[end.router].state.holds_back else None


def _version(step: Step, operation: Establish, desired: Mapping[str, RouterConfig]) -> str:
    """The version of IKE of the new SAs."""
    return str(desired[step.router].connections[operation.connection].settings["version"])


def _running(router: str, operation: Establish, live: Mapping[str, Live]) -> Iterator[IkeSa]:
    names = (operation.connection, *operation.replaces)
    return (sa for name in names for sa in live[router].sas.get(name, ()))


def _place(change: ResourceChange) -> tuple[str, int, str]:
    """Routers in order of name; of one what concerns all of it, then tunnels, then what is removed."""
    kind = change.resource.kind
    if kind is not ResourceKind.TUNNEL:
        return change.resource.router, 3 if kind is ResourceKind.KEY else 0, ""
    return change.resource.router, 2 if change.action is Action.DELETE else 1, change.resource.name
