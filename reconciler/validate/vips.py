"""VIPs: on a network of their router, inside the right range, each address once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from reconciler.load import Loaded, dotted
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import DesiredRouter, Vip
from reconciler.model.quoting import quoted
from reconciler.model.suggestion import did_you_mean, known
from reconciler.validate.catalog import Catalog, Item, by_name
from reconciler.validate.networks import host_problem, ranges_of
from reconciler.validate.placement import Wish, misplacement, wishes
from reconciler.validate.routers import system_vip_attachment
from schemas.addresses import prefix_length
from schemas.network import PublicNetworkSpec

Owner: TypeAlias = tuple[str, Location]
"""Whose an address is, for a message, and where that is written."""

ALLOCATE_HINT = "run `tunnelwright allocate`"


def system_vip_name(router: str) -> str:
    """Name of a router's system VIP. The dot keeps it apart from the names of documents."""
    return f"{router}.system"


def resolve_vips(
    catalog: Catalog, routers: Mapping[str, DesiredRouter], found: Diagnostics
) -> dict[str, Vip]:
    """Check every VIP and find its address. The system VIP of each router is among them."""
    vips = _system_vips(catalog, routers)
    taken = addresses_of_routers(catalog)
    written = list(wishes(catalog))
    ambiguous = _ambiguous_names(written, found)
    for wish in sorted(written, key=lambda wish: precedence(catalog.loaded, wish)):
        vip = _resolve(catalog, wish, routers, taken, found)
        if vip is not None and vip.name not in ambiguous:
            vips[vip.name] = vip
    _check_lock(written, catalog, found)
    return vips


def precedence(loaded: Loaded, wish: Wish) -> tuple[bool, bool, Location]:
    """Whose an address is that two VIPs have: that of a document before an assigned one, and of assigned
    ones the one whose line in the lock file comes first. A merge may have kept the lines of two branches."""
    assigned = wish.placement.address is None
    entry = next((loaded.lock[name] for name in wish.names if name in loaded.lock), None)
    if not assigned or entry is None:
        return assigned, True, Location("")
    return assigned, False, entry.location


def _system_vips(catalog: Catalog, routers: Mapping[str, DesiredRouter]) -> dict[str, Vip]:
    vips: dict[str, Vip] = {}
    for name, router in routers.items():
        attachment = system_vip_attachment(catalog.routers[name], router)
        if attachment is not None:
            vips[system_vip_name(name)] = Vip(
                name=system_vip_name(name),
                address=attachment.address,
                prefix_length=prefix_length(attachment.cidr),
                public_network=attachment.network,
                router=name,
                interface=attachment.interface,
                managed=False,
                location=router.location,
            )
    return vips


def addresses_of_routers(catalog: Catalog) -> dict[tuple[str, str], Owner]:
    """(public network, address) -> whose it is, and where that is written."""
    return {
        (attachment.network, attachment.address): (
            f"the router {item.name!r}",
            item.at("publicNetworks", index, "address"),
        )
        for item in by_name(catalog.routers)
        for index, attachment in enumerate(item.spec.public_networks)
    }


def _ambiguous_names(written: list[Wish], found: Diagnostics) -> set[str]:
    """The names of two VIPs each, reported: one of a document, one created for a tunnel of that name."""
    first: dict[str, Wish] = {}
    ambiguous: set[str] = set()
    for wish in written:
        other = first.setdefault(wish.name, wish)
        if other is not wish:
            ambiguous.add(wish.name)
            wish.item.error(
                found,
                "duplicate-name",
                f"the VIP created for a tunnel has the tunnel's name, and a Vip named {wish.name!r} exists",
                *wish.prefix,
                related=(other.item.location,),
            )
    return ambiguous


