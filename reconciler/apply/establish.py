"""Make before break: new SAs come up beside the old ones, and only then the old ones go.

strongSwan keeps an SA's own configuration through rekeying and reauthentication, so a changed
connection reaches traffic only with SAs that are set up anew.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from reconciler.model import bounds
from reconciler.model.decoding import Fields
from reconciler.model.errors import CommandRejected
from reconciler.model.operation import Establish, Scope
from reconciler.model.router_config import ChildSa, IkeSa
from reconciler.observe.state import read_sas
from reconciler.routers.protocol import Router, Vici

OVERLAP = 0.25
"""Seconds for which old and new SAs both stay. The other end of an IKEv1 exchange installs the new SA after
this end has (RFC 2409, section 5.5), and what was sent on the old one may be on its way."""
POLL = 0.05
"""Seconds between two observations."""
_ANSWER_TIMEOUT = str(bounds.ANSWER_MILLISECONDS)
_HURRIED_TIMEOUT = str(bounds.HURRIED_MILLISECONDS)
_AT_ONCE = "-1"
"""To charon: return without waiting."""
_FORCED_TIMEOUT = str(bounds.FORCED_MILLISECONDS)
_GIVEN_UP = "not established after"
"""What charon says of an attempt when its time is over (vici_control.c)."""
# Log lines of charon that name a cause.
_CAUSES = ("received ", "no matching", "mismatched", "retransmit", "failed", "unacceptable")


@dataclass(slots=True)
class _Attempt:
    """One connection on its way: what ran before, and what was learnt since. All else is new."""

    item: Establish
    old_ike: frozenset[str]
    old_children: frozenset[str]
    runs: bool
    """Whether an SA of this connection ran, not only of one that it replaces."""
    right_already: set[str] = field(default_factory=set)
    """Children whose running SA has the loaded configuration, by charon's own comparison."""
    refused: str = ""
    unlogged: bool = False
    """Whether it was begun beside a running SA without reading what charon logs about that."""

    def new_children(self, sa: IkeSa) -> list[ChildSa]:
        """The CHILD_SAs of an IKE_SA that came up since."""
        if sa.state != "ESTABLISHED" or sa.connection != self.item.connection:
            return []
        return [c for c in sa.children if c.installed and c.id not in self.old_children]

    def lacking(self, found: Sequence[IkeSa]) -> tuple[str, ...]:
        """The children without a CHILD_SA of the loaded configuration."""
        up = {child.name for sa in found for child in self.new_children(sa)} | self.right_already
        return tuple(child for child in self.item.children if child not in up)

    def outdated(self, found: Sequence[IkeSa]) -> list[tuple[str, str]]:
        """What has to go, as VICI's terminate names it: old children, and after its own each IKE_SA without a
        child that is right. The answering end deletes a CHILD_SA before it answers, but those of an IKE_SA
        only after it has, and a packet that it sends in between finds no SA.

        charon puts a new CHILD_SA into the IKE_SA that runs when its configuration is equal to the one
        that is loaded now, and makes a new IKE_SA when it is not.
        """
        doomed = []
        for sa in found:
            if sa.version == self.item.former_version:
                continue
            right = {child.id for child in sa.children if child.name in self.right_already}
            right |= {child.id for child in self.new_children(sa)}
            if right or sa.id in self.old_ike:
                doomed += [("child-id", child.id) for child in sa.children if child.id not in right]
            if not right and sa.id in self.old_ike:
                doomed.append(("ike-id", sa.id))
        return doomed


def establish(vici: Vici, wanted: Sequence[Establish], timeout: float) -> list[str]:
    """Bring up every connection of `wanted`; an empty string for each that is up, else the reason.

    First SAs are started all at once and share `timeout` seconds. Beside a running SA each is waited for in
    turn, since only then charon reports that the running one is right already. All of them share a time as
    well: when silent peers have used it up, the others are started at once too, and what charon has to say
    of them is asked for when `timeout` is over. An old SA is ended only after every child of its connection
    has a new one; where that fails the old SA carries on.
    """
    ending = Ending()
    stuck = {
        item.connection: _take_down(vici, item, ending) for item in wanted if item.scope is Scope.RECONNECT
    }
    attempts = {
        name: _Attempt(
            item,
            frozenset(sa.id for sa in found),
            frozenset(child.id for sa in found for child in sa.children),
            any(sa.connection == item.connection for sa in found),
            refused=stuck.get(name, ""),
        )
        for item, (name, found) in zip(wanted, _by_connection(vici, wanted).items(), strict=True)
    }
    seconds = min(max(timeout, 1.0), bounds.ESTABLISH_SECONDS)
    until = time.monotonic() + seconds
    for attempt in attempts.values():
        if not attempt.refused:
            _start(vici, attempt, attempt.item.children, until, seconds)
    deadline = time.monotonic() + timeout
    pending = {name: attempt for name, attempt in attempts.items() if not attempt.refused}
    doomed: list[tuple[str, str]] = []
    while pending:
        now = _by_connection(vici, [attempt.item for attempt in pending.values()])
        for name, found in now.items():
            if not pending[name].lacking(found):
                doomed += pending.pop(name).outdated(found)
        if time.monotonic() >= deadline:
            break
        if pending:
            time.sleep(POLL)
    doomed += _ask_again(vici, pending, seconds)
    if doomed:
        time.sleep(OVERLAP)
        retire(vici, doomed)
    unexplained = [attempt for attempt in pending.values() if not attempt.refused]
    for position, attempt in enumerate(sorted(unexplained, key=lambda attempt: attempt.unlogged)):
        # Beside a running SA another attempt could come up as well as the one that is under way.
        tried = position < bounds.EXPLAINED and not attempt.unlogged
        reason = _explain(vici, attempt.item, timeout) if tried else ""
        attempt.refused = reason or f"no CHILD_SA within {timeout:g} s"
    _abandon(vici, [attempt for attempt in attempts.values() if attempt.refused and attempt.old_children])
    return [attempts[item.connection].refused for item in wanted]


