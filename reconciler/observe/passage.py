"""What passes a tunnel between two managed routers: echo requests, and how large packets may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from reconciler.diagnosis.evidence import End, Flow, LostSizes
from reconciler.model.outcome import Echoes
from reconciler.model.router_config import IkeSa, connection_name
from reconciler.observe.state import read_sas
from reconciler.routers.fleet import of_router
from reconciler.routers.protocol import Router

TCP_HEADERS: Final = 40
"""Bytes of an IPv4 header and that of TCP: what a packet has more than its segment (RFC 9293, section
3.7.1)."""
_ECHO_HEADERS: Final = 28
"""Bytes of an IPv4 header and that of an echo request."""
_PINGS: Final = 3
_TRIES: Final = 3
_Counts: TypeAlias = dict[tuple[str, str], tuple[int, int]]
"""Packets in and out by the SPIs of a CHILD_SA."""
_LEAST: Final = 576
"""Bytes of a packet that every host takes (RFC 791, section 3.1)."""
_OF_A_SIZE: Final = 2
_AT_A_TIME: Final = 16
"""Sizes that are tried side by side. Two rounds find out the size to the bytes that padding takes."""


def sas_of(router: Router, end: End) -> tuple[IkeSa, ...]:
    """The IKE_SAs of a tunnel end as they are now."""
    with of_router(router.name):
        return read_sas(router.vici, connection_name(end.tunnel.name))


@dataclass(frozen=True, slots=True)
class Way:
    """From one end of a tunnel to the other: both routers, and their own addresses inside it."""

    sender: Router
    this_end: End
    source: str
    receiver: Router
    other_end: End
    destination: str

    @property
    def back(self) -> Self:
        """The other direction."""
        return type(self)(
            self.receiver, self.other_end, self.destination, self.sender, self.this_end, self.source
        )

    def send(self) -> Flow:
        """Echo requests, and what the CHILD_SAs of both ends count of them."""
        ends = ((self.sender, self.this_end), (self.receiver, self.other_end))
        ping, [(this_in, this_out), (other_in, other_out)] = _counted(ends, self.source, self.destination)
        return Flow(ping.sent, ping.received, this_out, other_in, other_out, this_in)

    def lost_sizes(self, mss: int) -> LostSizes | None:
        """The sizes of packets up to those of TCP with this MSS that are lost either way without a word. None
        where there is none, also where a smaller MTU is announced: senders heed that (RFC 1191)."""
        whole = mss + TCP_HEADERS
        for way in (self, self.back):
            sizes = way._between(whole)
            if sizes is not None:
                passing, lost = sizes
                return LostSizes(passing, lost, there=self._takes(lost), back=self.back._takes(lost))
        return None

    def _between(self, whole: int) -> tuple[int, int] | None:
        """A size whose requests are answered, and the next one that was tried, whose requests are not."""
        if not self._silent((whole,))[0]:
            return None
        least, most, step = _LEAST, whole, whole
        while step > _AT_A_TIME:
            step = -(-(most - least) // _AT_A_TIME)
            sizes = tuple(range(least, most, step))
            silent = self._silent(sizes)
            if silent[0]:
                # Even the least is lost: that is no matter of sizes.
                return None
            first = silent.index(True) if True in silent else len(sizes)
            least, most = sizes[first - 1], sizes[first] if first < len(sizes) else most
        return least, most

    def _silent(self, sizes: tuple[int, ...]) -> list[bool]:
        """Of each size, whether all requests are lost and nothing says why."""
        return [_lost(ping) for ping in self._of_sizes(sizes, _OF_A_SIZE)]

    def _takes(self, size: int) -> bool:
        """Whether packets of that size are lost in this direction, as the receiver's CHILD_SAs count. Those
        of other traffic count as well, so it may go unseen."""
        before = _packets(self.receiver, self.other_end)
        self._of_sizes((size,), _PINGS)
        came, _ = _since(before, _packets(self.receiver, self.other_end))
        return came < _PINGS

    def _of_sizes(self, sizes: tuple[int, ...], count: int) -> tuple[Echoes | None, ...]:
        data = tuple(size - _ECHO_HEADERS for size in sizes)
        return self.sender.host.sizes(self.source, self.destination, count, data)


def send_to(router: Router, end: End, source: str, target: str) -> Flow:
    """Echo requests to what answers behind an unmanaged peer, and what this end counts of them."""
    ping, [(came, went)] = _counted(((router, end),), source, target)
    return Flow(ping.sent, ping.received, went, 0, 0, came)


def _lost(ping: Echoes | None) -> bool:
    return ping is not None and not ping.received and not ping.errors


def _counted(
    ends: Sequence[tuple[Router, End]], source: str, destination: str
) -> tuple[Echoes, list[tuple[int, int]]]:
    """Echo requests from the first end, and the packets in and out that each end counts of them. They are
    sent again if a CHILD_SA has ended in between, which takes along what it had counted."""
    for _ in range(_TRIES):
        before = [_packets(*end) for end in ends]
        ping = ends[0][0].host.ping(source, destination, _PINGS)
        after = [_packets(*end) for end in ends]
        if all(then.keys() <= now.keys() for then, now in zip(before, after, strict=True)):
            break
    return ping, [_since(then, now) for then, now in zip(before, after, strict=True)]


def _packets(router: Router, end: End) -> _Counts:
    """The packets of each CHILD_SA of a tunnel end so far."""
    children = [child for sa in sas_of(router, end) for child in sa.children]
    return {child.spis: (child.packets_in, child.packets_out) for child in children}


def _since(then: _Counts, now: _Counts) -> tuple[int, int]:
    """Packets in and out of the CHILD_SAs that are there now."""
    more = [(now[spis][0] - came, now[spis][1] - went) for spis, (came, went) in then.items() if spis in now]
    more += [counts for spis, counts in now.items() if spis not in then]
    return sum(came for came, _ in more), sum(went for _, went in more)
