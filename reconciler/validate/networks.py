"""Networks: ranges inside them and apart, gateways that are hosts, public networks apart."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import PublicNetwork, VpcNetwork
from reconciler.model.listing import counted
from reconciler.validate.catalog import Catalog, Item, by_name
from reconciler.validate.overlaps import overlaps_before
from schemas.addresses import Interval, format_address, parse_address, parse_cidr, prefix_length
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


_NOT_UNICAST = (
    (parse_cidr("0.0.0.0/8"), "is in 0.0.0.0/8, which has no hosts (RFC 1122)"),
    (parse_cidr("127.0.0.0/8"), "is in 127.0.0.0/8, which is loopback (RFC 1122)"),
    (parse_cidr("169.254.0.0/16"), "is in 169.254.0.0/16, which is link-local (RFC 3927)"),
    (parse_cidr("224.0.0.0/4"), "is in 224.0.0.0/4, which is multicast (RFC 5771)"),
    (parse_cidr("240.0.0.0/4"), "is in 240.0.0.0/4, which is reserved (RFC 1112)"),
    (parse_cidr("224.0.0.0/3"), "is in 224.0.0.0/3, which is multicast and reserved"),
)
"""Special-purpose blocks (RFC 6890) that no router forwards to a network behind another one."""


def not_unicast(block: Interval) -> str:
    """Why nothing can be routed to an address, or to a network as a whole; empty when it can. A wider network
    has other addresses too."""
    return next((words for special, words in _NOT_UNICAST if special.contains(block)), "")


def addresses_without_hosts(catalog: Catalog) -> dict[str, str]:
    """Addresses of public networks at which there is no IPsec peer, with the reason: network and broadcast
    addresses, gateways."""
    found: dict[str, str] = {}
    for item in by_name(catalog.public_networks):
        for number, words in reserved_in(item.spec.cidr).items():
            found[format_address(number)] = f"is {words} of the public network {item.name!r}"
        if item.spec.gateway is not None:
            found[item.spec.gateway] = f"is the gateway of the public network {item.name!r}"
    return found


def check_networks(catalog: Catalog, found: Diagnostics) -> None:
    """Ranges and gateways of each public network, and public networks against one another."""
    for item in by_name(catalog.public_networks):
        _check_gateway(item, found)
        _check_ranges(item, found)
    items = list(by_name(catalog.public_networks))
    for overlap in overlaps_before([parse_cidr(item.spec.cidr) for item in items]):
        right, left = items[overlap.index], items[overlap.others[0]]
        right.error(
            found,
            "network-overlap",
            f"{right.spec.cidr} overlaps {left.spec.cidr} of the public network {left.name!r}"
            f"{and_more(overlap.more, 'public network')}",
            "cidr",
            related=tuple(items[index].at("cidr") for index in overlap.others),
            more_related=overlap.count - len(overlap.others),
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
    for overlap in overlaps_before([interval_of(part) for _, _, part in sound]):
        field, index, part = sound[overlap.index]
        item.error(
            found,
            "range-overlap",
            f"the range {part.name!r} overlaps the range {sound[overlap.others[0]][2].name!r}"
            f"{and_more(overlap.more, 'range')}",
            field,
            index,
            related=tuple(item.at(*sound[other][:2]) for other in overlap.others),
            more_related=overlap.count - len(overlap.others),
        )


def and_more(count: int, what: str) -> str:
    """` and 3 more ranges`, nothing for none."""
    return f" and {counted(count, f'more {what}')}" if count else ""


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
