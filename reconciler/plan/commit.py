"""The changes of a commit on the live routers: which part of a plan the commit causes, and where the
routers differ from its base. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.facets import connections
from reconciler.facets.connections import priority
from reconciler.model.fabric import Fabric, group_of
from reconciler.model.listing import counted, listed
from reconciler.model.operation import LoadSecret
from reconciler.model.plan import Plan, Resource, ResourceChange, ResourceKind
from reconciler.model.swanctl import UNOBSERVABLE, Change
from reconciler.plan.fleet import ChangeFilter

_MOST_FIELDS = 3


def changes_of_commit(commit: Plan, base: Fabric, head: Fabric) -> ChangeFilter:
    """The change filter of what a commit changes, given the plan between its revisions: a tunnel always means
    both of its ends."""
    groups = {name: group_of(tunnel) for name, tunnel in {**base.tunnels, **head.tunnels}.items()}
    own = {change.resource for change in commit.changes}
    changed = {groups.get(item.name, item.name) for item in own if item.is_tunnel}

    def selected(change: ResourceChange) -> bool:
        tunnel = change.resource.is_tunnel
        name = change.resource.name
        return change.resource in own or (tunnel and groups.get(name, name) in changed)

    return selected


def unchanged(commit: Plan, live: Plan) -> str:
    """What to say when the part of the live plan that is the commit's is empty."""
    if any(_unknown(change.resource, live) for change in commit.changes):
        return "Not planned: the commit changes only routers that did not answer."
    return "No changes. The routers already match the commit."


def compared(commit: Plan, live: Plan, whole: Plan) -> Iterator[str]:
    """How the routers differ from what the commit was made on: `live` is the part of the plan against them
    that is the commit's, `whole` is all of it."""
    yield "planned from the live state of the routers, not from the base"
    here = {change.resource: change for change in live.changes}
    there = [change.resource for change in commit.changes if change.resource not in here]
    unknown = [resource for resource in there if _unknown(resource, live)]
    if unknown:
        (
            yield f"the commit changes {listed(map(str, unknown))}, which is not planned: a router did not "
            "answer"
        )
    planned = {change.resource: change for change in commit.changes}
    done = [str(resource) for resource in there if resource not in unknown]
    done += [
        f"{resource} ({words})"
        for resource, change in here.items()
        if resource in planned and (words := _there_already(planned[resource], change))
    ]
    if done:
        yield f"already on the routers as the commit wants it: {listed(done)}"
    moved = [
        f"{resource} ({words})"
        for resource, change in here.items()
        if (words := _moved(planned.get(resource), change))
    ]
    if moved:
        yield f"different on the routers and in the base, so this is planned too: {listed(moved)}"
    others = len(whole.changes) - len(live.changes)
    if others > 0:
        differ = counted(others, "other resource differs", "other resources differ")
        yield f"{differ} on the routers, but not because of this commit (tunnelwright plan shows them)"


def _unknown(resource: Resource, live: Plan) -> bool:
    return resource.router in live.unreachable or (resource.is_tunnel and resource.name in live.withheld)


def _moved(planned: ResourceChange | None, found: ResourceChange) -> str:
    """In what a resource is not as the base has it; empty when the commit alone makes the difference."""
    if found.resource.kind is ResourceKind.SYSCTLS or (planned is None and found.follows):
        # The kernel has values of its own for what the base does not name; priorities are none of Git's.
        return ""
    if planned is None or planned.action is not found.action:
        return found.reason
    expected, seen = _fields(planned), _fields(found)
    if "psk" not in expected and any(isinstance(step.operation, LoadSecret) for step in planned.steps):
        # A renamed tunnel's key gets another id, which is no change between revisions.
        seen.pop("psk", None)
    paths = [path for path in sorted(seen) if path not in expected or _other(expected[path], seen[path])]
    return listed(paths, _MOST_FIELDS)


def _there_already(planned: ResourceChange, found: ResourceChange) -> str:
    """The fields that the commit changes and that the router has so already."""
    if planned.action is not found.action:
        return ""
    return listed(sorted(_fields(planned).keys() - _fields(found).keys() - {"psk"}), _MOST_FIELDS)


def _fields(change: ResourceChange) -> dict[str, Change]:
    """The fields by their paths, without what only follows from others."""
    return {
        field.path: field
        for field in change.changes
        if field.source != "sa"
        and field.path not in connections.FOLLOWS_THE_KEY
        and not priority.is_priority(field.path)
    }


def _other(expected: Change, seen: Change) -> bool:
    """Whether the router holds another value than the base. Of keys the base has references alone."""
    return expected.path != "psk" and seen.before not in {expected.before, UNOBSERVABLE}
