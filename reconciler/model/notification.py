"""What messages are about, and what lasts from one run to the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Topic(StrEnum):
    """What a message may be about."""

    ROLLED_BACK = "rolled-back"
    """A commit was rolled back."""
    REFUSED = "refused"
    """A commit is not reconciled: not valid, not signed, against its own limits, or rolled back before."""
    FAILED = "failed"
    """There was no plan."""
    INCOMPLETE = "incomplete"
    """A router does not answer, or not all was done."""
    DOWN = "down"
    """A tunnel is configured as desired and has no CHILD_SA: an alarm, which no apply repairs."""
    SILENT = "carrying-nothing"
    """Probes have shown that a tunnel is up and carries nothing."""
    DEGRADED = "degraded"
    """Probes have shown that a tunnel loses packets, or takes longer than it usually does."""
    DRIFT = "drift"
    """A router was not as the repository says, though no commit had changed that."""
    CHANGED = "changed"
    """A commit was applied."""
    RECOVERED = "recovered"
    """The subject of one of the others has ended."""


@dataclass(frozen=True, slots=True, order=True)
class Lasting:
    """Something that lasts from one run to the next. `subject` is a commit, a router, a tunnel, a resource or
    a part of the service; empty for the run as a whole."""

    topic: Topic
    subject: str = ""
    router: str = ""

    @property
    def of_the_run(self) -> bool:
        """True for what is the run's or its commit's, and no router's or part of the service's."""
        return not self.router and (self.topic is not Topic.INCOMPLETE or not self.subject)


@dataclass(frozen=True, slots=True)
class SentStatus:
    """The commit status that a forge was sent last."""

    head: str
    """The commit at the head of the branch."""
    result: str
    """How its run ended, in a word."""


@dataclass(frozen=True, slots=True)
class SentMessages:
    """What a receiver of messages was sent: the runs up to one, and what lasted after it."""

    run: int
    states: frozenset[Lasting] = frozenset()


Sent: TypeAlias = SentStatus | SentMessages


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something was sent, and what is kept of it has another form than this version writes."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification, in a sentence."""

    topic: Topic
    text: str
    router: str = ""
    """That it is about; empty for the run as a whole."""
