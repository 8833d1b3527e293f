"""The resource of a tunnel end: its connection, key, file and running SAs, which change together."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diff.live import Live
from reconciler.diff.lost import Guards
from reconciler.diff.tunnel_difference import TunnelDifference, compare
from reconciler.diff.tunnel_end import TunnelEnd
from reconciler.diff.tunnel_steps import tunnel_steps
from reconciler.facets import connections
from reconciler.model.plan import Action, Resource, ResourceChange, ResourceKind
from reconciler.model.router_config import PREFIX, Connection, RouterConfig


def tunnel_changes(desired: RouterConfig, live: Live) -> Iterator[ResourceChange]:
    """Every desired tunnel that differs."""
    guards = Guards(desired)
    for _, connection in sorted(desired.connections.items()):
        end = TunnelEnd(desired, live, connection, guards)
        found = compare(end)
        if found.load and not end.carried and end.start_over():
            found = compare(end)
        if found.changes:
            yield _change(found)


def holding_back(desired: RouterConfig, live: Live, connection: Connection) -> ResourceChange | None:
    """What a tunnel end needs to go on with its old SAs until its peer ends them, although a switch brings up
    new ones (`facets/connections/priority.py`); None where it has no old ones."""
    end = TunnelEnd(desired, live, connection)
    if not end.carried:
        return None
    end.hold_back()
    found = compare(end)
    return _change(found) if found.changes else None


def _change(found: TunnelDifference) -> ResourceChange:
    return ResourceChange(
        Resource(found.end.desired.router, ResourceKind.TUNNEL, found.end.connection.tunnel),
        Action.CREATE if found.new else Action.UPDATE,
        _reason(found),
        found.changes,
        tuple(tunnel_steps(found)),
    )


def _reason(found: TunnelDifference) -> str:
    """The first that holds, in the order of what it means for the tunnel."""
    end = found.end
    reasons = (
        (bool(end.former), _origin(end.former)),
        (found.new, "not on the router"),
        (end.loaded is None, "the connection is not loaded in charon"),
        (_only_ours(found), "settings that tunnelwright itself chooses differ, as after its upgrade"),
        (bool(found.config), "the configuration differs"),
        (bool(found.stale), "a running SA has another configuration"),
        (bool(found.narrowed), "the peer has narrowed the traffic selectors"),
        (bool(found.surplus), "there are surplus CHILD_SAs"),
        (found.load_key, "the key differs"),
        (found.reconnect, "a reconnect is requested"),
        (bool(found.aside), f"the file of {', '.join(end.connection.former)} would load it again"),
        (bool(found.names or found.file), "the router's file differs"),
        (True, "a key that it no longer uses is loaded"),
    )
    return next(reason for holds, reason in reasons if holds)


def _only_ours(found: TunnelDifference) -> bool:
    """Whether nothing differs that Git says. Some of these settings follow the key."""
    return bool(found.config) and not found.load_key and all(map(connections.is_ours, found.config))


def _origin(former: tuple[str, ...]) -> str:
    renamed = [old.removeprefix(PREFIX) for old in former if old.startswith(PREFIX)]
    adopted = [old for old in former if not old.startswith(PREFIX)]
    parts = (("renamed from", renamed), ("takes over the connection", adopted))
    return "; ".join(f"{words} {', '.join(names)}" for words, names in parts if names)
