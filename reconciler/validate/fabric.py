"""All checks in order: each document, then networks, routers, VIPs, tunnels, and tunnels together."""

from __future__ import annotations

from reconciler.load import Loaded
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import Fabric, PskRef
from reconciler.validate.catalog import Catalog
from reconciler.validate.connections import expanded_catalog
from reconciler.validate.defaults import Defaults
from reconciler.validate.keys import check_sealed, resolve_key
from reconciler.validate.networks import check_networks, public_networks, vpc_networks
from reconciler.validate.pairs import pair_tunnels
from reconciler.validate.peers import resolve_peers, resolve_places
from reconciler.validate.routers import resolve_routers
from reconciler.validate.safety import fleet_safety, part_safety
from reconciler.validate.selectors import check_selectors
from reconciler.validate.tunnels import resolve_tunnels
from reconciler.validate.vips import resolve_vips


def validate(loaded: Loaded) -> tuple[Fabric, Diagnostics]:
    """The fabric that the documents describe, with the findings of loading and of validation.

    With errors among the findings the fabric holds only what could be resolved: show it, never apply it.
    """
    found = Diagnostics()
    found.extend(loaded.diagnostics)
    if not loaded.documents and not found.errors:
        _report_nothing(loaded, found)
    catalog = expanded_catalog(loaded, found)
    check_networks(catalog, found)
    defaults = Defaults(catalog)
    routers = resolve_routers(catalog, defaults, found)
    vips = resolve_vips(catalog, routers, found)
    places = resolve_places(catalog, routers, vips, found)
    peers = resolve_peers(catalog, places)
    tunnels = resolve_tunnels(catalog, defaults, places, peers, found)
    defaults.report(found)
    catalog.report_dangling(found)
    check_selectors(catalog, routers, tunnels, peers, found)
    fingerprint_key = _fingerprint_key(catalog, defaults, found)
    check_sealed(catalog, {*(tunnel.psk for tunnel in tunnels.values()), fingerprint_key}, found)
    return (
        Fabric(
            public_networks=public_networks(catalog),
            vpc_networks=vpc_networks(catalog),
            routers=routers,
            vips=vips,
            tunnels=pair_tunnels(catalog, vips, tunnels, peers, found),
            safety=fleet_safety(catalog),
            part_safety=part_safety(catalog, found),
            fingerprint_key=fingerprint_key,
        ),
        found,
    )


def _report_nothing(loaded: Loaded, found: Diagnostics) -> None:
    """No error: a repository begins so, and the first commit after that is previewed against it. Of routers
    that no document describes nothing is changed. A stream is one file, whose own warning says so."""
    if not loaded.lock_file:
        return
    found.warning(
        "no-documents",
        Location(loaded.source.subdir or "."),
        "there is no document in the folder, so no router is described or observed",
        hint="check that this is the folder of the desired state; only files that end in .yaml or .yml "
        "are read",
    )


def _fingerprint_key(catalog: Catalog, defaults: Defaults, found: Diagnostics) -> PskRef | None:
    fleet = defaults.fleet
    if fleet is None or fleet.spec.fingerprint_key is None:
        return None
    return resolve_key(catalog, fleet, fleet.spec.fingerprint_key, found, "fingerprintKey")
