"""The protocol of a router, on any transport: VICI for charon, a few verbs for the host."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from reconciler.model.decoding import Fields
from reconciler.model.outcome import Echoes
from reconciler.model.router_config import (
    InterfaceAddress,
    LiveFile,
    LiveOwnedFile,
    OwnedFile,
    Pair,
    Platform,
)
from reconciler.model.secret import Secret
from reconciler.model.trace import Trace
from reconciler.model.way_back import Arming, Saved, WayBack, WentBack

Message: TypeAlias = Mapping[str, Any]
"""A VICI message: str, list of str, or a nested Message; a value that is sent may be bytes. One that came is
within the bounds of `reconciler/model/bounds`; which names and values it has is the router's to say."""

ViciEvent: TypeAlias = tuple[str, Message]
"""An event of a subscription, by its name."""


def entries(
    vici: Vici, command: str, event: str, message: Message | None = None
) -> Iterator[tuple[str, object]]:
    """What a command streams by name: connections of list-conns, SAs of list-sas; not looked into.

    Raises what a stream raises, and AnswerNotUnderstood.
    """
    for item in vici.stream(command, event, message):
        yield from Fields(item, command).raw().items()


class Vici(Protocol):
    """charon's control interface (libcharon/plugins/vici/README.md).

    Each call raises CommandRejected when charon refuses, RouterUnreachable when it does not answer in time,
    and AnswerNotUnderstood when its answer is no message or exceeds a bound; never anything else.
    """

    def request(self, command: str, message: Message | None = None) -> Message:
        """Send one command and return its reply."""
        ...

    def stream(self, command: str, event: str, message: Message | None = None) -> Iterator[Message]:
        """Send one command and yield the events that it streams."""
        ...

    def subscribe(self, *events: str) -> frozenset[str]:
        """Ask for events until the session is closed; those of them that this charon knows. The session goes
        on serving commands: events that come during those are kept for `next_event`."""
        ...

    def next_event(self, pause: float) -> ViciEvent | None:
        """The next event that was asked for, in the order in which they came; None when there was none for
        `pause` seconds."""
        ...


@dataclass(frozen=True, slots=True)
class HostSnapshot:
    """The router's host side, read in one round trip."""

    addresses: frozenset[InterfaceAddress]
    firewall: str
    """The reply of `nft -j list table inet tunnelwright`, empty when there is no such table."""
    sysctls: Mapping[str, str]
    files: Mapping[str, LiveFile]
    """Our swanctl files by name below /etc/swanctl/conf.d."""
    record: str = ""
    """The record of VIPs that tunnelwright added; empty when there is none."""
    management: Pair | None = None
    """The router's and the controller's address of the session that asked; None where it has none."""
    dropped: int | None = None
    """XfrmAcquireError, the packets that came by an SA that was reserved and not installed yet; None where
    the kernel does not count."""
    owned: Mapping[str, LiveOwnedFile] = field(default_factory=dict)
    """Our files without keys, by path."""
    platform: Platform = field(default_factory=Platform)
    way_back: WayBack = field(default_factory=WayBack)
    copy: bool = False
    """Whether a copy of the nftables table, which guards while it is replaced, was left behind."""


@dataclass(frozen=True, slots=True)
class HostInspection:
    """What else decides over a router's packets, as its tools report it."""

    ruleset: str
    """The reply of `nft -j list ruleset`."""
    routes: str
    """The reply of `ip -4 -j route show table all`."""
    neighbors: str = "[]"
    """The reply of `ip -4 -j neigh show`."""
    links: str = "[]"
    """The reply of `ip -j link show`."""
    clock: int | None = None
    """Seconds since 1970 by the router's own clock; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A steady stream of ICMP echo requests that has ended, from the first one that was answered; from its
    start where none was."""

    sent: int
    lost: int
    """Requests without a reply; those that were still on their way at the end are not counted at all."""
    longest: float
    """Seconds that the longest row of lost ones stands for."""
    silent: float = 0.0
    """Seconds before the first request that was answered."""


