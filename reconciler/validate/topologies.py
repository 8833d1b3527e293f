"""Topologies -> a connection for each of their pairs, as if each had a document of its own. Pure.

A connection that is written takes the place of the one of its name that a topology would have. Every finding
at a pair is reported where the topology says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from pydantic import ValidationError

from reconciler.load import Path, dotted
from reconciler.model.bounds import MOST_DERIVED_NAMES, MOST_EXPANDED
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.listing import counted
from reconciler.validate.catalog import LONGEST_NAME, Catalog, Item, by_name
from reconciler.validate.networks import and_more
from reconciler.validate.shapes import hubs_of, pairs_of
from reconciler.validate.transit import add_transit
from schemas.connection import ConnectionEndSpec, ConnectionMetadata, IPsecConnectionSpec
from schemas.keys import KeyRef
from schemas.router import RouterMetadata, VpcRouterSpec
from schemas.topology import IPsecTopologySpec, TopologyMetadata
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
            case ("spec", "ends", int(_), "transit", *_):
                return ("spec", "star", "transit")
            case ("spec", "ends", int(end), "previousNames", *_):
                former = ("metadata", "previousNames")
                return former if self.topology.document.holds(former) else ("spec", *self.members[end])
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


def expand_topologies(catalog: Catalog, found: Diagnostics) -> None:
    """Add the connections of all topologies to the catalog, but for those that are written."""
    ends = names = 0
    keys = _KeyFiles(found)
    for topology in by_name(catalog.topologies):
        pairs = pairs_of(catalog, topology, found)
        if pairs is None:
            continue
        ends += 2 * len(pairs)
        if ends > MOST_EXPANDED:
            message = (
                f"with this topology, and those whose names sort before it, there are {counted(ends, 'end')}"
            )
            topology.error(found, "too-many-ends", message, allowed=f"at most {MOST_EXPANDED:,}")
            return
        joined: list[str] = []
        for (a, at_a), (b, at_b) in pairs:
            name = f"{topology.name}-{a}-{b}"
            if ("IPsecConnection", name) in catalog.broken:
                continue
            written = catalog.connections.get(name)
            if written is None:
                places = TopologyPair(topology, (at_a, at_b))
                made = _connection(catalog, topology, name, (a, b), places)
                names += sum(len(end.previous_names) for end in made.spec.ends)
                if names > MOST_DERIVED_NAMES:
                    _report_names(topology, found)
                    return
                if not keys.take((a, b), made.spec.authentication.key):
                    catalog.broken[made.kind, name] = topology.document
                    continue
                catalog.connections[name] = made
            elif {end.router for end in written.spec.ends} != {a, b}:
                _report_other_routers(topology, (a, b), at_b, written, found)
                continue
            joined.append(name)
        keys.report(topology)
        if topology.spec.star is not None and topology.spec.star.transit:
            add_transit(catalog, topology, hubs_of(topology, pairs, catalog), joined, found)


def _report_names(topology: Item[IPsecTopologySpec], found: Diagnostics) -> None:
    where = ("metadata", "previousNames")
    found.error(
        "too-many-names",
        topology.locate(where),
        "the previous names of this topology, of those that sort before it and of their routers result in "
        f"more than {MOST_DERIVED_NAMES:,} previous names of tunnel ends",
        path=dotted(where),
        allowed=f"at most {MOST_DERIVED_NAMES:,}",
        hint="remove previous names that no router has any more: those of changes that are applied",
    )


def former_routers(router: Item[VpcRouterSpec] | None) -> tuple[str, ...]:
    """The names that a router had before."""
    metadata = None if router is None else router.metadata
    return metadata.previous_names if isinstance(metadata, RouterMetadata) else ()


class _KeyFiles:
    """The key files that the patterns of topologies come to."""

    def __init__(self, found: Diagnostics) -> None:
        self._found = found
        self._pairs: dict[str, tuple[str, str]] = {}
        """Key file -> the first pair that has it."""
        self._wrong: list[tuple[str, str]] = []
        """The pairs of one topology whose key file cannot be called so."""
        self._shared: list[tuple[tuple[str, str], tuple[str, str]]] = []
        """Pairs of one topology, each with another pair that has the same file."""

    def take(self, pair: tuple[str, str], key: KeyRef) -> bool:
        """Take in the key of a pair. False where its file cannot be called so."""
        try:
            KeyRef.model_validate(key.model_dump(exclude_none=True))
        except ValidationError:
            self._wrong.append(pair)
            return False
        other = self._pairs.setdefault(f"{key.source}:{key.age or key.file}", pair)
        if other != pair:
            self._shared.append((pair, other))
        return True

    def report(self, topology: Item[IPsecTopologySpec]) -> None:
        """Report what is wrong with the keys of a topology: at its pattern, each cause once. The pattern is
        not quoted, because a key may have been pasted into it."""
        source = topology.spec.authentication.key
        where = ("authentication", "key", "file" if source.file is not None else "age")
        if self._wrong:
            (a, b), *more = self._wrong
            topology.error(
                self._found,
                "invalid-name",
                f"the key file of {a!r} and {b!r}{and_more(len(more), 'pair')} gets a name that is too long",
                *where,
                allowed="at most 128 characters (`file`); with `age`, 255 in each part of the path",
                hint="shorten the pattern, or write an IPsecConnection for the pair with a key of its own",
            )
        if self._shared:
            ((c, d), (a, b)), *others = self._shared
            topology.error(
                self._found,
                "duplicate-name",
                f"the key files of {a!r} and {b!r} and of {c!r} and {d!r} get one name"
                f"{', as do those of others' if others else ''}",
                *where,
                hint="put something between `{a}` and `{b}` that no router's name has, such as `.`",
            )
        self._wrong, self._shared = [], []


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


def _connection(
    catalog: Catalog,
    topology: Item[IPsecTopologySpec],
    name: str,
    routers: tuple[str, str],
    places: TopologyPair,
) -> Item[IPsecConnectionSpec]:
    spec = topology.spec
    key = spec.authentication.key
    former = _former(catalog, topology, routers)
    names = {"{a}": routers[0], "{b}": routers[1]}
    return Item(
        "IPsecConnection",
        ConnectionMetadata.model_construct(name=name, labels=topology.metadata.labels, annotations={}),
        IPsecConnectionSpec.model_construct(
            description=spec.description,
            ends=tuple(_end(catalog, spec, router, former.get(router, ())) for router in routers),
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


def _former(
    catalog: Catalog, topology: Item[IPsecTopologySpec], routers: tuple[str, str]
) -> dict[str, tuple[str, ...]]:
    """Router of a pair -> the names that its end had before: those that follow from each previous name of the
    topology and of either router."""
    metadata = topology.metadata
    of_topology = metadata.previous_names if isinstance(metadata, TopologyMetadata) else ()
    a, b = ((name, *former_routers(catalog.routers.get(name))) for name in routers)
    if not of_topology and len(a) == len(b) == 1:
        return {}
    found: dict[str, dict[str, None]] = {name: {} for name in routers}
    for was, one, other in product((topology.name, *of_topology), a, b):
        pair = "-".join((was, *sorted((one, other))))
        found[routers[0]][f"{pair}-{one}"] = found[routers[1]][f"{pair}-{other}"] = None
    now = f"{topology.name}-{routers[0]}-{routers[1]}"
    # No end could ever have a longer name, however many follow from long ones.
    return {
        router: tuple(name for name in names if name != f"{now}-{router}" and len(name) <= LONGEST_NAME)
        for router, names in found.items()
    }


def _filled(pattern: str | None, names: Mapping[str, str]) -> str | None:
    """A pattern with the names of the routers. A name has no braces, so that one is not filled twice."""
    for sign, name in names.items():
        pattern = pattern and pattern.replace(sign, name)
    return pattern


def _end(
    catalog: Catalog, spec: IPsecTopologySpec, router: str, former: tuple[str, ...]
) -> ConnectionEndSpec:
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
        previous_names=former,
    )
