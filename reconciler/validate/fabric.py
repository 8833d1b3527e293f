"""All checks in order: each document, then networks, routers, VIPs, tunnels, and tunnels together."""

from __future__ import annotations

from reconciler.load import Loaded
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import Fabric
from reconciler.validate.catalog import build_catalog
from reconciler.validate.networks import check_networks, public_networks, vpc_networks
from reconciler.validate.pairs import pair_tunnels
from reconciler.validate.routers import resolve_routers
from reconciler.validate.safety import safety_policy
from reconciler.validate.selectors import check_selectors
from reconciler.validate.tunnels import resolve_tunnels
from reconciler.validate.vips import resolve_vips


def validate(loaded: Loaded) -> tuple[Fabric, Diagnostics]:
    """The fabric that the documents describe, with the findings of loading and of validation.

    With errors among the findings the fabric holds only what could be resolved: show it, never apply it.
    """
    found = Diagnostics()
    found.extend(loaded.diagnostics)
    catalog = build_catalog(loaded, found)
    check_networks(catalog, found)
    routers = resolve_routers(catalog, found)
    vips = resolve_vips(catalog, routers, found)
    tunnels = resolve_tunnels(catalog, routers, vips, found)
    check_selectors(catalog, routers, tunnels, found)
    return (
        Fabric(
            public_networks=public_networks(catalog),
            vpc_networks=vpc_networks(catalog),
            routers=routers,
            vips=vips,
            tunnels=pair_tunnels(catalog, vips, tunnels, found),
            safety=safety_policy(catalog),
        ),
        found,
    )
