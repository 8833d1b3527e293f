"""Levels of reconcile runs: the value of a document, otherwise that of the enclosing one."""

from __future__ import annotations

from reconciler.model.fabric import Level, Mode
from schemas.reconcile import ReconcileSpec, TunnelReconcileSpec


def resolve_level(spec: TunnelReconcileSpec, enclosing: Level) -> Level:
    """What is not said is inherited."""
    prune = spec.prune if isinstance(spec, ReconcileSpec) else None
    return Level(
        enclosing.mode if spec.mode is None else Mode(spec.mode),
        enclosing.self_heal if spec.self_heal is None else spec.self_heal,
        enclosing.prune if prune is None else prune,
    )
