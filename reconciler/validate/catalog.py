"""Documents -> typed items by kind and name: items that can be referred to, and broken ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, Unpack

from pydantic import ValidationError

from reconciler.load import Document, Loaded, Path, dotted
from reconciler.model.bounds import MOST_SUGGESTIONS, MOST_VALUES_OF_DOCUMENT
from reconciler.model.diagnostic import Besides, Diagnostics, Location
from reconciler.model.listing import counted
from reconciler.model.quoting import is_plain, quoted
from reconciler.model.suggestion import did_you_mean, known, nearest
from reconciler.validate.schema_errors import report_schema_errors, unknown
from schemas.base import API_VERSION, Metadata
from schemas.connection import IPsecConnectionSpec
from schemas.kinds import ANNOTATIONS, KINDS, OWN_ANNOTATIONS
from schemas.network import PublicNetworkSpec, VpcNetworkSpec
from schemas.policy import FabricDefaultsSpec
from schemas.router import VpcRouterSpec
from schemas.safety import SafetyPolicySpec
from schemas.topology import IPsecTopologySpec
from schemas.tunnel import TunnelEndSpec
from schemas.vip import VipSpec

Spec = TypeVar("Spec")

LONGEST_NAME = 63
"""Characters of a name (RFC 1123)."""


class Places(Protocol):
    """Where the document of what was expanded says what a document of its own would say."""

    def place(self, path: Path) -> Path:
        """The path in the document as it is written."""
        ...


@dataclass(frozen=True, slots=True)
class Item(Generic[Spec]):
    """One well-formed document, or what one was expanded to. Paths are those of its kind; `places` turns
    them into those of the document that the author wrote."""

    kind: str
    metadata: Metadata
    spec: Spec
    document: Document
    places: Places | None = None

    @property
    def name(self) -> str:
        """Its name, unique in its kind."""
        return self.metadata.name

    @property
    def location(self) -> Location:
        """Where its name stands."""
        return self.locate(("metadata", "name"))

    def written(self, path: Path) -> Path:
        """A path in the document as it is written."""
        return path if self.places is None else self.places.place(path)

    def locate(self, path: Path) -> Location:
        """Where a field of the whole document stands; of a missing one, the mapping that would hold it."""
        return self.document.locate(self.written(path))

    def at(self, *path: str | int) -> Location:
        """Where a field of its spec stands; of a missing one, the mapping that would hold it."""
        return self.locate(("spec", *path))

    def sets(self, *path: str | int) -> bool:
        """True when the document itself gives a field of its spec."""
        return self.document.holds(self.written(("spec", *path)))

    def error(
        self, found: Diagnostics, code: str, message: str, *where: str | int, **besides: Unpack[Besides]
    ) -> None:
        """Report an error at a field of its spec."""
        if found.full:
            found.count_error()
            return
        besides["path"] = dotted(self.written(("spec", *where)))
        found.error(code, self.at(*where), message, **besides)

    def warning(
        self, found: Diagnostics, code: str, message: str, *where: str | int, **besides: Unpack[Besides]
    ) -> None:
        """Report a warning at a field of its spec."""
        besides["path"] = dotted(self.written(("spec", *where)))
        found.warning(code, self.at(*where), message, **besides)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The well-formed documents by name, and what is known of the others."""

    loaded: Loaded
    public_networks: dict[str, Item[PublicNetworkSpec]] = field(default_factory=dict)
    vpc_networks: dict[str, Item[VpcNetworkSpec]] = field(default_factory=dict)
    routers: dict[str, Item[VpcRouterSpec]] = field(default_factory=dict)
    vips: dict[str, Item[VipSpec]] = field(default_factory=dict)
    tunnels: dict[str, Item[TunnelEndSpec]] = field(default_factory=dict)
    """Tunnel ends: those that have documents of their own, and those of connections."""
    connections: dict[str, Item[IPsecConnectionSpec]] = field(default_factory=dict)
    """Those that have documents of their own, and those of topologies."""
    topologies: dict[str, Item[IPsecTopologySpec]] = field(default_factory=dict)
    defaults: dict[str, Item[FabricDefaultsSpec]] = field(default_factory=dict)
    safety: dict[str, Item[SafetyPolicySpec]] = field(default_factory=dict)
    broken: dict[tuple[str, str], Document] = field(default_factory=dict)
    """(kind, name) of documents that have errors: references to them are not dangling."""
    dangling: dict[tuple[str, str], list[tuple[Location, str]]] = field(default_factory=dict)
    """(kind, name) of documents that are not there -> where they are referred to: the place and the field."""

    def find(
        self,
        table: Mapping[str, Item[Spec]],
        kind: str,
        name: str,
        user: Item[Any],
        *path: str | int,
    ) -> Item[Spec] | None:
        """The document that a field of `user` refers to.

        None when there is none, which `report_dangling` reports unless a broken document or file may define
        it.
        """
        item = table.get(name)
        there = item is not None or not self.broken.keys().isdisjoint({(kind, name), ("", name)})
        if not there and not self.loaded.may_define(name):
            where = user.at(*path), dotted(user.written(("spec", *path)))
            self.dangling.setdefault((kind, name), []).append(where)
        return item

    @property
    def missing(self) -> int:
        """How many fields refer to documents that are not there."""
        return sum(map(len, self.dangling.values()))

    def report_dangling(self, found: Diagnostics) -> None:
        """Report each document that is not there once, at the first place that refers to it."""
        tables: Mapping[str, Mapping[str, object]] = {
            "PublicNetwork": self.public_networks,
            "VpcNetwork": self.vpc_networks,
            "VpcRouter": self.routers,
            "Vip": self.vips,
        }
        before = 0
        for (kind, name), places in self.dangling.items():
            # Hints of thousands of findings are not read, and each takes a look at every name.
            hinted = before < MOST_SUGGESTIONS and not found.many
            before += len(places)
            (location, path), *others = sorted(set(places))
            table = tables[kind]
            refer = "refers" if len(others) == 1 else "refer"
            more = f"; {counted(len(others), 'more field')} {refer} to it" if others else ""
            found.error(
                "dangling-reference",
                location,
                f"there is no {kind} named {name!r}{more}",
                path=path,
                allowed=known(table) if hinted else "",
                hint="" if not hinted else did_you_mean(name, table) if table else f"no {kind} is described",
                related=tuple(place for place, _ in others),
            )


