"""Connections -> the two tunnel ends that each describes, as if either had a document of its own. Pure.

Only the peer's address and networks are missing in them: they are those of the other end, which are known
once VIPs and routers are resolved (`peers.py`). Every finding at such an end is reported where the connection
says it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from reconciler.load import Loaded, Path, dotted
from reconciler.model.bounds import MOST_EXPANDED
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import Origin
from reconciler.model.listing import counted
from reconciler.validate.catalog import (
    LONGEST_NAME,
    Catalog,
    Item,
    build_catalog,
    by_name,
    check_annotations,
)
from reconciler.validate.networks import and_more
from reconciler.validate.topologies import TopologyPair, expand_topologies, former_routers
from schemas.connection import ConnectionEndSpec, ConnectionMetadata, IPsecConnectionSpec
from schemas.policy import DpdSpec, IkePolicySpec, IpsecPolicySpec
from schemas.router import VpcRouterSpec
from schemas.tunnel import RECONNECT, IdentitySpec, SourceSpec, TunnelEndSpec, TunnelMetadata


@dataclass(frozen=True, slots=True)
class ConnectionEnd:
    """Which end of which connection a tunnel end is, and where that says what the end would say itself."""

    connection: Item[IPsecConnectionSpec]
    end: int
    other: str
    """Name of the other end."""

    @property
    def reconnect(self) -> str:
        """The reconnect that is requested of the connection, by one of its ends; empty for none."""
        return self.connection.metadata.annotations.get(RECONNECT, "")

    @property
    def origin(self) -> Origin:
        """The document."""
        pair = self.connection.places
        topology = pair.topology.name if isinstance(pair, TopologyPair) else ""
        return Origin(self.connection.kind, self.connection.name, self.end, topology)

    def place(self, path: Path) -> Path:
        """A path of an IPsecTunnel -> the path in the connection's document."""
        match path:
            case ("metadata", "previousNames", int(index)):
                # First those of the end, then those that follow from the connection's, then the router's.
                own = len(self.connection.spec.ends[self.end].previous_names)
                former = index - own
                if index < own:
                    place: Path = ("spec", "ends", self.end, "previousNames", index)
                elif former < len(_former(self.connection)):
                    place = ("metadata", "previousNames", former)
                else:
                    place = ("spec", "ends", self.end, "router")
                return self.connection.written(place)
            case ("spec", "enabled") if not self.connection.spec.enabled:
                return self.connection.written(path)
            case ("spec", "ike" | "ipsec", *rest) if self.connection.places is None:
                own_policy: Path = ("spec", "ends", self.end, path[1], *rest)
                if rest and self.connection.document.holds(own_policy):
                    return own_policy
        return self.connection.written(place_in_connection(path, self.end))


def place_in_connection(path: Path, end: int) -> Path:
    """Where the document of a connection says what `path` says in that of one of its ends."""
    own: Path = ("spec", "ends", end)
    far: Path = ("spec", "ends", 1 - end)
    places: tuple[tuple[Path, Path], ...] = (
        (("metadata", "name"), (*own, "name")),
        (("spec", "router"), (*own, "router")),
        (("spec", "vip"), (*own, "vip")),
        (("spec", "source", "networks"), (*own, "networks")),
        (("spec", "source", "transit"), (*own, "transit")),
        (("spec", "source"), (*own, "networks")),
        (("spec", "identity", "local"), (*own, "id")),
        (("spec", "enabled"), (*own, "enabled")),
        (("spec", "peer", "address"), (*far, "vip")),
        (("spec", "peer", "cidrs"), (*far, "networks")),
        (("spec", "peer"), far),
        (("spec", "identity", "peer"), (*far, "id")),
    )
    for written, place in places:
        if path[: len(written)] == written:
            return (*place, *path[len(written) :])
    return path


def expanded_catalog(loaded: Loaded, found: Diagnostics) -> Catalog:
    """The catalog of the documents, with the ends of connections among its tunnel ends."""
    catalog = build_catalog(loaded, found)
    expand_topologies(catalog, found)
    ends = 0
    too_long: dict[tuple[str, int], list[Item[TunnelEndSpec]]] = {}
    for connection in by_name(catalog.connections):
        ends += 2
        if _is_sound(connection, ends, found):
            items = tuple(ends_of(connection, catalog.routers))
            long = [item for item in items if len(item.name) > LONGEST_NAME]
            if long:
                place = connection.document.file, connection.document.index
                too_long.setdefault(place, []).append(max(long, key=lambda item: len(item.name)))
            taken = [
                item
                for index, item in enumerate(items)
                if item not in long and not _is_only_one(catalog, item, items[:index], found)
            ]
            if not long and not taken:
                catalog.tunnels.update((item.name, item) for item in items)
                continue
        # An end without the other one would only lead to further findings.
        catalog.broken[connection.kind, connection.name] = connection.document
    for names in too_long.values():
        _report_too_long(names, found)
    return catalog


def _report_too_long(items: list[Item[TunnelEndSpec]], found: Diagnostics) -> None:
    """Names that follow from one document: one cause, reported at the longest of them."""
    item = max(items, key=lambda one: (len(one.name), one.name))
    found.error(
        "invalid-name",
        item.location,
        f"the name {item.name!r}, which follows from those of connection and router, is too long"
        f"{and_more(len(items) - 1, 'connection')}",
        path=dotted(item.written(("metadata", "name"))),
        allowed=f"at most {LONGEST_NAME} characters",
        hint=_rename(item),
    )


