"""Whose a peer's address is: that of a router here, or one that this desired state gives out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.model.diagnostic import Location
from reconciler.model.fabric import Vip
from reconciler.model.quoting import quoted
from reconciler.validate.catalog import Catalog, by_name
from reconciler.validate.networks import interval_of, ranges_of
from reconciler.validate.overlaps import overlaps_with
from reconciler.validate.vips import addresses_of_routers
from schemas.addresses import Interval, parse_address


@dataclass(frozen=True, slots=True)
class Owner:
    """Why an address is one of ours. `router` is empty where none has it, or none has it any more."""

    words: str
    location: Location
    router: str = ""


def owners(catalog: Catalog, vips: Mapping[str, Vip], addresses: Iterable[str]) -> dict[str, Owner]:
    """Those of the addresses that are ours: a VIP's, a router's, one that the lock file has assigned, one of
    a range from which VIPs are taken. A VIP that is created for a tunnel goes with that, and its address is
    known by the last two alone."""
    wanted = sorted(set(addresses))
    found: dict[str, Owner] = {}
    for vip in (vips[name] for name in sorted(vips)):
        words = f"is the VIP {vip.name!r} of the router {vip.router!r} ({vip.location.file})"
        found.setdefault(vip.address, Owner(words, vip.location, vip.router))
    for (_, address), (router, location) in addresses_of_routers(catalog).items():
        found.setdefault(address, Owner(f"is an address of {router} ({location.file})", location))
    for name, entry in catalog.loaded.lock.items():
        if entry.address is not None:
            words = f"is assigned to the VIP {quoted(name)} ({entry.location.file})"
            found.setdefault(entry.address, Owner(words, entry.location))
    ranges = [
        (item, field, index, part)
        for item in by_name(catalog.public_networks)
        for field, index, part in ranges_of(item.spec)
        if interval_of(part).first <= interval_of(part).last
    ]
    rest = [address for address in wanted if address not in found]
    single = [Interval(parse_address(address), parse_address(address)) for address in rest]
    for overlap in overlaps_with(single, [interval_of(part) for *_, part in ranges]):
        item, field, index, part = ranges[overlap.others[0]]
        words = (
            f"is in the range {part.name!r} of the public network {item.name!r}, from which VIPs are taken"
        )
        found[rest[overlap.index]] = Owner(words, item.at(field, index))
    return {address: found[address] for address in wanted if address in found}