def build_catalog(loaded: Loaded, found: Diagnostics) -> Catalog:
    """Check each document against the schema of its kind, and names against one another."""
    catalog = Catalog(loaded)
    tables: Mapping[str, dict[str, Item[Any]]] = {
        "PublicNetwork": catalog.public_networks,
        "VpcNetwork": catalog.vpc_networks,
        "VpcRouter": catalog.routers,
        "Vip": catalog.vips,
        "IPsecTunnel": catalog.tunnels,
        "IPsecConnection": catalog.connections,
        "IPsecTopology": catalog.topologies,
        "FabricDefaults": catalog.defaults,
        "SafetyPolicy": catalog.safety,
    }
    seen: dict[tuple[str, str], Location] = {}
    for document in loaded.documents:
        place = f"{document.file}#{document.index}"
        if document.values > MOST_VALUES_OF_DOCUMENT:
            found.error(
                "document-too-large",
                document.locate(),
                f"{counted(document.values, 'key')} and values; at most {MOST_VALUES_OF_DOCUMENT:,} are read",
            )
            catalog.broken[document.kind or "", document.name or place] = document
            continue
        kind, name = _kind(document, found), document.name
        if kind is None:
            # Whatever it was meant to be, it is there: what refers to it is not to blame.
            catalog.broken["", name or place] = document
            continue
        if name is not None and not _is_first(kind, name, document, seen, found):
            # What it should be called is not known, so that it may be what another one misses.
            catalog.broken[kind, place] = document
            continue
        try:
            parsed: Any = KINDS[kind].model_validate(document.data)
        except ValidationError as error:
            report_schema_errors(error, KINDS[kind], document, found)
            catalog.broken[kind, name or place] = document
            continue
        check_annotations(kind, parsed.metadata.annotations, document, ("metadata", "annotations"), found)
        tables[kind][parsed.metadata.name] = Item(kind, parsed.metadata, parsed.spec, document)
    for table in (catalog.defaults, catalog.safety):
        _check_single(table, found)
    return catalog


