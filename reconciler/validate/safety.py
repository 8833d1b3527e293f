"""The safety policies that the documents declare, else the tool's own."""

from __future__ import annotations

from reconciler.model.diagnostic import Diagnostics
from reconciler.model.labels import LabelSelector
from reconciler.model.safety import SafetyPolicy, Window
from reconciler.validate.catalog import Catalog, Item, by_name, of_everything
from reconciler.validate.labels import selector_of
from schemas.safety import SafetyPolicySpec


def fleet_safety(catalog: Catalog) -> SafetyPolicy:
    """What the document without a selector says; a second one is reported elsewhere."""
    item = of_everything(catalog.safety)
    return SafetyPolicy() if item is None else _policy(item, "", LabelSelector())


def part_safety(catalog: Catalog, found: Diagnostics) -> tuple[SafetyPolicy, ...]:
    """What the documents with a selector say, by name."""
    policies: list[SafetyPolicy] = []
    for item in by_name(catalog.safety):
        if item.spec.selector is None:
            continue
        if item.sets("deletions"):
            item.error(
                found,
                "refused",
                "the limit of deletions concerns each router and the whole fleet, so its document cannot "
                "have a selector",
                "deletions",
                hint="move it to the SafetyPolicy without a selector; `deletionProtection` of a tunnel "
                "protects a part",
            )
        policies.append(_policy(item, item.name, selector_of(item.spec.selector)))
    return tuple(policies)


def _policy(item: Item[SafetyPolicySpec], name: str, selector: LabelSelector) -> SafetyPolicy:
    spec = item.spec
    return SafetyPolicy(
        max_deleted_share=spec.deletions.max_share,
        deletions_minimum=spec.deletions.minimum,
        max_interrupted=spec.budget.max_interrupted,
        windows=tuple(Window(w.kind, w.schedule, w.duration, w.timezone) for w in spec.windows),
        name=name,
        selector=selector,
    )
