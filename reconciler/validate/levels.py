"""How far runs may go: the levels of reconcile runs, and the limits to what any run may do."""

from __future__ import annotations

from reconciler.model.fabric import Level, Mode, Safety, Window
from reconciler.validate.catalog import Catalog
from schemas.reconcile import ReconcileSpec, TunnelReconcileSpec


def fleet_level(catalog: Catalog) -> Level:
    """What the fleet's defaults say, else the tool's own."""
    defaults = min(catalog.defaults.values(), key=lambda item: item.location, default=None)
    return Level() if defaults is None else resolve_level(defaults.spec.reconcile, Level())


def safety(catalog: Catalog) -> Safety:
    """What the fleet's defaults say, else the tool's own limits."""
    defaults = min(catalog.defaults.values(), key=lambda item: item.location, default=None)
    if defaults is None:
        return Safety()
    spec = defaults.spec.safety
    windows = tuple(
        Window(item.allow is not None, item.allow or item.deny or "", item.minutes, item.timezone)
        for item in spec.windows
    )
    return Safety(spec.deletions.share, spec.deletions.minimum, spec.interruptions, windows)


def resolve_level(spec: TunnelReconcileSpec, enclosing: Level) -> Level:
    """What is not said is inherited."""
    prune = spec.prune if isinstance(spec, ReconcileSpec) else None
    return Level(
        enclosing.mode if spec.mode is None else Mode(spec.mode),
        enclosing.self_heal if spec.self_heal is None else spec.self_heal,
        enclosing.prune if prune is None else prune,
    )
