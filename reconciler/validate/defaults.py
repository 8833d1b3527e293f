"""Which of the fleet's defaults concern a router or a tunnel, and where two of them disagree. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from reconciler.load import Path, dotted
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.labels import LabelSelector
from reconciler.validate.catalog import Catalog, Item, by_name, of_everything
from reconciler.validate.labels import selector_of
from reconciler.validate.networks import and_more
from schemas.policy import FabricDefaultsSpec
from schemas.router import VpcRouterSpec
from schemas.tunnel import TunnelEndSpec

DefaultsItem: TypeAlias = Item[FabricDefaultsSpec]
_Labels: TypeAlias = Mapping[str, str]
_Spec: TypeAlias = FabricDefaultsSpec | TunnelEndSpec | VpcRouterSpec
_OF_FLEET: Final = frozenset({"selector", "fingerprintKey"})
"""What no tunnel and no router takes from a document of defaults."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two documents that set a field of the same tunnel or router to different values."""

    path: Path
    one: str
    other: str


@dataclass(frozen=True, slots=True, eq=False)
class Effective:
    """The defaults that concern one tunnel or router together. There is one for each choice of documents."""

    spec: FabricDefaultsSpec
    sources: Mapping[Path, DefaultsItem]
    """Field that they set -> the document that sets it."""
    conflicts: tuple[Conflict, ...] = ()


class Defaults:
    """The documents of defaults. One without a selector concerns the whole fleet; where one with a selector
    sets a field too, that one counts."""

    def __init__(self, catalog: Catalog) -> None:
        """Those of a catalog."""
        self.fleet = of_everything(catalog.defaults)
        self._catalog = catalog
        self._selecting = [
            (selector_of(item.spec.selector), item)
            for item in by_name(catalog.defaults)
            if item.spec.selector is not None
        ]
        self._known: dict[tuple[str, ...], Effective] = {}
        self._conflicts: dict[Conflict, list[Item[Any]]] = {}

    def concerning(self, *labels: _Labels) -> Effective:
        """The defaults for what has these labels. A tunnel has those of both ends: a document that selects
        one of them concerns both, because both ends need the same policy."""
        selected = [item for selector, item in self._selecting if _matches(selector, labels)]
        names = tuple(item.name for item in selected)
        if names not in self._known:
            self._known[names] = _merged(self.fleet, selected)
        return self._known[names]

    def note(self, item: Item[Any], found: Effective, parts: Collection[str], *above: _Spec) -> None:
        """Keep the conflicts in these parts of the defaults of an item for `report`, apart from fields that
        one of the documents `above` defaults sets."""
        for conflict in found.conflicts:
            if conflict.path[0] in parts and not any(conflict.path in dict(_said(spec)) for spec in above):
                self._conflicts.setdefault(conflict, []).append(item)

    def report(self, found: Diagnostics) -> None:
        """Report each conflict once, and what only the fleet as a whole can have."""
        for conflict, (item, *more) in self._conflicts.items():
            one, other = (self._catalog.defaults[name] for name in (conflict.one, conflict.other))
            field = dotted(conflict.path)
            other.error(
                found,
                "conflicting-defaults",
                f"{field} differs from the value in the FabricDefaults {one.name!r}, and both select the "
                f"{'router' if item.kind == 'VpcRouter' else 'tunnel'} {item.name!r}"
                f"{and_more(len(more), 'document')}",
                *conflict.path,
                hint=f"write `{field}` in the document of the router or tunnel, or let the selectors exclude "
                "each other",
                related=(one.at(*conflict.path), item.location),
            )
        for _, item in self._selecting:
            if item.spec.fingerprint_key is not None:
                item.error(
                    found,
                    "refused",
                    "a fingerprintKey concerns the whole fleet, so its document cannot have a selector",
                    "fingerprintKey",
                    hint="move it to the FabricDefaults without a selector",
                )


def leaves(tree: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Path and value of every leaf of nested mappings."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _said(spec: _Spec) -> Iterator[tuple[Path, Any]]:
    """What a document sets of what defaults may set."""
    parts = set(FabricDefaultsSpec.model_fields) & set(type(spec).model_fields)
    return leaves(spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=parts))


def _matches(selector: LabelSelector, labels: tuple[_Labels, ...]) -> bool:
    return any(map(selector.matches, labels))


def _merged(fleet: DefaultsItem | None, selected: list[DefaultsItem]) -> Effective:
    values: dict[Path, Any] = {}
    sources: dict[Path, DefaultsItem] = {}
    conflicts: list[Conflict] = []
    for item in (*([] if fleet is None else [fleet]), *selected):
        for path, value in _said(item.spec):
            if path[0] in _OF_FLEET:
                continue
            before = sources.get(path)
            if before is not None and before is not fleet:
                if values[path] != value:
                    conflicts.append(Conflict(path, before.name, item.name))
                continue
            values[path], sources[path] = value, item
    tree: dict[str, Any] = {}
    for (*above, last), value in values.items():
        inner = tree
        for part in above:
            inner = inner.setdefault(str(part), {})
        inner[str(last)] = value
    return Effective(FabricDefaultsSpec.model_validate(tree), sources, tuple(conflicts))
