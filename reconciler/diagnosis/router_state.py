"""Causes in what routers hold: drift, guards, tunnels that are disabled, routers that do not answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from reconciler.diagnosis.evidence import End, Evidence
from reconciler.diagnosis.finding import APPLY, Finding, found
from reconciler.diagnosis.refused_change import refusal_of
from reconciler.model.diagnostic import Severity
from reconciler.model.plan import ResourceChange, ResourceKind

_CLOCK: Final = 60
"""Seconds between two clocks that are worth a word."""


def router_unreachable(evidence: Evidence) -> Iterator[Finding]:
    """A router cannot be asked."""
    for end in evidence.ends:
        if end.state is None:
            message = f"{end.tunnel.router} could not be examined: {end.unreachable}"
            yield found("router-unreachable", end.tunnel, "router", message)


def router_armed(evidence: Evidence) -> Iterator[Finding]:
    """What is seen there changes by itself, unless it is confirmed; a tunnel may be down for it."""
    for end in evidence.ends:
        armed = None if end.state is None else end.state.way_back.armed
        if armed is not None:
            by = f"{armed.arming.what} by {armed.arming.owner}"
            message = f"{end.tunnel.router} is armed: {by} is not confirmed; it goes back in {armed.left} s"
            item = found("router-armed", end.tunnel, "router", message, hint="wait, then diagnose again")
            up = any(sa.children for sa in end.sas)
            yield replace(item, severity=Severity.WARNING) if up else item


def clock_differs(evidence: Evidence) -> Iterator[Finding]:
    """A clock is what people suspect first, and no tunnel here depends on one: keys are pre-shared, and
    lifetimes are counted from the start of an SA (RFC 7296, 2.8). It makes logs hard to compare alone."""
    for end in evidence.ends:
        ahead = end.clock_ahead
        if abs(ahead) > _CLOCK:
            by = f"{timedelta(seconds=abs(ahead))} {'ahead of' if ahead > 0 else 'behind'}"
            message = f"the clock of {end.tunnel.router} is {by} the controller's; no tunnel depends on it"
            item = found(
                "clock-differs",
                end.tunnel,
                "router",
                message,
                hint="keep it in mind where logs are compared, or synchronize the clocks",
            )
            yield replace(item, severity=Severity.WARNING)


def disabled_in_git(evidence: Evidence) -> Iterator[Finding]:
    """It is down because Git says so: a failure where only one of the ends says it."""
    off = [end for end in evidence.ends if not end.tunnel.enabled]
    for end in off:
        item = found("disabled-in-git", end.tunnel, "enabled", "the tunnel is disabled in Git")
        if len(off) == len(evidence.ends):
            yield replace(item, severity=Severity.WARNING)
        else:
            yield replace(item, message="this end is disabled in Git, the other end is enabled")


def drift(evidence: Evidence) -> Iterator[Finding]:
    """A router is not as desired; a missing VIP, a missing guard of a tunnel that is down, and a change that
    the peer refuses have rules of their own."""
    for end in evidence.ends:
        for change in end.drift:
            if (
                change.resource.kind is ResourceKind.VIP
                or (change.resource.kind is ResourceKind.FIREWALL and _leaks(end))
                or (change.resource.is_tunnel and refusal_of(end))
            ):
                continue
            fields = ", ".join(dict.fromkeys(item.path for item in change.changes[:6]))
            yield found(
                "drift",
                end.tunnel,
                "router",
                f"{change.resource} is not as desired: {change.reason}",
                seen=[f"differs: {fields}"],
                hint=APPLY,
            )


def cleartext_leak(evidence: Evidence) -> Iterator[Finding]:
    """The guard is not as desired while the tunnel is down: its traffic may leave in the clear."""
    for end in evidence.ends:
        for change in end.drift:
            if change.resource.kind is ResourceKind.FIREWALL and _leaks(end):
                yield found(
                    "cleartext-leak",
                    end.tunnel,
                    "router",
                    f"the tunnel is down, and its traffic may leave {end.tunnel.router} in the clear: "
                    f"{change.reason}",
                    seen=_guards(change),
                    hint="run `tunnelwright apply`, which loads the table even if the tunnel stays down",
                )


def _leaks(end: End) -> bool:
    """A tunnel that is up takes its traffic even without a guard."""
    return not end.children if end.connection is None else bool(end.missing)


def _guards(change: ResourceChange) -> list[str]:
    return [f"{item.path}: {item.before} -> {item.after}" for item in change.changes[:4]]
