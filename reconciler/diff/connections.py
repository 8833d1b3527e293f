"""The facet `connections` of one tunnel end: the connection that charon has loaded. Part of its resource."""

from __future__ import annotations

from reconciler.diff.tunnel_end import TunnelEnd
from reconciler.facets import connections
from reconciler.model.swanctl import Change


def compare(end: TunnelEnd) -> tuple[Change, ...]:
    """How the loaded connection differs from the desired one; without one, how the former one does."""
    wanted, name = end.connection.settings, end.connection.name
    if end.loaded is None and end.former:
        before = end.former[0]
        loaded = end.live.state.connections.get(before)
        return connections.compare(wanted, loaded, end.file_of(before).connection(before))
    # The desired file says what the desired settings say; only another one has to be read.
    written = wanted if end.file_is_right else end.file.connection(name)
    return connections.compare(wanted, end.loaded, written)


def compare_names(end: TunnelEnd) -> tuple[Change, ...]:
    """The names that the connection had before, as far as anything is left of them."""
    return tuple(Change("name", old, end.connection.name, "vici") for old in end.former)
