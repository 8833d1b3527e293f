"""Routers whose configuration is there for the time being."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.diagnosis.evidence import Evidence
from reconciler.diagnosis.finding import Finding, found
from reconciler.model.diagnostic import Severity


def router_armed(evidence: Evidence) -> Iterator[Finding]:
    """What is seen there changes by itself, unless somebody confirms it."""
    for end in evidence.ends:
        armed = None if end.state is None else end.state.way_back.armed
        if armed is not None:
            by = f"{armed.arming.what} by {armed.arming.owner}"
            message = f"{end.tunnel.router} is armed: {by} is not confirmed; it goes back in {armed.left} s"
            item = found("router-armed", end.tunnel, "router", message, hint="wait, then diagnose again")
            yield replace(item, severity=Severity.WARNING)
