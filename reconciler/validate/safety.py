"""The safety policy that the documents declare, else the tool's own."""

from __future__ import annotations

from reconciler.model.safety import SafetyPolicy, Window
from reconciler.validate.catalog import Catalog, first


def safety_policy(catalog: Catalog) -> SafetyPolicy:
    """What the first document says; a second one is reported elsewhere."""
    item = first(catalog.safety)
    if item is None:
        return SafetyPolicy()
    spec = item.spec
    return SafetyPolicy(
        max_deleted_share=spec.deletions.max_share,
        deletions_minimum=spec.deletions.minimum,
        max_interrupted=spec.budget.max_interrupted,
        windows=tuple(Window(w.kind, w.schedule, w.duration, w.timezone) for w in spec.windows),
    )
