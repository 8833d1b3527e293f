"""Where VIPs may be: the rules of the service (spec, section 2), shared by checks and by allocation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.validate.catalog import Catalog, Item, by_name
from reconciler.validate.networks import host_problem, interval_of, ranges_of
from schemas.addresses import Interval, parse_address
from schemas.network import PublicNetworkSpec
from schemas.tunnel import TunnelEndSpec, TunnelMetadata
from schemas.vip import VipPlacement, VipSpec


@dataclass(frozen=True, slots=True)
class Wish:
    """A VIP as written, in a document of its own or inside a tunnel. The VIP has the item's name."""

    item: Item[VipSpec] | Item[TunnelEndSpec]
    placement: VipPlacement
    router: str
    managed: bool
    prefix: tuple[str, ...]
    """Path of the placement in the spec of the item."""

    @property
    def name(self) -> str:
        """The VIP's name."""
        return self.item.name

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, then those that it had before."""
        return self.item.name, *previous_names(self.item)


def previous_names(item: Item[VipSpec] | Item[TunnelEndSpec]) -> tuple[str, ...]:
    """The names that a tunnel, and the VIP that is created for it, had before."""
    return item.metadata.previous_names if isinstance(item.metadata, TunnelMetadata) else ()


def wishes(catalog: Catalog) -> Iterator[Wish]:
    """Every VIP that is written down, those of documents first, each group by name."""
    for vip in by_name(catalog.vips):
        yield Wish(vip, vip.spec, vip.spec.router, vip.spec.managed, ())
    for tunnel in by_name(catalog.tunnels):
        if tunnel.spec.vip.create is not None:
            yield Wish(tunnel, tunnel.spec.vip.create, tunnel.spec.router, True, ("vip", "create"))


def usable(network: PublicNetworkSpec, range_name: str | None) -> list[Interval]:
    """The intervals from which a VIP may come: the named range, or all normal ranges.

    The first and last address of an address pool are left out. Empty when there is no such range.
    """
    intervals = []
    for field, _, item in ranges_of(network):
        whole = interval_of(item)
        if field == "addressPools" and item.name == range_name:
            intervals.append(Interval(whole.first + 1, whole.last - 1))
        elif field == "normalRanges" and range_name in (None, item.name):
            intervals.append(whole)
    return intervals


def misplacement(address: str, network: Item[PublicNetworkSpec], range_name: str | None) -> tuple[str, str]:
    """Why an address cannot be a VIP of a network, and a hint; both empty when it can."""
    spec = network.spec
    problem = host_problem(address, spec.cidr)
    if problem or address == spec.gateway:
        return problem or f"is the gateway of {network.name!r}", ""
    number = parse_address(address)
    if any(part.first <= number <= part.last for part in usable(spec, range_name)):
        return "", ""
    containing = [
        (field, item)
        for field, _, item in ranges_of(spec)
        if interval_of(item).first <= number <= interval_of(item).last
    ]
    for field, item in containing:
        if field == "addressPools" and address in (item.first, item.last):
            return f"is the first or last address of the address pool {item.name!r}", ""
    hint = f"name it: `range: {containing[0][1].name}`" if containing else ""
    if range_name is not None:
        return f"is not in the range {range_name!r}", hint
    return f"is not in a normal range of {network.name!r}, and no range is named", hint
