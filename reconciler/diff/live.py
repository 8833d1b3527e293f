"""A router's state with lookup tables for its tunnels."""

from __future__ import annotations

from reconciler.facets import files, secrets
from reconciler.model.router_config import PREFIX, IkeSa, RouterState


class Live:
    """A router's state with what is looked up for every tunnel, found once: a router has thousands."""

    def __init__(self, state: RouterState) -> None:
        self.state = state
        self.sas: dict[str, list[IkeSa]] = {}
        for sa in state.sas:
            self.sas.setdefault(sa.connection, []).append(sa)
        self.secret_ids: dict[str, list[str]] = {}
        for secret_id in sorted(state.secret_ids):
            if secrets.is_ours(secret_id):
                self.secret_ids.setdefault(secrets.owner_of(secret_id), []).append(secret_id)

    def holds(self, connection: str) -> bool:
        """True when anything of a connection is on the router: loaded, running, in a file, or its key."""
        return (
            connection in self.state.connections
            or any(not sa.ending for sa in self.sas.get(connection, ()))
            or files.file_name(connection) in self.state.files
            or bool(self.keys_of(connection))
        )

    def established(self, connection: str) -> tuple[IkeSa, ...]:
        """The IKE_SAs of a connection that are up."""
        return tuple(sa for sa in self.sas.get(connection, ()) if sa.state == "ESTABLISHED")

    def keys_of(self, connection: str) -> list[str]:
        """The ids of our keys for one connection of ours; of a foreign one there are none."""
        if not connection.startswith(PREFIX):
            return []
        return self.secret_ids.get(secrets.owner_tag(connection.removeprefix(PREFIX)), [])
