"""By which interfaces nothing that came out of a tunnel may leave."""

from __future__ import annotations

from dataclasses import replace

from reconciler.compile.router import compile_router
from reconciler.facets import firewall
from reconciler.facets.firewall import nft_file
from reconciler.model.secret import Secret
from tests.fabrics import two_routers


def test_they_are_those_of_public_networks_alone() -> None:
    """Where one interface has networks of both kinds, packets for the private one leave by it."""
    fabric = two_routers()
    paris = fabric.routers["paris"]
    [public] = paris.public
    keys = {tunnel.psk: Secret(b"key") for tunnel in fabric.tunnels.values()}
    both = replace(paris, public=(public, replace(public, interface=paris.vpc[0].interface)))
    wanted = compile_router(
        replace(fabric, routers={**fabric.routers, "paris": both}), "paris", keys, Secret(b"")
    )
    assert wanted.firewall.outside == {"eth0"}
    rule = 'ip daddr . ip saddr @guarded meta oifname "eth0" rt ipsec missing counter drop'
    assert nft_file.render(wanted.firewall, {}).count(rule) == 1
    assert not firewall.same_rules(
        wanted.firewall, firewall.as_applied(replace(wanted.firewall, outside=frozenset()))
    )
