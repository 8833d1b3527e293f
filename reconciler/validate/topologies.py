"""Topologies -> a connection for each of their pairs, as if each had a document of its own. Pure.

A connection that is written takes the place of the one of its name that a topology would have. Every finding
at a pair is reported where the topology says it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product

from reconciler.load import Path
from reconciler.model.bounds import MOST_EXPANDED
from reconciler.model.diagnostic import Diagnostics
from reconciler.validate.catalog import Catalog, Item, by_name
from schemas.connection import ConnectionEndSpec, ConnectionMetadata, IPsecConnectionSpec
from schemas.keys import KeyRef
from schemas.topology import IPsecTopologySpec, MembersSpec
from schemas.tunnel import AuthenticationSpec, TunnelVip
from schemas.vip import VipPlacement


@dataclass(frozen=True, slots=True)
class TopologyPair:
    """Which pair of which topology a connection is, and where that says what the connection would say."""

    topology: Item[IPsecTopologySpec]
    members: tuple[Path, Path]
    """Where the topology names the routers of the two ends, below its spec."""

    def place(self, path: Path) -> Path:
        """A path of an IPsecConnection -> the path in the topology's document."""
        match path:
            case ("spec", "ends", int(end), *rest) if rest[:1] != ["vip"]:
                return ("spec", *self.members[end])
        return place_in_topology(path)


def place_in_topology(path: Path) -> Path:
    """Where the document of a topology says what `path` says in that of one of its connections."""
    match path:
        case ("spec", "ends", int(_), "vip", *rest):
            return ("spec", "vip", *rest)
        case ("spec", "ends", *_):
            return ("spec",)
    return path


_Members = Mapping[str, Path]
"""Router -> where the topology says that it is a member."""


def expand_topologies(catalog: Catalog, found: Diagnostics) -> None:
    """Add the connections of all topologies to the catalog, but for those that are written."""
    ends = 0
    for topology in by_name(catalog.topologies):
        pairs = _pairs(catalog, topology, found)
        if pairs is None:
            continue
        if not pairs and _names(topology.spec) <= catalog.routers.keys():
            topology.warning(
                found, "no-pairs", "the topology joins no routers", hint="check names and labels"
            )
        ends += 2 * len(pairs)
        if ends > MOST_EXPANDED:
            message = f"with this topology, and those whose names sort before it, there are {ends:,} ends"
            topology.error(found, "too-many-ends", message, allowed=f"at most {MOST_EXPANDED:,}")
            return
        for (a, at_a), (b, at_b) in pairs:
            name = f"{topology.name}-{a}-{b}"
            if ("IPsecConnection", name) in catalog.broken:
                continue
            written = catalog.connections.get(name)
            if written is None:
                places = TopologyPair(topology, (at_a, at_b))
                catalog.connections[name] = _connection(catalog, topology, name, (a, b), places)
            elif {end.router for end in written.spec.ends} != {a, b}:
                _report_other_routers(topology, (a, b), at_b, written, found)


def _report_other_routers(
    topology: Item[IPsecTopologySpec],
    pair: tuple[str, str],
    place: Path,
    written: Item[IPsecConnectionSpec],
    found: Diagnostics,
) -> None:
    """`a-b` and `c` make the same name as `a` and `b-c`."""
    others = " and ".join(repr(end.router) for end in written.spec.ends)
    topology.error(
        found,
        "duplicate-name",
        f"the connection of {pair[0]!r} and {pair[1]!r} is called {written.name!r}, as that of {others} is",
        *place,
        hint="give this topology, or the other document, another name",
        related=(written.location,),
    )


def _names(spec: IPsecTopologySpec) -> set[str]:
    """The routers that a topology names."""
    star = () if spec.star is None else (spec.star.hubs, spec.star.members)
    listed = [part.routers or () for part in (spec.mesh, *star) if part is not None]
    return {name for names in (*listed, *(spec.pairs or ())) for name in names}


_Pair = tuple[tuple[str, Path], tuple[str, Path]]


def _pairs(catalog: Catalog, topology: Item[IPsecTopologySpec], found: Diagnostics) -> list[_Pair] | None:
    """The routers of each pair in order, each once; None when there are too many, which is reported."""
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
    topology: Item[IPsecTopologySpec], count: int, pairs: Iterator[_Pair], found: Diagnostics
) -> list[_Pair] | None:
    if 2 * count <= MOST_EXPANDED:
        return list(pairs)
    message = f"the topology has {2 * count:,} tunnel ends"
    topology.error(found, "too-many-ends", message, allowed=f"at most {MOST_EXPANDED:,}")
    return None


def _in_order(one: tuple[str, Path], other: tuple[str, Path]) -> _Pair:
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
        elif catalog.find(catalog.routers, "VpcRouter", name, topology, found, *where) is not None:
            named[name] = where
    return named


def _listed(catalog: Catalog, topology: Item[IPsecTopologySpec], found: Diagnostics) -> Iterator[_Pair]:
    seen: set[frozenset[str]] = set()
    for index, pair in enumerate(topology.spec.pairs or ()):
        place: Path = ("pairs", index)
        known = [
            catalog.find(catalog.routers, "VpcRouter", name, topology, found, *place) is not None
            for name in pair
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


def _connection(
    catalog: Catalog,
    topology: Item[IPsecTopologySpec],
    name: str,
    routers: tuple[str, str],
    places: TopologyPair,
) -> Item[IPsecConnectionSpec]:
    spec = topology.spec
    key = spec.authentication.key
    names = {"{a}": routers[0], "{b}": routers[1]}
    return Item(
        "IPsecConnection",
        ConnectionMetadata.model_construct(name=name, labels=topology.metadata.labels, annotations={}),
        IPsecConnectionSpec.model_construct(
            description=spec.description,
            ends=tuple(_end(catalog, spec, router) for router in routers),
            authentication=AuthenticationSpec.model_construct(
                mode="psk",
                key=KeyRef.model_construct(age=_filled(key.age, names), file=_filled(key.file, names)),
            ),
            ike=spec.ike,
            ipsec=spec.ipsec,
            enabled=spec.enabled,
            deletion_protection=spec.deletion_protection,
            reconcile=spec.reconcile,
        ),
        topology.document,
        places,
    )


def _filled(pattern: str | None, names: Mapping[str, str]) -> str | None:
    """A pattern with the names of the routers. A name has no braces, so that one is not filled twice."""
    for sign, name in names.items():
        pattern = pattern and pattern.replace(sign, name)
    return pattern


def _end(catalog: Catalog, spec: IPsecTopologySpec, router: str) -> ConnectionEndSpec:
    """The end at a router, with all networks that are attached to it."""
    create = spec.vip.create
    placement = (
        None
        if create is None
        else VipPlacement.model_construct(public_network=create.public_network, range=create.range)
    )
    networks = tuple(part.network for part in catalog.routers[router].spec.vpc_networks)
    return ConnectionEndSpec.model_construct(
        router=router,
        vip=TunnelVip.model_construct(system=spec.vip.system, create=placement),
        networks=networks or None,
    )
