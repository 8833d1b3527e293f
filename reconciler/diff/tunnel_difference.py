"""One tunnel end -> how each of its facets differs: here the comparer of a new one is called."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.diff import connections, files, sas, secrets
from reconciler.diff.tunnel_end import TunnelEnd
from reconciler.model.router_config import ForeignFile
from reconciler.model.settings import Change


@dataclass(frozen=True, slots=True)
class TunnelDifference:
    """How one tunnel end differs from what is desired: the fields of each facet, and what follows from them
    for the steps."""

    end: TunnelEnd
    names: tuple[Change, ...]
    config: tuple[Change, ...]
    """How the loaded connection differs; without one, how the former does."""
    stale: tuple[Change, ...]
    surplus: tuple[Change, ...]
    key: tuple[Change, ...]
    file: tuple[Change, ...]
    aside: tuple[ForeignFile, ...]
    """Files of adopted connections that can go."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """All fields that differ."""
        return (*self.names, *self.file, *self.config, *self.stale, *self.surplus, *self.key)

    @property
    def new(self) -> bool:
        """True when nothing of the tunnel is on the router."""
        end = self.end
        return end.loaded is None and not (end.file.is_there or end.former or self.aside)

    @property
    def load(self) -> bool:
        """Whether the connection has to be loaded. An SA of another configuration may mean that charon
        holds that one too, whatever the file says."""
        return bool(self.end.loaded is None or self.config or self.stale)

    @property
    def load_key(self) -> bool:
        """Whether the key has to be loaded."""
        return any(change.after is not None for change in self.key)

    @property
    def reconnect(self) -> bool:
        """Whether the tunnel has to be taken down and up, although nothing else may differ."""
        return any(change.path == files.RECONNECT for change in self.file)


def compare(end: TunnelEnd) -> TunnelDifference:
    """Compare every facet of one tunnel end. The file comes last: that it differs as a whole is told only
    where nothing else is."""
    names = connections.compare_names(end)
    config = connections.compare(end)
    stale = sas.compare(end)
    surplus = sas.compare_numbers(end)
    key = secrets.compare(end)
    aside = files.adopted(end)
    explained = bool(names or config or stale or surplus or key)
    file = files.compare(end, aside, explained=explained)
    return TunnelDifference(end, names, config, stale, surplus, key, file, aside)
