"""The labels of tunnel ends, and the label selectors of documents. Pure."""

from __future__ import annotations

from reconciler.model.labels import LabelSelector, Operator, Requirement
from reconciler.validate.catalog import Catalog, Item
from schemas.label_selector import LabelSelectorSpec
from schemas.tunnel import TunnelEndSpec


def labels_of(catalog: Catalog, end: Item[TunnelEndSpec]) -> dict[str, str]:
    """The labels of a tunnel end: those of its document, and those of its router with other keys."""
    router = catalog.routers.get(end.spec.router)
    return {**({} if router is None else router.metadata.labels), **end.metadata.labels}


def selector_of(spec: LabelSelectorSpec) -> LabelSelector:
    """What a document says, as requirements."""
    equal = (Requirement(key, Operator.IN, frozenset({value})) for key, value in spec.match_labels.items())
    others = (
        Requirement(part.key, Operator(part.operator), frozenset(part.values))
        for part in spec.match_expressions
    )
    return LabelSelector((*equal, *others))