def _ask_again(vici: Vici, pending: dict[str, _Attempt], seconds: float) -> list[tuple[str, str]]:
    """Ask for those that were started without waiting and are not under way any more, all of them within
    `seconds`. Those that are up now are pending no longer; what has to go for them."""
    until = time.monotonic() + seconds
    doomed: list[tuple[str, str]] = []
    for name, attempt in [item for item in pending.items() if item[1].unlogged]:
        found = _found(vici, attempt)
        if not _under_way(found):
            _start(vici, attempt, attempt.lacking(found), until, seconds)
            found = _found(vici, attempt)
        if not attempt.lacking(found):
            doomed += pending.pop(name).outdated(found)
    return doomed


def _found(vici: Vici, attempt: _Attempt) -> tuple[IkeSa, ...]:
    return _by_connection(vici, [attempt.item])[attempt.item.connection]


def _under_way(found: Sequence[IkeSa]) -> bool:
    """Whether anything is negotiated; it might come up yet."""
    return any(sa.state == "CONNECTING" or sa.busy for sa in found)


def _by_connection(vici: Vici, wanted: Sequence[Establish]) -> Mapping[str, tuple[IkeSa, ...]]:
    owners = {name: item.connection for item in wanted for name in (item.connection, *item.replaces)}
    only = next(iter(owners)) if len(owners) == 1 else None
    found: dict[str, list[IkeSa]] = {item.connection: [] for item in wanted}
    for sa in read_sas(vici, only, adopted=frozenset(owners)) if owners else ():
        if sa.connection in owners:
            found[owners[sa.connection]].append(sa)
    return {name: tuple(items) for name, items in found.items()}


def _start(vici: Vici, attempt: _Attempt, children: Sequence[str], until: float, seconds: float) -> None:
    """Ask for children: without waiting for a first one, nor for any after `until`. What has not come up in
    less than all of these `seconds` is not refused for that."""
    for child in children:
        left = until - time.monotonic() if attempt.old_children else 0.0
        timeout = f"{left * 1000:.0f}" if left > POLL else _AT_ONCE
        attempt.unlogged = bool(attempt.old_children) and timeout == _AT_ONCE
        failure, words = initiate(vici, attempt.item.connection, child, timeout)
        if any("existing duplicate" in line for line in words) and attempt.runs:
            attempt.right_already.add(child)
        elif failure and left < seconds - POLL and _under_way(_found(vici, attempt)):
            attempt.unlogged = True
        elif failure:
            attempt.refused = cause_of(words, failure)
            return


def bring_up(vici: Vici, connection: str, children: Sequence[str]) -> str:
    """Bring up children of which nothing runs, one after the other; why the first does not come up, empty
    where all do. Traffic may have brought it up since the plan was made."""
    for child in children:
        failure, words = initiate(vici, connection, child, _ANSWER_TIMEOUT)
        if failure and not any("existing duplicate" in line for line in words):
            return cause_of(words, failure)
    return ""


def _explain(vici: Vici, item: Establish, waited: float) -> str:
    """Try once more, reading charon's log, to learn why it does not come up. `waited` are the
    seconds that it had before: that charon has not waited as long for this attempt explains nothing."""
    failure, words = initiate(vici, item.connection, item.children[0], _ANSWER_TIMEOUT)
    if _GIVEN_UP in failure:
        failure = f"no CHILD_SA within {waited:g} s"
    return cause_of(words, failure) if failure else ""


def initiate(vici: Vici, connection: str, child: str, timeout: str) -> tuple[str, list[str]]:
    """Why charon refused, empty when it did not, and what it said until then."""
    words: list[str] = []
    message = {"ike": connection, "child": child, "timeout": timeout, "loglevel": "1"}
    try:
        for event in vici.stream("initiate", "control-log", message):
            words.append(Fields(event, "control-log").text("msg", ""))
    except CommandRejected as error:
        return error.message, words
    return "", words


