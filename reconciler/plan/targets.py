"""What a person names: routers, tunnels and resources, by `--target`, `--exclude` and as arguments."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel, group_of
from reconciler.model.plan import Plan, ResourceChange
from reconciler.plan.fleet import ChangeFilter


def targeting(fabric: Fabric, targets: tuple[str, ...], excluded: tuple[str, ...]) -> ChangeFilter:
    """The selector of `--target` and `--exclude`. A name is a router, a resource (`router/kind/name`) or a
    tunnel, which always means both of its ends. What a router needs as a whole goes with its tunnels."""
    groups = {name: group_of(tunnel) for name, tunnel in fabric.tunnels.items()}
    targeted = {groups.get(name, name) for name in targets}
    carriers = {tunnel.router for name, tunnel in fabric.tunnels.items() if groups[name] in targeted}

    def named(change: ResourceChange, names: tuple[str, ...]) -> bool:
        own = {change.resource.router, change.resource.name, str(change.resource)}
        group = groups.get(change.resource.name, change.resource.name)
        return bool(own & set(names)) or group in {groups.get(name, name) for name in names}

    def selected(change: ResourceChange) -> bool:
        if named(change, excluded):
            return False
        shared = change.resource.kind != "tunnel" and change.resource.router in carriers
        return not targets or shared or named(change, targets)

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


def check_targets(fabric: Fabric, plan: Plan, targets: tuple[str, ...]) -> None:
    """Raises TunnelwrightError for a target that names nothing: it would look like a router in order."""
    known = {*fabric.routers, *fabric.tunnels, *plan.unreachable, *plan.withheld}
    for change in plan.changes:
        known |= {change.resource.name, str(change.resource)}
    routers = tuple(f"{name}/" for name in fabric.routers)
    unknown = [name for name in targets if name not in known and not name.startswith(routers)]
    if unknown:
        raise TunnelwrightError(
            f"nothing is called {', '.join(unknown)}",
            hint="a target is a router, a tunnel, or router/kind/name",
        )


def find_tunnel(fabric: Fabric, name: str) -> Tunnel:
    """Raises TunnelwrightError for what is no tunnel, with the name that may be meant."""
    if name not in fabric.tunnels:
        close = difflib.get_close_matches(name, fabric.tunnels, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the tunnels are {', '.join(fabric.tunnels)}"
        raise TunnelwrightError(f"no tunnel is called {name!r}", hint=hint)
    return fabric.tunnels[name]


def check_reconnect(fabric: Fabric, tunnels: Iterable[str]) -> None:
    """Raises TunnelwrightError for what is no tunnel that could be up."""
    for name in tunnels:
        if not find_tunnel(fabric, name).enabled:
            raise TunnelwrightError(f"the tunnel {name!r} is disabled in Git", hint="set `enabled: true`")
