"""The facet `sas` of one tunnel end: what runs. Part of its resource."""

from __future__ import annotations

from reconciler.diff.tunnel_end import TunnelEnd
from reconciler.facets import sas
from reconciler.facets.sas import agreement
from reconciler.model.swanctl import Change


def compare(end: TunnelEnd) -> tuple[Change, ...]:
    """Where running SAs are not what is desired: they were set up by another configuration."""
    return tuple(change for sa in end.running for change in sas.stale_fields(end.connection, sa))


def compare_selectors(end: TunnelEnd) -> tuple[Change, ...]:
    """What the peer has agreed to, where that is less than is desired."""
    return sas.narrowed(end.connection.settings, end.running)


def compare_numbers(end: TunnelEnd) -> tuple[Change, ...]:
    """Surplus CHILD_SAs: others of their kind carry the same."""
    return tuple(
        Change(f"sa.children.{kind[0].name}.number", str(len(kind)), "1", "sa")
        for kind in agreement.surplus(end.running)
    )
