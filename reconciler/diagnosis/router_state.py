"""Causes in what routers hold: drift, VIPs, guards, tunnels that are disabled, routers that do not answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.diagnosis.evidence import End, Evidence
from reconciler.diagnosis.finding import Finding, found
from reconciler.diagnosis.refused_change import refusal_of
from reconciler.model.diagnostic import Severity
from reconciler.model.plan import ResourceChange, ResourceKind

_APPLY = "run `tunnelwright apply` first, then diagnose again"


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
                hint=_APPLY,
            )


def vip_missing(evidence: Evidence) -> Iterator[Finding]:
    """The tunnel's local address is not on the router."""
    for end in evidence.ends:
        if end.state is None:
            continue
        vip = end.tunnel.vip
        there = {(a.interface, a.host) for a in end.state.addresses}
        if (vip.interface, vip.address) not in there:
            hint = _APPLY if vip.managed else f"find out what configures {vip.address} at {end.tunnel.router}"
            message = f"the VIP {vip.address} is not on {vip.interface} of {end.tunnel.router}"
            yield found("vip-missing", end.tunnel, "vip", message, hint=hint)


def duplicate_address(evidence: Evidence) -> Iterator[Finding]:
    """Another managed router has the tunnel's local address as well: packets go to either of the two."""
    for end in evidence.ends:
        others = [held for held in end.holders if held.router != end.tunnel.router]
        for held in others:
            ours = f"tunnelwright added it there for {held.owner}"
            yield found(
                "duplicate-address",
                end.tunnel,
                "vip",
                f"the VIP {held.host} is on {held.address.interface} of {held.router} too",
                seen=[ours if held.owner else "tunnelwright did not add it there"],
                hint=_APPLY if held.owner else f"remove it from {held.router}",
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
