"""The SAs of one tunnel at both of its ends -> SAs that only one end holds, and surplus SAs. Pure.

Two negotiations that cross, one at each end or two at one, leave SAs that are not needed. An end that learns
of an INITIAL_CONTACT drops an IKE_SA without a word to its peer (RFC 7296, section 2.4), and the answering
end of IKEv1 moves the CHILD_SAs of an IKE_SA into the one that follows it, where a DELETE does not find them.
So what one end holds says nothing about the other one.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from reconciler.model.router_config import ChildSa, IkeSa

_CARRYING = frozenset({"INSTALLED", "UPDATING", "REKEYING", "REKEYED"})
"""States in which an SA decrypts what comes. IKEv1 keeps a CHILD_SA that another one has followed (REKEYED)
until it expires, so one end may call REKEYED what the other calls INSTALLED."""


def carrying(running: Iterable[IkeSa]) -> tuple[ChildSa, ...]:
    """The CHILD_SAs that decrypt what comes."""
    return tuple(child for sa in running for child in sa.children if child.state in _CARRYING)


def installed(running: Iterable[IkeSa]) -> tuple[ChildSa, ...]:
    """The CHILD_SAs that no other one has followed."""
    return tuple(child for sa in running for child in sa.children if child.installed)


def surplus(running: Iterable[IkeSa], *, followed: bool = False) -> tuple[tuple[ChildSa, ...], ...]:
    """The CHILD_SAs of one connection of which there is more than one of a kind, kind by kind. A peer that
    narrows selectors may need several of one child, so those differ. With `followed` those count as well that
    another one has followed."""
    kinds: dict[tuple[object, ...], list[ChildSa]] = {}
    for child in carrying(running) if followed else installed(running):
        kinds.setdefault((child.name, child.local_ts, child.remote_ts), []).append(child)
    return tuple(tuple(found) for found in kinds.values() if len(found) > 1)


def one_sided(here: Iterable[IkeSa], there: Iterable[IkeSa]) -> tuple[ChildSa, ...]:
    """The CHILD_SAs that this end holds and the other one does not."""
    theirs = {child.spis_at_peer for sa in there for child in sa.children}
    return tuple(child for child in carrying(here) if child.spis not in theirs)


@dataclass(frozen=True, slots=True)
class Doomed:
    """What has to be closed at one end, by charon's numbers. CHILD_SAs first: the answering end deletes those
    before it answers, but those of an IKE_SA after it has."""

    children: tuple[str, ...] = ()
    ike_sas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """One end of a tunnel in one observation: the IKE_SAs of its connection, and all SAs of the router at the
    other end, whatever they are called there; None where that router is not known."""

    running: tuple[IkeSa, ...]
    peer: tuple[IkeSa, ...] | None


def alive(ends: Sequence[End]) -> bool:
    """Whether no end holds what its peer does not, as far as one observation shows."""
    return not any(
        dropped(end) or (end.peer is not None and one_sided(end.running, end.peer)) for end in ends
    )


def at_rest(ends: Sequence[End]) -> bool:
    """Whether nothing of a tunnel is left over at any end, as far as one observation shows."""
    return alive(ends) and not any(surplus(end.running, followed=True) for end in ends)


def missing(running: Iterable[IkeSa], children: Iterable[str]) -> tuple[str, ...]:
    """The children of a connection that have no CHILD_SA."""
    up = {child.name for child in installed(running)}
    return tuple(child for child in children if child not in up)


def down(running: Iterable[IkeSa], children: Iterable[str]) -> tuple[str, ...]:
    """The children of a connection that have no CHILD_SA, not even one that is being replaced."""
    up = {child.name for child in carrying(sa for sa in running if not sa.ending)}
    return tuple(child for child in children if child not in up)


def dropped(end: End) -> tuple[IkeSa, ...]:
    """The IKE_SAs of an end that its peer does not hold, not even half made."""
    known = {sa.spis for sa in end.peer} if end.peer is not None else set()
    return tuple(
        sa
        for sa in end.running
        if end.peer is not None and sa.state == "ESTABLISHED" and sa.spis and sa.spis not in known
    )


def unanswered(end: End) -> frozenset[str]:
    """The IKE_SAs of IKEv1 at an end that have something to do in which the peer, which holds them too, takes
    no part. A quick mode that the peer could not read, or that it has left for another one, is sent again for
    minutes (retransmit_tries), and nothing else begins in that IKE_SA."""
    resting = {sa.spis for sa in end.peer or () if sa.state == "ESTABLISHED" and not sa.busy}
    return frozenset(
        sa.id
        for sa in end.running
        if sa.version == "1" and sa.state == "ESTABLISHED" and sa.busy and sa.spis in resting
    )


def negotiating(end: End, stuck: Container[str] = ()) -> bool:
    """Whether more may come, other than by what the peer has dropped, or is `stuck`."""
    lost = {sa.id for sa in dropped(end)}
    return any(
        sa.state == "CONNECTING" or (sa.busy and sa.id not in lost and sa.id not in stuck)
        for sa in end.running
    )


def dead(before: Sequence[End], now: Sequence[End]) -> tuple[Doomed, ...]:
    """What is held at each end and was held by its peer in neither of two observations."""
    observations = zip(before, now, strict=True)
    return tuple(_doomed(*pair, _alone(*pair)) for pair in observations)


def leftovers(before: Sequence[End], now: Sequence[End]) -> tuple[Doomed, ...]:
    """What of one tunnel has to be closed at each of its known ends, by two observations: what is dead, and
    what is too many."""
    alone = [_alone(*observations) for observations in zip(before, now, strict=True)]
    left = [without(end.running, ids) for end, ids in zip(now, alone, strict=True)]
    # One end alone closes what both hold: two would choose differently.
    closing = next((index for index, running in enumerate(left) if surplus(running, followed=True)), None)
    if closing is not None:
        kept = replace(now[closing], running=left[closing])
        alone[closing] |= set(_superfluous(before[closing].running, kept))
    return tuple(_doomed(*found) for found in zip(before, now, alone, strict=True))


def _alone(before: End, now: End) -> set[str]:
    """What the peer did not hold in either observation."""
    if before.peer is None or now.peer is None:
        return set()
    return _ids(one_sided(before.running, before.peer)) & _ids(one_sided(now.running, now.peer))


def _superfluous(before: Iterable[IkeSa], now: End) -> Iterator[str]:
    """Of each kind all but one: if there is one, one that nothing has followed at either end.

    Who closes a CHILD_SA of IKEv2 goes on to receive by it until the peer has answered, and must not send by
    it in between; with IKEv1 it goes here at once and there later, so the peer must not send by it. The
    counters of two observations show what is used; where nothing is, the newest stays.
    """
    version = {child.id: sa.version for sa in now.running for child in sa.children}
    earlier = {child.id: child for sa in before for child in sa.children}
    theirs = {child.spis_at_peer for child in installed(now.peer or ())}

    def worth(child: ChildSa) -> tuple[bool, int, int, int]:
        was = earlier.get(child.id, child)
        if version[child.id] == "1":
            used = child.packets_in - was.packets_in
        else:
            used = child.packets_out - was.packets_out
        valid = now.peer is None or child.spis in theirs
        return valid and child.installed, used, -child.age, int(child.id)

    for kind in surplus(now.running, followed=True):
        kept = max(kind, key=worth)
        yield from (child.id for child in kind if child is not kept)


def _doomed(before: End, now: End, children: set[str]) -> Doomed:
    """The CHILD_SAs, and every IKE_SA that has no other or that the peer has dropped, which is not asked to
    answer for its CHILD_SAs one by one."""
    lost = {sa.id for sa in dropped(before)} & {sa.id for sa in dropped(now)}
    emptied = {sa.id for sa in now.running if sa.children and _ids(sa.children) <= children}
    at_once = {child.id for sa in now.running if sa.id in lost for child in sa.children}
    return Doomed(tuple(sorted(children - at_once, key=int)), tuple(sorted(lost | emptied, key=int)))


def without(running: Iterable[IkeSa], children: set[str]) -> tuple[IkeSa, ...]:
    """The IKE_SAs without some of their CHILD_SAs, by charon's numbers."""
    return tuple(
        replace(sa, children=tuple(child for child in sa.children if child.id not in children))
        for sa in running
    )


def _ids(children: Iterable[ChildSa]) -> set[str]:
    return {child.id for child in children}
