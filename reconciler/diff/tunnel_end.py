"""One desired tunnel end beside what the router has of it: what the comparers of its facets look at."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diff.live import Live
from reconciler.diff.lost import Guards
from reconciler.facets import files, secrets
from reconciler.facets.connections import priority
from reconciler.facets.files import WrittenFile
from reconciler.model.router_config import Connection, RouterConfig
from reconciler.model.swanctl import Settings


class TunnelEnd:
    """One desired tunnel end and what the router has of it, looked up once and compared with nothing but its
    file: what that says counts for other facets as well. Priorities of children are none of Git's: the
    desired ones are those of the file."""

    def __init__(
        self, desired: RouterConfig, live: Live, connection: Connection, guards: Guards | None = None
    ) -> None:
        self.desired = desired
        self.guards = guards or Guards(desired)
        """Those of the router, which all of its tunnels share."""
        self.live = live
        self.connection = connection
        self.reconnect_asked = connection.tunnel in desired.asked.reconnect
        self.group = desired.groups[connection.tunnel]
        self.loaded = live.state.connections.get(connection.name)
        """The connection as charon reports it; None where it is not loaded."""
        self.running = live.established(connection.name)
        self.path = files.file_name(connection.name)
        self.wanted_file = desired.files[self.path]
        self.file = WrittenFile(live.state.files.get(self.path))
        self.loaded_keys = live.secret_ids.get(secrets.owner_of(connection.secret.id), [])
        """The ids of the tunnel's keys that charon has, whichever keys they are."""
        self.former = tuple(old for old in connection.former if live.holds(old))
        """Former connections that have left anything on the router."""
        self.former_running = tuple(sa for old in self.former for sa in live.established(old))
        self.file_is_right = self.file.equals(self.wanted_file, self.connection)
        if not self.file_is_right:
            self._want(priority.kept(connection.settings, self.file.loaded_last(connection.name)))

    @property
    def carried(self) -> bool:
        """Whether the tunnel runs, by whichever name."""
        return bool(self.running or self.former_running)

    def start_over(self) -> bool:
        """Want no priority any more, since nothing runs that it could come behind; whether that is another
        wish."""
        before = self.connection
        self._want(priority.without(before.settings))
        return self.connection is not before

    def hold_back(self) -> None:
        """Want priorities by which new CHILD_SAs come behind those that run."""
        names = (self.connection.name, *self.former)
        written = [self.file_of(name).loaded_last(name) for name in names]
        found = [settings for settings in written if settings is not None]
        self._want(priority.raised(self.connection.settings, found))

    def _want(self, settings: Settings) -> None:
        if settings is not self.connection.settings:
            self.connection = replace(self.connection, settings=settings)
            self.wanted_file = files.render(self.connection)
            self.file_is_right = self.file.equals(self.wanted_file, self.connection)

    def file_of(self, connection: str) -> WrittenFile:
        """The router's file of a connection, there or not."""
        return WrittenFile(self.live.state.files.get(files.file_name(connection)))
