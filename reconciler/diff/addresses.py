"""The facet `addresses`: VIPs that are missing. Each is a resource of its own."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.facets import addresses
from reconciler.model.plan import Action, AddAddress, Disruption, Phase, Resource, ResourceChange, Step
from reconciler.model.router_config import RouterConfig, RouterState
from reconciler.model.settings import Change


def address_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """One resource for each VIP that is not on its interface."""
    for address in addresses.missing(desired.addresses, live.addresses):
        summary = f"add {address.cidr} to {address.interface}"
        yield ResourceChange(
            Resource(desired.router, "vip", address.cidr.partition("/")[0]),
            Action.CREATE,
            f"the address is not on {address.interface}",
            (Change("address", None, f"{address.cidr} dev {address.interface}", "kernel"),),
            (Step(desired.router, Phase.HOST, "", summary, Disruption.NONE, AddAddress(address)),),
        )
