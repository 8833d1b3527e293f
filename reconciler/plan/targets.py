"""Selection by name: routers, tunnels and resources from `--target`, `--exclude` and arguments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set

from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel, group_of
from reconciler.model.listing import listed
from reconciler.model.plan import Action, Plan, Resource, ResourceChange, ResourceKind
from reconciler.model.router_config import RouterConfig
from reconciler.model.suggestion import check_known, known
from reconciler.plan.fleet import ChangeFilter


def named(fabric: Fabric, words: Iterable[str]) -> tuple[str, ...]:
    """The words of `--target` and `--exclude`, with a tunnel in the place of each connection. A router of
    that name comes before a connection."""
    return tuple(word if word in fabric.routers else fabric.tunnel_of(word) for word in words)


def targeting(fabric: Fabric, targets: tuple[str, ...], excluded: tuple[str, ...]) -> ChangeFilter:
    """The change filter of `--target` and `--exclude`. A name is a router, a resource (`router/kind/name`) or
    a tunnel, which always means both of its ends. What a router needs as a whole goes with its tunnels."""
    groups = {name: group_of(tunnel) for name, tunnel in fabric.tunnels.items()}
    targeted = {groups.get(name, name) for name in targets}
    carriers = {tunnel.router for name, tunnel in fabric.tunnels.items() if groups[name] in targeted}

    def concerned(change: ResourceChange, names: tuple[str, ...]) -> bool:
        own = {change.resource.router, change.resource.name, str(change.resource)}
        group = groups.get(change.resource.name, change.resource.name)
        return bool(own & set(names)) or group in {groups.get(name, name) for name in names}

    def selected(change: ResourceChange) -> bool:
        if concerned(change, excluded):
            return False
        shared = not change.resource.is_tunnel and change.resource.router in carriers
        return not targets or shared or concerned(change, targets)

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
