"""Selection by name and label: routers, tunnels and resources of `--target`, `--exclude` and arguments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set

from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import DesiredRouter, Fabric, Tunnel, group_of
from reconciler.model.labels import LabelSelector
from reconciler.model.listing import listed
from reconciler.model.plan import Action, Plan, Resource, ResourceChange, ResourceKind
from reconciler.model.router_config import RouterConfig
from reconciler.model.suggestion import check_known, did_you_mean, known
from reconciler.plan.fleet import ChangeFilter


def named(fabric: Fabric, words: Iterable[str | LabelSelector]) -> tuple[str, ...]:
    """The words of `--target` and `--exclude`, with a tunnel in the place of each connection, and the routers
    and tunnel ends that it selects in the place of each label selector. A router of a name comes before a
    connection.

    Raises TunnelwrightError for a label selector that selects nothing.
    """
    names: list[str] = []
    for word in words:
        if isinstance(word, LabelSelector):
            names += _selected(fabric, word)
        else:
            names.append(word if word in fabric.routers else fabric.tunnel_of(word))
    return tuple(dict.fromkeys(names))


def ends_named(fabric: Fabric, words: Iterable[str | LabelSelector]) -> dict[str, Tunnel]:
    """Both managed ends of each tunnel that is named: by itself, by its connection, by a router at which it
    ends, or by labels.

    Raises TunnelwrightError for a word that names nothing, and where routers are named that have no tunnel.
    """
    names = named(fabric, words)
    check_known(names, {*fabric.routers, *fabric.tunnels}, "router or tunnel")
    chosen: list[str] = []
    for name in names:
        chosen += [name] if name in fabric.tunnels else [end.name for end in fabric.tunnels_of(name)]
    found = {end.name: end for name in chosen for end in fabric.ends_of(name)}
    if not found:
        raise TunnelwrightError(f"no tunnel ends at {listed(names)}")
    return found


def one_end_each(fabric: Fabric, words: Iterable[str | LabelSelector]) -> tuple[str, ...]:
    """One end of each tunnel that is named: the one of that name, and of each enabled tunnel that labels
    select the first.

    Raises TunnelwrightError for labels that select no tunnel.
    """
    names: dict[str, str] = {}
    for word in words:
        if isinstance(word, LabelSelector):
            for name, end in sorted(ends_named(fabric, [word]).items()):
                if end.enabled:
                    names.setdefault(group_of(end), name)
        else:
            name = fabric.tunnel_of(word)
            names[group_of(find_tunnel(fabric, name))] = name
    return tuple(names.values())


def _selected(fabric: Fabric, selector: LabelSelector) -> list[str]:
    things: list[DesiredRouter | Tunnel] = [*fabric.routers.values(), *fabric.tunnels.values()]
    found = [thing.name for thing in things if selector.matches(thing.labels)]
    if not found:
        labels = {f"{key}={value}" for thing in things for key, value in thing.labels.items()}
        keys = {key for thing in things for key in thing.labels}
        near = (did_you_mean(part.key, keys) for part in selector.requirements if part.key not in keys)
        there = f"the labels are: {known(labels)}" if labels else "no router, tunnel or connection has labels"
        raise TunnelwrightError(
            "no router or tunnel has labels that match", hint=next(filter(None, near), "") or there
        )
    return found


def targeting(fabric: Fabric, targets: tuple[str, ...], excluded: tuple[str, ...]) -> ChangeFilter:
    """The change filter of `--target` and `--exclude`. A name is a router, a resource (`router/kind/name`) or
    a tunnel, which always means both of its ends. What a router needs as a whole goes with its tunnels."""
    groups = {name: group_of(tunnel) for name, tunnel in fabric.tunnels.items()}
    # Label selectors come to many names, and a fleet to many changes.
    wanted, unwanted = (
        {*names, *(groups.get(name, name) for name in names)} for names in (targets, excluded)
    )
    carriers = {tunnel.router for name, tunnel in fabric.tunnels.items() if groups[name] in wanted}

    def concerned(change: ResourceChange, names: set[str]) -> bool:
        name = change.resource.name
        return not names.isdisjoint(
            {change.resource.router, name, str(change.resource), groups.get(name, name)}
        )

    def selected(change: ResourceChange) -> bool:
        if concerned(change, unwanted):
            return False
        shared = not change.resource.is_tunnel and change.resource.router in carriers
        return not targets or shared or concerned(change, wanted)

    return selected


def routers_of(fabric: Fabric, targets: tuple[str, ...], excluded: tuple[str, ...]) -> frozenset[str]:
    """The routers at which `targeting` may select something, before any of them was looked at. What a router
    has besides, or under a name that Git does not know, may be at any of them."""
    found: set[str] = set()
    for name in targets:
        router = name.partition("/")[0]
        there = {tunnel.router for tunnel in fabric.ends_of(name)} | ({router} & fabric.routers.keys())
        found |= there or fabric.routers.keys()
    return frozenset(found if targets else fabric.routers) - frozenset(excluded)


def check_targets(fabric: Fabric, plan: Plan, targets: Collection[str]) -> None:
    """Raises TunnelwrightError for a target that names nothing: it would look like a router in order. What a
    router may have that did not answer is not known, so that any resource of it will do."""
    if not targets:
        return
    names = {*fabric.routers, *fabric.tunnels, *plan.unreachable, *plan.withheld}
    for change in plan.changes:
        names |= {change.resource.name, str(change.resource)}
    names |= {str(resource) for resource in _resources(fabric)}
    silent = tuple(f"{name}/" for name in plan.unreachable)
    unknown = [name for name in targets if name not in names and not name.startswith(silent)]
    ways = f"a router ({known(fabric.routers)}), a tunnel ({known(fabric.tunnels)}), or router/kind/name"
    check_known(unknown, names, "router, tunnel or resource", f"name {ways}")


def _resources(fabric: Fabric) -> Iterator[Resource]:
    """What Git has, and what each router has as a whole, whether it changes or not."""
    for name, tunnel in fabric.tunnels.items():
        yield Resource(tunnel.router, ResourceKind.TUNNEL, name)
    for vip in fabric.vips.values():
        yield Resource(vip.router, ResourceKind.VIP, vip.address)
    for router in fabric.routers:
        yield Resource.firewall(router)
        yield Resource.sysctls(router)
        yield Resource.boot(router)


def find_tunnel(fabric: Fabric, name: str) -> Tunnel:
    """Raises TunnelwrightError for what is no tunnel, with the name that may be meant."""
    check_known([name], fabric.tunnels, "tunnel")
    return fabric.tunnels[name]


def releasing(addresses: Set[str]) -> ChangeFilter:
    """The change filter for the removal of unused VIPs, and of nothing else."""

    def selected(change: ResourceChange) -> bool:
        gone = change.resource.kind is ResourceKind.VIP and change.action is Action.DELETE
        return gone and change.resource.name in addresses

    return selected


def check_released(plan: Plan, desired: Mapping[str, RouterConfig], addresses: Set[str]) -> None:
    """Raises TunnelwrightError where a plan to remove unused VIPs removes nothing, and says why."""
    if plan.changes:
        return
    owners = {
        owner
        for config in desired.values()
        for held, owner in config.addresses.items()
        if held.host in addresses
    }
    what = listed(sorted(addresses))
    if owners:
        raise TunnelwrightError(
            f"the VIP {what} is in use: {', '.join(sorted(owners))} asks for it",
            hint="remove it from Git; apply then removes a VIP with a document of its own",
        )
    away = f", and {', '.join(sorted(plan.unreachable))} did not answer" if plan.unreachable else ""
    raise TunnelwrightError(
        f"no router has an unused VIP {what} that tunnelwright added{away}",
        hint=f"unused are: {known({item.host for item in plan.unused})}",
    )


def check_reconnect(fabric: Fabric, tunnels: Iterable[str]) -> None:
    """Raises TunnelwrightError for what is no tunnel that could be up."""
    for name in tunnels:
        if not find_tunnel(fabric, name).enabled:
            raise TunnelwrightError(f"the tunnel {name!r} is disabled in Git", hint="set `enabled: true`")
