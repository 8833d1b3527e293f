"""One tunnel end -> how each of its facets differs: here the comparer of a new one is called."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.diff import connections, files, sas, secrets
from reconciler.diff.lost import carried, lost
from reconciler.diff.tunnel_end import TunnelEnd
from reconciler.facets import connections as connection_facet
from reconciler.model.router_config import ForeignFile
from reconciler.model.swanctl import Change


@dataclass(frozen=True, slots=True)
class TunnelDifference:
    """How one tunnel end differs from what is desired: the fields of each facet, and what follows from them
    for the steps."""

    end: TunnelEnd
    names: tuple[Change, ...]
    config: tuple[Change, ...]
    """How the loaded connection differs; without one, how the former does."""
    lost: tuple[Change, ...]
    """The traffic that the tunnel carries no more, and where it goes."""
    stale: tuple[Change, ...]
    narrowed: tuple[Change, ...]
    """What the peer has agreed to, where that is less than is desired."""
    surplus: tuple[Change, ...]
    key: tuple[Change, ...]
    file: tuple[Change, ...]
    aside: tuple[ForeignFile, ...]
    """Files of adopted connections that can go."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """All fields that differ."""
        return (
            *self.names,
            *self.file,
            *self.config,
            *self.lost,
            *self.stale,
            *self.narrowed,
            *self.surplus,
            *self.key,
        )

    @property
    def new(self) -> bool:
        """True when nothing of the tunnel is on the router."""
        end = self.end
        return end.loaded is None and not (end.file.is_there or end.former or self.aside)

    @property
    def affects_ike_sa(self) -> bool:
        """Whether a running IKE_SA would go on with an old value."""
        config = any(connection_facet.affects_ike_sa(change) for change in self.config)
        return config or any(not change.path.startswith("sa.children.") for change in self.stale)

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
    """Compare every facet of one tunnel end. The file comes last: that it differs as a whole is reported only
    where nothing else is."""
    names = connections.compare_names(end)
    config = connections.compare(end)
    gone = _lost(end) if config or names else ()
    stale = sas.compare(end)
    # What runs by another configuration is replaced as a whole.
    narrowed = () if stale or config else sas.compare_selectors(end)
    surplus = sas.compare_numbers(end)
    key = secrets.compare(end)
    aside = files.adopted(end)
    explained = bool(names or config or stale or surplus or key)
    file = files.compare(end, aside, explained=explained)
    return TunnelDifference(end, names, config, gone, stale, narrowed, surplus, key, file, aside)


def _lost(end: TunnelEnd) -> tuple[Change, ...]:
    """What was carried, under whichever name, and is no part of the desired connection."""
    before = carried(end.live, (end.connection.name, *end.former))
    return tuple(lost(end.connection.tunnel, before, end.connection.settings, end.guards))
