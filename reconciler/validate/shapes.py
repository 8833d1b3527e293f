"""Which routers a topology joins: the pairs of its star, its mesh or its list. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import TypeAlias

from reconciler.load import Path
from reconciler.model.bounds import MOST_EXPANDED
from reconciler.model.diagnostic import Diagnostics
from reconciler.validate.catalog import Catalog, Item, by_name
from schemas.topology import IPsecTopologySpec, MembersSpec

Member: TypeAlias = tuple[str, Path]
"""A router, and where the topology says that it is a member, below its spec."""
Pair: TypeAlias = tuple[Member, Member]
"""Two routers, the one that sorts first first."""
_Members: TypeAlias = Mapping[str, Path]


def pairs_of(catalog: Catalog, topology: Item[IPsecTopologySpec], found: Diagnostics) -> list[Pair] | None:
    """The routers of each pair in order, each once; None when there are too many, which is reported. Routers
    that are not there are reported too, and a topology that joins none where nothing else explains that."""
    errors, missing = found.error_count, catalog.missing
    pairs = _pairs(catalog, topology, found)
    explained = found.error_count > errors or catalog.missing > missing or catalog.loaded.unread
    if pairs == [] and not explained and not any(kind in {"", "VpcRouter"} for kind, _ in catalog.broken):
        topology.warning(found, "no-pairs", "the topology joins no routers", hint="check names and labels")
    return pairs


def hubs_of(topology: Item[IPsecTopologySpec], pairs: list[Pair], catalog: Catalog) -> tuple[str, ...]:
    """The hubs of a star that joins these pairs, by name."""
    star = topology.spec.star
    if star is None:
        return ()
    hubs = _members(catalog, topology, star.hubs, (), Diagnostics())
    return tuple(sorted({name for pair in pairs for name, _ in pair if name in hubs}))


def _pairs(catalog: Catalog, topology: Item[IPsecTopologySpec], found: Diagnostics) -> list[Pair] | None:
    spec = topology.spec
    if spec.star is not None:
        hubs = _members(catalog, topology, spec.star.hubs, ("star", "hubs"), found)
        members = _members(catalog, topology, spec.star.members, ("star", "members"), found)
        others = {name: path for name, path in members.items() if name not in hubs}
        count, pairs = len(hubs) * len(others), product(hubs.items(), others.items())
        return _bounded(topology, count, (_in_order(*pair) for pair in pairs), found)
    if spec.mesh is not None:
        members = _members(catalog, topology, spec.mesh, ("mesh",), found)
        count = len(members) * (len(members) - 1) // 2
        return _bounded(topology, count, combinations(sorted(members.items()), 2), found)
    return list(_listed(catalog, topology, found))


def _bounded(
    topology: Item[IPsecTopologySpec], count: int, pairs: Iterator[Pair], found: Diagnostics
) -> list[Pair] | None:
    if 2 * count <= MOST_EXPANDED:
        return list(pairs)
    message = f"the topology has {2 * count:,} tunnel ends"
    topology.error(found, "too-many-ends", message, allowed=f"at most {MOST_EXPANDED:,}")
    return None


def _in_order(one: Member, other: Member) -> Pair:
    return (one, other) if one[0] < other[0] else (other, one)


def _members(
    catalog: Catalog,
    topology: Item[IPsecTopologySpec],
    members: MembersSpec,
    path: Path,
    found: Diagnostics,
) -> _Members:
    if members.labels is not None:
        wanted = members.labels.items()
        return {
            router.name: (*path, "labels")
            for router in by_name(catalog.routers)
            if wanted <= router.metadata.labels.items()
        }
    named: dict[str, Path] = {}
    for index, name in enumerate(members.routers or ()):
        where = (*path, "routers", index)
        if name in named:
            topology.error(found, "duplicate-value", f"{name!r} is already in the list", *where)
        elif catalog.find(catalog.routers, "VpcRouter", name, topology, *where) is not None:
            named[name] = where
    return named


def _listed(catalog: Catalog, topology: Item[IPsecTopologySpec], found: Diagnostics) -> Iterator[Pair]:
    seen: set[frozenset[str]] = set()
    for index, pair in enumerate(topology.spec.pairs or ()):
        place: Path = ("pairs", index)
        known = [
            catalog.find(catalog.routers, "VpcRouter", name, topology, *place) is not None for name in pair
        ]
        if pair[0] == pair[1]:
            message = f"{pair[1]!r} is the other router of the pair already"
            topology.error(found, "duplicate-value", message, *place)
        elif frozenset(pair) in seen:
            message = f"{pair[0]!r} and {pair[1]!r} are a pair already"
            topology.error(found, "duplicate-value", message, *place)
        elif all(known):
            yield _in_order((pair[0], place), (pair[1], place))
        seen.add(frozenset(pair))
