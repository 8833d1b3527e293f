"""What the page shows of a fleet at one time, and where it comes from. Nothing in it holds a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from reconciler.history.store import History
from reconciler.model.absence import Absence
from reconciler.model.condition import ConnectionCondition
from reconciler.model.events import Held, PlannedChange, Withheld
from reconciler.model.explanation import Explained
from reconciler.model.fabric import Fabric
from reconciler.model.judgement import Deferral, Refusal
from reconciler.model.plan import Resource
from reconciler.page.changes import Changes
from reconciler.page.samples import Samples

Waiting: TypeAlias = Refusal | Deferral | Held | Withheld
"""Why something that differs is not changed now."""


@dataclass(frozen=True, slots=True)
class RouterSeen:
    """One router, as far as it was observed."""

    version: str = ""
    """Of its strongSwan; empty for one that did not answer."""
    data_plane: str = ""
    absence: Absence | None = None
    """Why it has no part in a plan."""
    followed: bool | None = None
    """Whether its charon's events are followed now; None where they are not to be."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A fleet at one time."""

    at: datetime
    """When its routers were observed."""
    commit: str
    """The commit that it is compared with; empty for a working tree."""
    fabric: Fabric
    connections: tuple[ConnectionCondition, ...]
    """Those in trouble first."""
    routers: Mapping[str, RouterSeen]
    differs: Mapping[Resource, PlannedChange] = field(default_factory=dict)
    waits: tuple[Waiting, ...] = ()
    since: Mapping[str, datetime] = field(default_factory=dict)
    """Connection -> when an end of it went down or came up last, as far as that was followed."""
    notice: str = ""
    """What is to be known of all of it, such as that the desired state is not valid."""

    def connection(self, name: str) -> ConnectionCondition | None:
        """The connection that a user calls so: by an end of it, or by its document."""
        return self.by_name.get(self.fabric.tunnel_of(name))

    @property
    def by_name(self) -> Mapping[str, ConnectionCondition]:
        """Each end -> its connection."""
        return {end.tunnel.name: one for one in self.connections for end in one.ends}


class Source(Protocol):
    """What the page is made from. Every method may be called from several threads."""

    @property
    def changes(self) -> Changes:
        """Counts what is new."""
        ...

    @property
    def samples(self) -> Samples:
        """What connections have carried."""
        ...

    @property
    def history(self) -> History | None:
        """What a service remembers; None without one."""
        ...

    @property
    def why_not(self) -> str:
        """Why the last observation failed; empty when it did not."""
        ...

    def snapshot(self) -> Snapshot | None:
        """The fleet now; None before it was observed for the first time."""
        ...

    def explained(self, seen: Snapshot, ends: Sequence[str]) -> Mapping[str, list[Explained]]:
        """Where each value of some tunnel ends comes from. Raises TunnelwrightError."""
        ...

    def raw(self, commit: str) -> bytes:
        """A commit: headers, message. Raises TunnelwrightError."""
        ...