class Host(Protocol):
    """The router beside charon. Each call raises CommandRejected, RouterUnreachable when there is no whole
    answer in time, and AnswerNotUnderstood when it has another shape or exceeds a bound; never anything else.
    What is given as text is the router's own: it need not be JSON, or anything."""

    def snapshot(self, sysctls: Iterable[str]) -> HostSnapshot:
        """Read everything at once; `sysctls` are the keys below /proc/sys that matter."""
        ...

    def inspect(self) -> HostInspection:
        """Read every firewall rule, route, neighbor and interface."""
        ...

    def traces(self, seconds: int) -> tuple[Trace, ...]:
        """The events of drift attribution for a number of seconds; none if the router has none."""
        ...

    def route(self, questions: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
        """Where the kernel would forward packets (source, destination, interface that they come by): for each
        the reply of `ip -j route get`, or the kernel's refusal."""
        ...

    def read_files(self, pattern: str) -> Mapping[str, Secret]:
        """The files that a shell pattern names, by path, in the shell's order; none is no error."""
        ...

    def set_sysctls(self, values: Mapping[str, str]) -> None:
        """Write kernel settings, keys below /proc/sys."""
        ...

    def add_address(self, address: InterfaceAddress, owner: str) -> None:
        """Record an address with its owner, then configure it. Nothing is done where its interface has it
        already: it stays the property of its owner."""
        ...

    def remove_address(self, address: InterfaceAddress) -> None:
        """Take an address off its interface, then out of the record; one that is not there is no error."""
        ...

    def record_address(self, address: InterfaceAddress, owner: str) -> None:
        """Record another owner of an address; without one, that it is not tunnelwright's."""
        ...

    def write_record(self, record: str) -> None:
        """Replace the record of addresses as a whole."""
        ...

    def change_firewall(self, document: str, copy: str = "") -> None:
        """Run one atomic nftables transaction, given as libnftables JSON, while the table guards that another
        one makes (`firewall.COPY`). It is removed in any case, and raises what the first one does."""
        ...

    def write_files(self, files: Mapping[str, Secret]) -> None:
        """Write swanctl files, each 0600 and renamed into place whole."""
        ...

    def remove_files(self, names: Iterable[str]) -> None:
        """Remove swanctl files; one that is not there is no error."""
        ...

    def write_owned(self, files: Mapping[str, OwnedFile]) -> None:
        """Write files without keys by their paths, one after the other. Each is on the disk before it takes
        its place, and a file for nftables (`.nft`) only if `nft --check` takes it. systemd reads its units
        again."""
        ...

    def remove_owned(self, paths: Iterable[str]) -> None:
        """Remove such files, and their folders where those are empty then; one that is not there is no
        error."""
        ...

    def set_aside(self, path: str) -> None:
        """Rename a file to `.adopted`, which no include takes in; rejected when there is one already."""
        ...

    def lock(self, owner: str, seconds: int) -> None:
        """Take or renew the router's lock for so long, LEASE_SECONDS at most; raises Locked when another
        owner holds it. A lock that says anything else, or ends later than any lock can, has no owner.
        Raises StillArmed when it has no owner and a change is not confirmed: it can be taken once the router
        has gone back, which it does at once where its time is over."""
        ...

    def unlock(self, owner: str) -> None:
        """Give the lock back; one that is not the owner's stays."""
        ...

    def arm(self, arming: Arming, saved: Saved) -> None:
        """Save what is there now, and restore it after `arming.seconds` unless `confirm` comes first, also
        when the router restarts before. Nothing is left of it when it is refused: for want of space, say, or
        since the router is armed already."""
        ...

    def confirm(self, arming: str) -> None:
        """What was changed since the router was armed under this id stays, and what was saved is deleted.
        Rejected when it is not armed so, or has gone back."""
        ...

    def go_back(self, arming: str) -> WentBack | None:
        """Restore at once what the router saved when it was armed under this id, report what became of it;
        one that is not armed so stays as it is, and reports only what it has not reported yet (None for
        nothing)."""
        ...

    def forget(self, arming: str) -> None:
        """Report no longer that the router has gone back from an arming."""
        ...

    def ping(self, source: str, destination: str, count: int) -> Echoes:
        """Send `count` echo requests from one of the router's own addresses."""
        ...

    def probe(self, ways: Sequence[tuple[str, str]], count: int, pace: float) -> tuple[Echoes | None, ...]:
        """Send `count` echo requests on each of several ways, each from one of the router's own addresses to
        another one, all in one command and at most `pace` requests a second; None for a way on which none
        could be sent. All that it starts ends with the command."""
        ...

    def sizes(
        self, source: str, destination: str, count: int, sizes: Sequence[int]
    ) -> tuple[Echoes | None, ...]:
        """Send `count` echo requests of each size from one of the router's own addresses, which may not be
        fragmented; a size is that of a request's data, in bytes. None for a size of which none could be
        sent."""
        ...

    def start_stream(self, source: str, destination: str, interval: float, seconds: float) -> str:
        """Begin to send an echo request each `interval` seconds from one of the router's own addresses; what
        to stop it by. It ends by itself after `seconds`, and when the router's lock is no longer held by whom
        it was when the stream began: nothing outlives the lease of the process that started it."""
        ...

    def stop_stream(self, stream: str) -> Stream:
        """End a stream."""
        ...


class Router(Protocol):
    """One router that can be observed and changed. As a context it is closed at the end."""

    @property
    def name(self) -> str:
        """Its name in the desired state."""
        ...

    @property
    def vici(self) -> Vici:
        """Its charon."""
        ...

    @property
    def host(self) -> Host:
        """Everything beside charon."""
        ...

    def close(self) -> None:
        """Release what the connection holds."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Closing(ABC):
    """The context that each router is: it ends with `close`."""

    @abstractmethod
    def close(self) -> None:
        """Release what the connection holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


Connect: TypeAlias = Callable[[str], Router]
"""How a router is reached, by its name. Raises RouterUnreachable."""

Result_co = TypeVar("Result_co", covariant=True)


class Task(Protocol[Result_co]):
    """What is done at one router: the seam at which another engine can carry the work to other machines.

    So a task is a function of a module, with plain values bound to it (`functools.partial`), and its result
    is a plain value as well: what `model`, `facets` and this module define, text and numbers. Neither holds a
    key, a connection, a lock, a callback, or what another task changes; where the caller has to learn of
    something in between, there are several tasks. What survives `pickle` is plain enough. A `Secret` never
    does, so no key leaves this process unnoticed.

    Not plain, and bound to the process that holds the keys, are the steps of an apply, what `import` reads,
    and what an observation finds, since the router's own files have keys in them
    (`docs/decisions/0027-work-beside-the-runner.md`).

    Raises TunnelwrightError, which is the result of that router then.
    """

    def __call__(self, router: Router, /) -> Result_co:
        """Do it."""
        ...