def cause_of(words: list[str], failure: str) -> str:
    """What charon said that names a cause, with its refusal."""
    found = [
        line
        for line in words
        if any(mark in line for mark in _CAUSES) and not line.startswith("received packet")
    ]
    return "; ".join(dict.fromkeys([*found[-2:], failure]))


def _take_down(vici: Vici, item: Establish, ending: Ending) -> str:
    """Why a tunnel that shall be reconnected does not go down; empty when it does. What its peer or a packet
    has brought up since then is new already, and stays."""
    ran = {sa.id for sa in read_sas(vici, item.connection)}
    refusal = _end(vici, item.connection, ending)
    return refusal.message if refusal is not None and ran & _left(vici, item.connection) else ""


@dataclass(slots=True)
class Ending:
    """How long peers of one router were waited for that did not answer at once."""

    seconds: float = 0.0

    @contextmanager
    def timeout(self) -> Iterator[str]:
        """What charon may wait for the next one, in its words."""
        started = time.monotonic()
        try:
            yield _ANSWER_TIMEOUT if self.seconds < bounds.ENDING_SECONDS else _HURRIED_TIMEOUT
        finally:
            waited = time.monotonic() - started
            self.seconds += waited if waited * 1000 > bounds.HURRIED_MILLISECONDS else 0.0


def terminate(vici: Vici, connection: str, ending: Ending) -> None:
    """End every IKE_SA of a connection, on this side alone when the peer is silent. Raises CommandRejected
    when one is left."""
    for last in (False, False, True):
        refusal = _end(vici, connection, ending)
        # The other end may end it at the same moment ("terminated 0 of 1 SAs"), or be half-way to a new one,
        # which has no name until the peer has proven itself; what counts is what is left.
        if refusal is None or not _left(vici, connection):
            return
        if last:
            raise refusal


def _end(vici: Vici, connection: str, ending: Ending) -> CommandRejected | None:
    """Terminate what is known by the name of a connection; charon's refusal, if it refuses."""
    with ending.timeout() as timeout:
        message = {"ike": connection, "force": "yes", "timeout": timeout, "loglevel": "-1"}
        try:
            for _ in vici.stream("terminate", "control-log", message):
                pass
        except CommandRejected as error:
            return error
    return None


def _left(vici: Vici, connection: str) -> set[str]:
    """The IKE_SAs of a connection that are not about to end."""
    return {sa.id for sa in read_sas(vici, connection) if not sa.ending}


def _abandon(vici: Vici, attempts: Sequence[_Attempt]) -> None:
    """End what is still negotiating beside an SA that carries on: until charon gave it up by itself, minutes
    later, the next attempt would join it (ike_sa_manager.c, checkout_by_config), with the key of this one."""
    if attempts:
        found = _by_connection(vici, [attempt.item for attempt in attempts])
        retire(vici, [("ike-id", sa.id) for sas in found.values() for sa in sas if sa.state == "CONNECTING"])


def spis_of(router: Router, item: Establish) -> frozenset[str]:
    """The IKE_SAs of a connection, and of those that it replaces, that the other end shall terminate."""
    names = {item.connection, *item.replaces}
    found = read_sas(router.vici, adopted=frozenset(names))
    return frozenset(sa.spis for sa in found if sa.connection in names and sa.version == item.former_version)


def retire_known(router: Router, spis: frozenset[str]) -> None:
    """Terminate IKE_SAs that the peer knows by these SPIs, their children first."""
    time.sleep(OVERLAP)
    old = [sa for sa in read_sas(router.vici, every=True) if sa.spis in spis]
    children = [("child-id", child.id) for sa in old for child in sa.children]
    retire(router.vici, [*children, *(("ike-id", sa.id) for sa in old)])


def end_stuck(vici: Vici, connections: Collection[str]) -> None:
    """End every IKE_SA of some connections that is not up yet, on this side alone: it may wait for its next
    retransmission for more than a minute, and what is initiated would join it (ike_sa_manager.c,
    checkout_by_config)."""
    found = read_sas(vici, adopted=frozenset(connections))
    stuck = [sa.id for sa in found if sa.connection in connections and sa.state == "CONNECTING"]
    retire(vici, [("ike-id", number) for number in stuck], force=True)


def retire(vici: Vici, doomed: Sequence[tuple[str, str]], *, force: bool = False) -> None:
    """End SAs, each as VICI's terminate names it (`child-id` or `ike-id`, number); with `force` on this side
    alone where the peer is silent."""
    for key, number in doomed:
        try:
            message = {key: number, "timeout": _ANSWER_TIMEOUT, "loglevel": "-1"}
            if force:
                message |= {"force": "yes", "timeout": _FORCED_TIMEOUT}
            for _ in vici.stream("terminate", "control-log", message):
                pass
        except CommandRejected:
            # It ended by itself, or its peer is silent; an SA that stays is found by the next plan.
            continue
