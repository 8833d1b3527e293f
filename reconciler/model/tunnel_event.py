"""What happens to a running tunnel, as its router reports it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TunnelChange(StrEnum):
    """Kinds of what happens."""

    UP = "up"
    """A child has a CHILD_SA again."""
    DOWN = "down"
    """A child has none any more."""
    REKEYED = "rekeyed"
    """An SA was replaced by a rekey; nothing was interrupted. It is counted, not kept."""
    FAILED = "failed"
    """An attempt to bring the tunnel up has failed."""
    ALERT = "alert"
    """charon has raised an alert (strongSwan 6.0.3 and later)."""
    IMPAIRED = "impaired"
    """The service's probes have shown that it carries nothing, or less well than it should."""
    CARRYING = "carrying"
    """They have shown that it carries packets."""
    RECONNECTED = "reconnected"
    """The service begins to reconnect it, because it carries nothing."""


LASTING = frozenset({TunnelChange.FAILED, TunnelChange.ALERT})
"""What is reported again and again while its cause lasts: it is kept once."""


@dataclass(frozen=True, slots=True)
class TunnelEvent:
    """One thing that has happened at one end of a tunnel."""

    at: datetime
    """When this program received it, in UTC."""
    router: str
    tunnel: str
    change: TunnelChange
    child: str = ""
    """The child that it is about; empty for all of the tunnel."""
    detail: str = ""
    """`CHILD_SA` or `IKE_SA` of a rekey, the type of an alert, what probes have shown."""
    seconds: int | None = None
    """How long the child was down before it came up, or up before it went down; None where that is not
    known."""
    late: bool = False
    """Whether it was found by comparison, because the router was not followed when it happened."""