def _is_sound(connection: Item[IPsecConnectionSpec], ends: int, found: Diagnostics) -> bool:
    """Whether a connection, with which there are so many `ends`, can be expanded; else that is reported."""
    first, second = connection.spec.ends
    for index, end in enumerate((first, second)):
        path = connection.written(("spec", "ends", index, "annotations"))
        check_annotations("IPsecTunnel", end.annotations, connection.document, path, found)
    if first.router == second.router:
        message = f"{second.router!r} is the router of the other end already"
        hint = "a tunnel joins two routers: name the router of this end"
        connection.error(found, "duplicate-value", message, "ends", 1, "router", hint=hint)
        return False
    if ends > MOST_EXPANDED:
        message = (
            f"with this connection, and those whose names sort before it, there are {counted(ends, 'end')}"
        )
        allowed = f"at most {MOST_EXPANDED:,} tunnel ends of connections"
        connection.error(found, "too-many-ends", message, "ends", allowed=allowed)
        return False
    return True


def end_name(connection: str, end: ConnectionEndSpec) -> str:
    """The name of a tunnel end: its own; else that of the connection and of the router, with `-` between."""
    return end.name or f"{connection}-{end.router}"


def ends_of(
    connection: Item[IPsecConnectionSpec], routers: Mapping[str, Item[VpcRouterSpec]]
) -> Iterator[Item[TunnelEndSpec]]:
    """The two tunnel ends of a connection between two routers, in its order."""
    spec = connection.spec
    names = [end_name(connection.name, end) for end in spec.ends]
    for index, end in enumerate(spec.ends):
        far = spec.ends[1 - index]
        yield Item(
            "IPsecTunnel",
            _metadata(connection, end, names[index], routers.get(end.router)),
            TunnelEndSpec.model_construct(
                description=spec.description if end.description is None else end.description,
                router=end.router,
                vip=end.vip,
                source=None
                if end.networks is None and end.transit is None
                else SourceSpec.model_construct(networks=end.networks, transit=end.transit),
                authentication=spec.authentication,
                # As a name, an address is an address; what is not said is the VIP's.
                identity=IdentitySpec.model_construct(
                    type="name" if end.id or far.id else "ip", local=end.id, peer=far.id
                ),
                ike=_ike(spec.ike, end),
                ipsec=_ipsec(spec.ipsec, end),
                routing=spec.routing,
                enabled=spec.enabled and end.enabled,
                deletion_protection=spec.deletion_protection,
                redundancy_group=spec.redundancy_group,
                reconcile=spec.reconcile,
            ),
            connection.document,
            ConnectionEnd(connection, index, names[1 - index]),
        )


def _metadata(
    connection: Item[IPsecConnectionSpec],
    end: ConnectionEndSpec,
    name: str,
    router: Item[VpcRouterSpec] | None,
) -> TunnelMetadata:
    derived = () if end.name else tuple(_derived(connection, end, name, router))
    return TunnelMetadata.model_construct(
        name=name,
        labels=connection.metadata.labels,
        annotations=end.annotations,
        previous_names=(*end.previous_names, *derived),
    )


def _derived(
    connection: Item[IPsecConnectionSpec],
    end: ConnectionEndSpec,
    name: str,
    router: Item[VpcRouterSpec] | None,
) -> Iterator[str]:
    """The names that follow from previous ones: of the connection, then those with one of the router."""
    former = _former(connection)
    yield from (end_name(previous, end) for previous in former)
    if isinstance(connection.places, TopologyPair):
        # They follow from the routers of both ends, and the topology knows which.
        return
    for previous, was in product((connection.name, *former), former_routers(router)):
        if (derived := f"{previous}-{was}") not in {name, *end.previous_names}:
            yield derived


def _former(connection: Item[IPsecConnectionSpec]) -> tuple[str, ...]:
    metadata = connection.metadata
    return metadata.previous_names if isinstance(metadata, ConnectionMetadata) else ()


def _ike(common: IkePolicySpec, end: ConnectionEndSpec) -> IkePolicySpec:
    own = end.ike
    if own.lifetime is None and own.dpd is None:
        return common
    dpd = common.dpd
    if own.dpd is not None:
        dpd = (dpd or DpdSpec()).model_copy(update=own.dpd.model_dump(exclude_none=True))
    lifetime = common.lifetime if own.lifetime is None else own.lifetime
    return common.model_copy(update={"lifetime": lifetime, "dpd": dpd})


def _ipsec(common: IpsecPolicySpec, end: ConnectionEndSpec) -> IpsecPolicySpec:
    lifetime = end.ipsec.lifetime
    return common if lifetime is None else common.model_copy(update={"lifetime": lifetime})


def _is_only_one(
    catalog: Catalog, item: Item[TunnelEndSpec], before: tuple[Item[TunnelEndSpec], ...], found: Diagnostics
) -> bool:
    """Whether no other end has the name of a tunnel end; else that is reported."""
    other = next((end for end in before if end.name == item.name), catalog.tunnels.get(item.name))
    if other is not None:
        found.error(
            "duplicate-name",
            item.location,
            f"another tunnel end is named {item.name!r}, at {other.location}",
            path=dotted(item.written(("metadata", "name"))),
            hint=f"delete that one, if this one replaces it; else {_rename(item)}",
            related=(other.location,),
        )
    return other is None


def _rename(item: Item[TunnelEndSpec]) -> str:
    """How to give a tunnel end another name."""
    if isinstance(item.places, ConnectionEnd) and item.places.origin.topology:
        return f"write an IPsecConnection {item.places.connection.name!r} that names its ends"
    return "give this end another `name`"
