"""A step of a router as a whole, which belongs to no tunnel and does nothing to traffic."""

from __future__ import annotations

from reconciler.model.operation import Operation
from reconciler.model.plan import Disruption, Phase, Step
from reconciler.model.router_config import RouterConfig


def router_step(desired: RouterConfig, phase: Phase, summary: str, operation: Operation) -> Step:
    """One operation at the router of a configuration."""
    return Step(desired.router, phase, "", summary, Disruption.NONE, operation)
