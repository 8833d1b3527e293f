"""Automatic VIP addresses: assigned once, kept from then on, recorded in a file that is committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netaddr import IPAddress, IPRange, IPSet

from reconciler.load import Loaded
from reconciler.load.documents import LockEntry
from reconciler.load.scalars import resolve
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.validate.catalog import Catalog, Item
from reconciler.validate.connections import expanded_catalog
from reconciler.validate.networks import reserved_in
from reconciler.validate.placement import Wish, misplacement, usable, wishes
from reconciler.validate.vips import addresses_of_routers, precedence, range_exists
from schemas.network import PublicNetworkSpec

_HEADER = """\
# Addresses that `tunnelwright allocate` has assigned to VIPs which name none.
# Commit this file: an address stays with its VIP for as long as the VIP exists.
"""


def allocate(
    loaded: Loaded, base: Mapping[str, LockEntry] | None = None
) -> tuple[dict[str, str], Diagnostics]:
    """VIP name -> address, for the VIPs that name no address; the new content of the lock file.

    `base` is the lock file of a revision that is applied already: of two VIPs with one address, as a merge
    leaves them, the one that has it there keeps it.

    What is assigned stays, unless the VIP has gone, or its network or range has moved away from it.
    A new VIP gets the lowest free address of its range. Findings: `range-exhausted`, and all errors
    of the documents themselves; with errors among them the file must not be written, since VIPs of
    broken documents would lose their addresses.
    """
    found = Diagnostics()
    found.extend(loaded.diagnostics)
    catalog = expanded_catalog(loaded, found)
    taken = set(addresses_of_routers(catalog))
    automatic: list[tuple[Wish, Item[PublicNetworkSpec]]] = []
    for wish in wishes(catalog):
        network = catalog.public_networks.get(wish.placement.public_network)
        if wish.placement.address is not None:
            taken.add((wish.placement.public_network, wish.placement.address))
        elif wish.managed and network is not None:
            automatic.append((wish, network))
    kept = _kept(catalog, automatic, taken, base or {})
    taken.update((network.name, kept[wish.name]) for wish, network in automatic if wish.name in kept)
    assigned = dict(kept)
    free: dict[tuple[str, str | None], Iterator[IPAddress]] = {}
    for wish, network in sorted(automatic, key=lambda pair: pair[0].name):
        if wish.name in assigned or not range_exists(network, wish, found):
            continue
        source = (network.name, wish.placement.range)
        if source not in free:
            free[source] = _free(network, wish.placement.range, taken)
        # Ranges do not overlap, but all normal ranges together overlap each of them.
        address = next((str(item) for item in free[source] if (network.name, str(item)) not in taken), None)
        if address is None:
            _report_exhausted(wish, network, found)
            continue
        assigned[wish.name] = address
        taken.add((network.name, address))
    catalog.report_dangling(found)
    return dict(sorted(assigned.items())), found


def _kept(
    catalog: Catalog,
    automatic: list[tuple[Wish, Item[PublicNetworkSpec]]],
    taken: set[tuple[str, str]],
    base: Mapping[str, LockEntry],
) -> dict[str, str]:
    """The assignments that still hold."""
    lock = catalog.loaded.lock

    def turn(pair: tuple[Wish, Item[PublicNetworkSpec]]) -> tuple[bool, tuple[bool, bool, Location]]:
        names = [name for name in pair[0].names if name in lock]
        applied = any(name in base and base[name].address == lock[name].address for name in names)
        return not applied, precedence(catalog.loaded, pair[0])

    kept: dict[str, str] = {}
    used = set(taken)
    for wish, network in sorted(automatic, key=turn):
        address = next((lock[name].address for name in wish.names if name in lock), None)
        if address is None or (network.name, address) in used:
            continue
        problem, _ = misplacement(address, network, wish.placement.range)
        if not problem:
            kept[wish.name] = address
            used.add((network.name, address))
    return kept


def _free(
    network: Item[PublicNetworkSpec], range_name: str | None, taken: set[tuple[str, str]]
) -> Iterator[IPAddress]:
    """The free addresses of a range, the lowest first."""
    spec = network.spec
    addresses = IPSet()
    for interval in usable(spec, range_name):
        if interval.first <= interval.last:
            addresses.add(IPRange(interval.first, interval.last))
    used = [address for name, address in taken if name == network.name]
    if spec.gateway is not None:
        used.append(spec.gateway)
    return iter((addresses & IPSet([spec.cidr])) - IPSet(used) - IPSet(reserved_in(spec.cidr)))


def _report_exhausted(wish: Wish, network: Item[PublicNetworkSpec], found: Diagnostics) -> None:
    name = wish.placement.range
    where = f"the range {name!r}" if name else "the normal ranges"
    wish.item.error(
        found,
        "range-exhausted",
        f"{where} of the public network {network.name!r} has no free address",
        *wish.prefix,
        hint="name another range, or extend this one",
        related=(network.location,),
    )


def render_lock(addresses: Mapping[str, str]) -> str:
    """The text of the lock file, VIPs by name."""
    # A name such as 123 is a number to YAML unless it is quoted.
    return _HEADER + "".join(
        f"{name if isinstance(resolve(name), str) else repr(name)}: {addresses[name]}\n"
        for name in sorted(addresses)
    )