def _check_single(table: Mapping[str, Item[Any]], found: Diagnostics) -> None:
    """At most one document of its kind concerns everything."""
    items = _of_everything(table)
    for extra in items[1:]:
        found.error(
            "second-defaults",
            extra.location,
            f"only one document of kind {extra.kind} without a selector is allowed",
            hint="delete one of the two, or give one a `selector`",
            related=(items[0].location,),
        )


def _of_everything(table: Mapping[str, Item[Spec]]) -> list[Item[Spec]]:
    """The documents of a kind that have no label selector, in order of place."""
    items = (item for item in table.values() if getattr(item.spec, "selector", None) is None)
    return sorted(items, key=lambda item: item.location)


def check_annotations(
    kind: str, annotations: Mapping[str, str], document: Document, path: Path, found: Diagnostics
) -> None:
    """Those of ours are known in a document of this kind, each with a value that fits. `path` leads to
    them."""
    known = ANNOTATIONS.get(kind, {})
    for key, value in annotations.items():
        where = (*path, key)
        if key in known:
            pattern, words = known[key]
            if not re.fullmatch(pattern, value):
                found.error(
                    "invalid-annotation",
                    document.locate(where),
                    f"{quoted(value)} is not a valid value for {key!r}",
                    path=dotted(where),
                    allowed=words,
                )
        elif key.startswith(OWN_ANNOTATIONS):
            found.error(
                "unknown-annotation",
                document.locate_key(where),
                unknown("annotation", key),
                path=dotted(where),
                allowed=", ".join(known) or f"none for a {kind}",
                hint="" if found.many else did_you_mean(key, known),
            )


def _kind(document: Document, found: Diagnostics) -> str | None:
    """The document's kind; None when it is not one of ours, which is reported."""
    data = document.data
    if not isinstance(data, dict):
        found.error(
            "not-a-document",
            document.locate(),
            "a document must be a mapping with apiVersion, kind, metadata and spec",
        )
        return None
    for field_name, allowed in (("apiVersion", [API_VERSION]), ("kind", list(KINDS))):
        value = data.get(field_name)
        if field_name not in data:
            _report_missing(field_name, allowed, document, data, found)
            return None
        if value not in allowed:
            found.error(
                "unknown-kind",
                document.locate((field_name,)),
                f"{field_name} {quoted(value)} is unknown",
                path=field_name,
                allowed=", ".join(allowed),
                hint="" if found.many else did_you_mean(str(value), allowed),
            )
            return None
    return str(data["kind"])


def _report_missing(
    field_name: str, allowed: list[str], document: Document, data: Mapping[str, object], found: Diagnostics
) -> None:
    """Report that a field which says what a document is does not stand there, or is misspelt."""
    misspelt = next((key for key in data if nearest(key, [field_name]) and is_plain(key)), None)
    if misspelt is not None:
        found.error(
            "unknown-field",
            document.locate_key((misspelt,)),
            unknown("field", misspelt),
            path=misspelt,
            hint=f"did you mean {field_name!r}?",
        )
        return
    found.error(
        "missing-field",
        document.locate(),
        f"the field {field_name!r} is missing",
        path=field_name,
        allowed=", ".join(allowed),
    )


def _is_first(
    kind: str, name: str, document: Document, seen: dict[tuple[str, str], Location], found: Diagnostics
) -> bool:
    location = document.locate(("metadata", "name"))
    first = seen.setdefault((kind, name), location)
    if first is location:
        return True
    found.error(
        "duplicate-name",
        location,
        f"another {kind} is named {quoted(name)}, at {first}",
        path="metadata.name",
        related=(first,),
    )
    return False


def of_everything(table: Mapping[str, Item[Spec]]) -> Item[Spec] | None:
    """The document of a kind that has no label selector; of several, which are reported, the first."""
    return next(iter(_of_everything(table)), None)


def by_name(table: Mapping[str, Item[Spec]]) -> Iterator[Item[Spec]]:
    """Items in order of name, so that findings and assignments do not depend on the order of files."""
    for name in sorted(table):
        yield table[name]
