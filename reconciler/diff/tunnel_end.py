"""One desired tunnel end beside what the router has of it: what the comparers of its facets look at."""

from __future__ import annotations

from reconciler.diff.live import Live
from reconciler.diff.lost import Guards
from reconciler.facets import files, secrets
from reconciler.facets.files import WrittenFile
from reconciler.model.router_config import Connection, RouterConfig


class TunnelEnd:
    """One desired tunnel end and what the router has of it, looked up once and compared with nothing but its
    file: what that says counts for other facets as well."""

    def __init__(
        self,
        desired: RouterConfig,
        live: Live,
        connection: Connection,
        *,
        asked: bool,
        guards: Guards | None = None,
    ) -> None:
        self.desired = desired
        self.guards = guards or Guards(desired)
        """Those of the router, which all of its tunnels share."""
        self.live = live
        self.connection = connection
        self.reconnect_asked = asked
        """Whether the command asks for a reconnect, whatever Git says."""
        self.group = desired.groups[connection.tunnel]
        self.loaded = live.state.connections.get(connection.name)
        """The connection as charon reports it; None where it is not loaded."""
        self.running = live.established(connection.name)
        self.path = files.file_name(connection.name)
        self.wanted_file = desired.files[self.path]
        self.file = WrittenFile(live.state.files.get(self.path))
        self.file_is_right = self.file.equals(self.wanted_file)
        self.loaded_keys = live.secret_ids.get(secrets.owner_of(connection.secret.id), [])
        """The ids of the tunnel's keys that charon has, whichever keys they are."""
        self.former = tuple(old for old in connection.former if live.holds(old))
        """Former connections that have left anything on the router."""
        self.former_running = tuple(sa for old in self.former for sa in live.established(old))

    def file_of(self, connection: str) -> WrittenFile:
        """The router's file of a connection, there or not."""
        return WrittenFile(self.live.state.files.get(files.file_name(connection)))
