"""Tunnels of IKEv1 at routers whose charon has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.model.fabric import Fabric
from reconciler.model.judgement import Deferral, Override
from reconciler.model.listing import listed
from reconciler.model.router_config import RouterState
from reconciler.policy.units import Unit


def unspoken(units: Iterable[Unit], fabric: Fabric, states: Mapping[str, RouterState]) -> Iterator[Deferral]:
    """Tunnels that would be loaded and never come up: charon takes a connection of a version that it does not
    speak, and says so in its log alone."""
    for unit in units:
        without = {
            end.change.resource.router: states[end.change.resource.router].version
            for end in unit.ends
            if end.after.pairs
            and fabric.tunnels[end.change.resource.name].ike.version == 1
            and not states[end.change.resource.router].speaks_ikev1
        }
        if without:
            routers = listed(f"{name} (strongSwan {version})" for name, version in sorted(without.items()))
            yield Deferral(
                unit.resources,
                f"it is IKEv1, which strongSwan is built without from 6.1.0 on: {routers} (set "
                "`ike.version: 2` at both ends)",
                Override.IKEV1,
            )
