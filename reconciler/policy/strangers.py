"""Strangers: tunnels on a router without evidence that Git ever had them. Too many of them affect only
that router. Pure.

A commit that deletes too much is refused as a whole, since it may be the wrong one. A router that lists
tunnels that do not exist must not bring that about: it is withheld, and what it lists counts nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.facets import files
from reconciler.model.fabric import Fabric
from reconciler.model.judgement import Override, Withholding
from reconciler.model.listing import counted, listed
from reconciler.model.plan import Action, Plan, Resource, ResourceChange
from reconciler.model.router_config import PREFIX, RouterState, connection_name
from reconciler.model.safety import SafetyPolicy
from reconciler.policy.units import Known


def withholdings(
    plan: Plan, fabric: Fabric, states: Mapping[str, RouterState], known: Known
) -> tuple[Withholding, ...]:
    """The routers that are withheld, by the first reason that holds for each; in order of name.

    A router is withheld when a tunnel that is not `known` is protected there, or when those to be destroyed
    exceed the share of its tunnel ends; then, while they exceed it on all routers together, the one that has
    the most of them.
    """
    strange: dict[str, list[Resource]] = {}
    for change in destroyed(plan):
        if not known(change.resource):
            strange.setdefault(change.resource.router, []).append(change.resource)
    found = {item.router: item for item in _protected(strange, states)}
    there = {name: len(tunnels_on(state)) for name, state in states.items() if name not in found}
    counts = {name: len(strange[name]) for name in strange if name in there}
    share = f"more than {fabric.safety.max_deleted_share}%, and there is no evidence that Git ever had"
    for name in sorted(counts):
        gone, total = counts[name], there[name]
        if exceeds(fabric.safety, gone, total):
            said = f"{gone} of the {counted(total, 'tunnel end')} on it would be destroyed, {share}"
            found[name] = _exceeding(name, strange[name], said)
            del counts[name], there[name]
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        gone, total = sum(counts.values()), sum(there.values())
        if not exceeds(fabric.safety, gone, total):
            break
        said = f"{gone} of the {counted(total, 'tunnel end')} on all routers would be destroyed, {share}"
        found[name] = _exceeding(name, strange[name], said)
        del counts[name], there[name]
    return tuple(found[name] for name in sorted(found))


def _protected(
    strange: Mapping[str, list[Resource]], states: Mapping[str, RouterState]
) -> Iterator[Withholding]:
    for router, resources in strange.items():
        protected = tuple(item for item in resources if is_protected(states, item))
        if protected:
            names = listed(item.name for item in protected)
            yield Withholding(
                router,
                protected,
                f"protected from deletion, and there is no evidence that Git ever had: {names}",
                "remove it by hand, or add it to Git with `deletionProtection: false` first",
            )


def _exceeding(router: str, resources: list[Resource], said: str) -> Withholding:
    return Withholding(
        router,
        tuple(resources),
        f"{said}: {listed(item.name for item in resources)}",
        "find out what created them; --override deletions destroys them",
        Override.DELETIONS,
    )


def destroyed(plan: Plan) -> Iterator[ResourceChange]:
    """The tunnel ends that a plan takes off their routers, in order of name."""
    for change in sorted(plan.changes, key=lambda change: str(change.resource)):
        if change.resource.is_tunnel and change.action is Action.DELETE:
            yield change


def is_protected(states: Mapping[str, RouterState], resource: Resource) -> bool:
    """The router's file says whether a tunnel is protected, so that the word outlives the document."""
    file = states[resource.router].files.get(files.file_name(connection_name(resource.name)))
    return files.WrittenFile(file).protected


def exceeds(policy: SafetyPolicy, gone: int, total: int) -> bool:
    """Whether so many tunnel ends of so many are a share that may not be destroyed."""
    return total >= policy.deletions_minimum and is_large(policy, gone, total)


def is_large(policy: SafetyPolicy, gone: int, total: int) -> bool:
    """The same, however few there are."""
    return gone * 100 > total * policy.max_deleted_share


def tunnels_on(state: RouterState) -> set[str]:
    """The connections with our prefix that a router holds in any way."""
    names = {name for name in state.connections if name.startswith(PREFIX)}
    names |= {sa.connection for sa in state.sas if sa.connection.startswith(PREFIX) and not sa.ending}
    return names | {name.removesuffix(".conf") for name in state.files if files.is_ours(name)}
