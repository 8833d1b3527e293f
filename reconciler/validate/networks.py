"""Networks: ranges inside them and apart, gateways that are hosts, public networks apart."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import PublicNetwork, VpcNetwork
from reconciler.validate.catalog import Catalog, Item, by_name
from reconciler.validate.overlaps import overlapping
from schemas.addresses import Interval, parse_address, parse_cidr, prefix_length
from schemas.network import AddressRange, PublicNetworkSpec

Range = tuple[str, int, AddressRange]
"""Field of the spec (`normalRanges`, `addressPools`), index in it, and the range."""


def ranges_of(spec: PublicNetworkSpec) -> Iterator[Range]:
    """All ranges of a public network, the normal ones first."""
    for index, item in enumerate(spec.normal_ranges):
        yield "normalRanges", index, item
    for index, item in enumerate(spec.address_pools):
        yield "addressPools", index, item


def interval_of(item: AddressRange) -> Interval:
    """A range's first and last address."""
    return Interval(parse_address(item.first), parse_address(item.last))


def reserved_in(cidr: str) -> dict[int, str]:
    """The addresses of a network that no host may have, with what they are.

    A /31 or /32 has none (RFC 3021).
    """
    network = parse_cidr(cidr)
    if prefix_length(cidr) > 30:
        return {}
    return {network.first: "the network address", network.last: "the broadcast address"}


def check_networks(catalog: Catalog, found: Diagnostics) -> None:
    """Ranges and gateways of each public network, and public networks against one another."""
    for item in by_name(catalog.public_networks):
        _check_gateway(item, found)
        _check_ranges(item, found)
    items = list(by_name(catalog.public_networks))
    for left, right in overlapping([parse_cidr(item.spec.cidr) for item in items]):
        items[right].error(
            found,
            "network-overlap",
            f"{items[right].spec.cidr} overlaps {items[left].spec.cidr} of the public network "
            f"{items[left].name!r}",
            "cidr",
            related=(items[left].at("cidr"),),
        )


def _check_gateway(item: Item[PublicNetworkSpec], found: Diagnostics) -> None:
    gateway = item.spec.gateway
    if gateway is not None:
        problem = host_problem(gateway, item.spec.cidr)
        if problem:
            item.error(found, "address-not-usable", f"the gateway {gateway} {problem}", "gateway")


def host_problem(address: str, cidr: str) -> str:
    """Why an address cannot be a host's in a network; empty when it can."""
    if not parse_cidr(cidr).includes(address):
        return f"is not in {cidr}"
    number, reserved = parse_address(address), reserved_in(cidr)
    return f"is {reserved[number]} of {cidr}" if number in reserved else ""


def _check_ranges(item: Item[PublicNetworkSpec], found: Diagnostics) -> None:
    network = parse_cidr(item.spec.cidr)
    sound: list[Range] = []
    names: dict[str, Range] = {}
    for field, index, part in ranges_of(item.spec):
        interval = interval_of(part)
        earlier = names.setdefault(part.name, (field, index, part))
        if earlier[2] is not part:
            item.error(
                found,
                "duplicate-name",
                f"there is already a range named {part.name!r} in this network",
                field,
                index,
                "name",
                related=(item.at(earlier[0], earlier[1], "name"),),
            )
        if interval.first > interval.last:
            item.error(
                found, "range-reversed", f"{part.last} comes before {part.first}", field, index, "last"
            )
        elif not network.contains(interval):
            item.error(
                found,
                "range-outside-network",
                f"{part.first} to {part.last} is not inside {item.spec.cidr}",
                field,
                index,
            )
        else:
            sound.append((field, index, part))
    for left, right in overlapping([interval_of(part) for _, _, part in sound]):
        field, index, part = sound[right]
        item.error(
            found,
            "range-overlap",
            f"the range {part.name!r} overlaps the range {sound[left][2].name!r}",
            field,
            index,
            related=(item.at(*sound[left][:2]),),
        )


def public_networks(catalog: Catalog) -> dict[str, PublicNetwork]:
    """The public networks as part of the fabric."""
    return {
        item.name: PublicNetwork(item.name, item.spec.cidr, item.location)
        for item in by_name(catalog.public_networks)
    }


def vpc_networks(catalog: Catalog) -> dict[str, VpcNetwork]:
    """The VPC networks as part of the fabric."""
    return {
        item.name: VpcNetwork(item.name, item.spec.cidr, item.location)
        for item in by_name(catalog.vpc_networks)
    }
