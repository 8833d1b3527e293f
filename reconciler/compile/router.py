"""Fabric -> RouterConfig: what each router should hold, one router at a time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType

from reconciler.facets import addresses, connections, files, firewall, secrets, sysctls
from reconciler.model.fabric import DesiredRouter, Fabric, PskRef, Tunnel, group_of
from reconciler.model.router_config import Claims, Connection, RouterConfig, connection_name
from reconciler.model.secret import Secret


def compile_router(
    fabric: Fabric,
    router: str,
    keys: Mapping[PskRef, Secret],
    fingerprint_key: Secret,
    unread: Set[str] = frozenset(),
    *,
    keyless: Mapping[PskRef, str] = MappingProxyType({}),
    claims: Claims | None = None,
) -> RouterConfig:
    """The desired state of one router, without the files of `unread` tunnels, which are not needed: to
    render them takes longer than all the rest.

    A disabled tunnel has no connection, yet its traffic stays guarded: it is down, not in the clear.
    `keyless` are the keys that could not be had, and why; `keys` has others in their place. To compile many
    routers, make the `claims` of the fabric once.

    Raises KeyError when `keys` lacks the key of an enabled tunnel of this router.
    """
    tunnels = fabric.tunnels_of(router)
    give_up_after = fabric.routers[router].give_up_after
    compiled = {
        connection_name(tunnel.name): _connection(tunnel, keys[tunnel.psk], fingerprint_key, give_up_after)
        for tunnel in tunnels
        if tunnel.enabled
    }
    mss = fabric.routers[router].mss
    guards = {tunnel.name: firewall.guard(tunnel, mss) for tunnel in tunnels}
    return RouterConfig(
        router=router,
        connections=compiled,
        files={
            files.file_name(name): files.render(item)
            for name, item in compiled.items()
            if item.tunnel not in unread
        },
        addresses=addresses.compile_addresses(fabric.vips_of(router)),
        claims=addresses.compile_claims(fabric) if claims is None else claims,
        networks={part.interface: part.network for part in fabric.routers[router].public},
        firewall=firewall.together(guards.values(), mss, _outside(fabric.routers[router])),
        guards=guards,
        sysctls=sysctls.compile_sysctls(fabric.routers[router]),
        give_up_after=give_up_after,
        groups={tunnel.name: group_of(tunnel) for tunnel in tunnels},
        keyless={t.name: keyless[t.psk] for t in tunnels if t.enabled and t.psk in keyless},
    )


def _outside(router: DesiredRouter) -> frozenset[str]:
    """The interfaces of its public networks that are in no private one."""
    inside = {part.interface for part in router.vpc}
    return frozenset(part.interface for part in router.public if part.interface not in inside)


def _connection(tunnel: Tunnel, psk: Secret, fingerprint_key: Secret, give_up_after: int) -> Connection:
    secret = secrets.compile_secret(tunnel, psk, fingerprint_key)
    return Connection(
        name=connection_name(tunnel.name),
        tunnel=tunnel.name,
        settings=connections.compile_settings(tunnel, secrets.digest_of(secret.id), give_up_after),
        secret=secret,
        former=tunnel.connections[1:],
        reconnect=tunnel.reconnect,
        protected=tunnel.protected,
        paired=tunnel.other_end is not None,
        initiates=tunnel.initiates,
    )
