"""Levels of reconcile runs: the value of a document, otherwise that of the enclosing one."""

from __future__ import annotations

from reconciler.model.fabric import Level, Mode
from reconciler.validate.catalog import Catalog, first
from schemas.reconcile import ReconcileSpec, TunnelReconcileSpec


def fleet_level(catalog: Catalog) -> Level:
    """What the fleet's defaults say, else the tool's own."""
    defaults = first(catalog.defaults)
    return Level() if defaults is None else resolve_level(defaults.spec.reconcile, Level())


def resolve_level(spec: TunnelReconcileSpec, enclosing: Level) -> Level:
    """What is not said is inherited."""
    prune = spec.prune if isinstance(spec, ReconcileSpec) else None
    return Level(
        enclosing.mode if spec.mode is None else Mode(spec.mode),
        enclosing.self_heal if spec.self_heal is None else spec.self_heal,
        enclosing.prune if prune is None else prune,
    )