def _resolve(
    catalog: Catalog,
    wish: Wish,
    routers: Mapping[str, DesiredRouter],
    taken: dict[tuple[str, str], Owner],
    found: Diagnostics,
) -> Vip | None:
    """One VIP; None when its network, router or address is not known. Findings are reported."""
    placement = wish.placement
    network = catalog.find(
        catalog.public_networks,
        "PublicNetwork",
        placement.public_network,
        wish.item,
        *wish.prefix,
        "publicNetwork",
    )
    if wish.prefix:
        # A tunnel's router is looked up with the tunnel.
        router_item = catalog.routers.get(wish.router)
    else:
        router_item = catalog.find(catalog.routers, "VpcRouter", wish.router, wish.item, "router")
    # A range that is not there is the cause, and an address that is not allocated a mere consequence.
    if network is not None and not range_exists(network, wish, found):
        return None
    located = _address(catalog.loaded, wish, found)
    if network is None:
        return None
    if located is not None:
        _check_place(wish, network, located, taken, found)
    if located is None or router_item is None or wish.router not in routers:
        return None
    attachment = next((part for part in routers[wish.router].public if part.network == network.name), None)
    if attachment is None:
        wish.item.error(
            found,
            "network-not-attached",
            f"the router {wish.router!r} is not attached to the public network {network.name!r}",
            *wish.prefix,
            "publicNetwork",
            allowed=", ".join(part.network for part in routers[wish.router].public),
            related=(router_item.at("publicNetworks"),),
        )
        return None
    return Vip(
        name=wish.name,
        address=located[0],
        prefix_length=prefix_length(network.spec.cidr),
        public_network=network.name,
        router=wish.router,
        interface=attachment.interface,
        managed=wish.managed,
        location=wish.item.location,
        created=bool(wish.prefix),
    )


def _address(loaded: Loaded, wish: Wish, found: Diagnostics) -> tuple[str, Location] | None:
    """The VIP's address and where it is written: in its document, or in the lock file."""
    if wish.placement.address is not None:
        return wish.placement.address, wish.item.at(*wish.prefix, "address")
    if not wish.managed:
        wish.item.error(
            found, "vip-without-address", "a VIP with `managed: false` needs its address", *wish.prefix
        )
        return None
    entry = loaded.lock.get(wish.name)
    if entry is not None:
        return (entry.address, entry.location) if entry.address is not None else None
    if not loaded.may_define(wish.name):
        wish.item.error(
            found,
            "vip-not-allocated",
            f"the VIP {wish.name!r} has no address yet",
            *wish.prefix,
            hint=f"{ALLOCATE_HINT}, which records a free one in {loaded.lock_file}, and commit that file"
            if loaded.lock_file
            else "write its address in the document, because there is no lock file",
        )
    return None


def range_exists(network: Item[PublicNetworkSpec], wish: Wish, found: Diagnostics) -> bool:
    """Whether its network has the range that a VIP names; else that is a finding."""
    names = [part.name for _, _, part in ranges_of(network.spec)]
    name = wish.placement.range
    if name is None or name in names:
        return True
    wish.item.error(
        found,
        "dangling-reference",
        f"the public network {network.name!r} has no range named {name!r}",
        *wish.prefix,
        "range",
        allowed=known(names),
        hint=did_you_mean(name, names),
        related=(network.location,),
    )
    return False


def _check_place(
    wish: Wish,
    network: Item[PublicNetworkSpec],
    placed: tuple[str, Location],
    taken: dict[tuple[str, str], Owner],
    found: Diagnostics,
) -> None:
    """The address is where the service allows it, and is not taken."""
    address, location = placed
    locked = wish.placement.address is None
    path = wish.name if locked else dotted(wish.item.written(("spec", *wish.prefix, "address")))
    problem, hint = (
        misplacement(address, network, wish.placement.range)
        if wish.managed
        else (host_problem(address, network.spec.cidr), "")
    )
    if problem:
        found.error(
            "address-not-usable",
            location,
            f"the address {address} of the VIP {wish.name!r} {problem}",
            path=path,
            hint=ALLOCATE_HINT if locked else hint,
            related=(network.location,),
        )
        return
    what, where = taken.setdefault((network.name, address), (f"the VIP {wish.name!r}", location))
    if where != location:
        found.error(
            "address-taken",
            location,
            f"the address {address} of the VIP {wish.name!r} already belongs to {what}",
            path=path,
            hint=f"{ALLOCATE_HINT}: it gives this VIP another address" if locked else "",
            related=(where,),
        )


def _check_lock(written: list[Wish], catalog: Catalog, found: Diagnostics) -> None:
    """Entries that no VIP uses are harmless, but mislead readers."""
    automatic = {wish.name for wish in written if wish.placement.address is None and wish.managed}
    broken = {name for _, name in catalog.broken}
    if any(kind in {"IPsecConnection", "IPsecTopology"} for kind, _ in catalog.broken):
        # How its ends are called may not be known.
        return
    for name, entry in catalog.loaded.lock.items():
        if name not in automatic and name not in broken and not catalog.loaded.unread:
            found.warning(
                "lock-stale",
                entry.location,
                f"there is no VIP {quoted(name)} without an address of its own",
                path=dotted((name,)),
                hint=ALLOCATE_HINT,
            )
