"""Rounds of probes -> what a connection does: carrying, degraded, up and carrying nothing, down. Pure.

A round is one visit of the router at one end: its SAs with their counters, and the replies to echo requests
where something answers behind the other end. A state is reported once CONFIRMED rounds in a row have shown
it, so that neither one lost reply nor a tunnel that goes down and up is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median
from typing import Final, TypeAlias

from reconciler.facets.sas import agreement
from reconciler.model.condition import IMPAIRED, Carriage, ConnectionCondition, LastChange, State
from reconciler.model.outcome import Echoes
from reconciler.model.router_config import IkeSa
from reconciler.verify.condition import UNHEARD, in_order

CONFIRMED: Final = 3
"""Rounds in a row that make another state."""
LOSS_ROUNDS: Final = 10
"""Rounds that count for loss."""
LOST_LEAST: Final = 3
"""Lost requests of these from which on a tunnel is degraded, if they are LOST_SHARE of all as well. Rounds
without any reply do not count: they show a tunnel that carries nothing."""
LOST_SHARE: Final = 0.1
RTT_ROUNDS: Final = 30
"""Rounds whose median is the baseline of round trips: after half of them another path is the usual one."""
RTT_LEAST: Final = 10
"""Rounds from which on there is a baseline."""
RTT_FACTOR: Final = 2.0
RTT_MARGIN: Final = 0.02
"""Seconds. A round trip is long if it takes RTT_FACTOR times the baseline and this: twice as much as 0.2 ms
is no finding."""
STALE: Final = 3
"""Intervals after which what the service has seen last says nothing of now."""

Counters: TypeAlias = Mapping[tuple[str, str], tuple[int, int]]
"""The packets that CHILD_SAs have decrypted and encrypted, by their SPIs."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one round has shown. Without `failure` the router has answered; `state` and `reason` are what its
    SAs say."""

    state: State
    reason: str = ""
    counters: Counters = field(default_factory=dict)
    echo: Echoes | None = None
    """What came back; None where nothing was sent."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A connection, and what the next round is compared with."""

    carriage: Carriage
    rtts: tuple[float, ...] = ()
    echoes: tuple[tuple[int, int], ...] = ()
    """Sent and received in each of the last rounds."""
    counters: Counters | None = None
    """Of the last round that was answered; None before the first."""
    pending: int = 0
    """Rounds in a row that have shown something else than its state."""
    pending_state: State | None = None
    """What the last of them has shown."""
    pending_since: datetime | None = None
    answered: bool = False
    """Whether its target has ever answered."""
    impaired: bool = False
    """Whether it was when its state was known last."""


def begun(carriage: Carriage) -> Memory:
    """A connection that another process has probed before, or none."""
    known = () if carriage.baseline is None else (carriage.baseline,) * RTT_LEAST
    answered = carriage.baseline is not None
    return Memory(carriage, rtts=known, answered=answered, impaired=carriage.state in IMPAIRED)


def counters_of(running: Iterable[IkeSa]) -> Counters:
    """The counters of the CHILD_SAs that decrypt what comes."""
    return {child.spis: (child.packets_in, child.packets_out) for child in agreement.carrying(running)}


def after(memory: Memory, reading: Reading, now: datetime, interval: float) -> Memory:
    """A connection after one more round; the next one is in `interval` seconds."""
    came, went = _moved(memory.counters, reading.counters)
    measured = _measured(memory, reading)
    echo = reading.echo
    shown, reason = _shown(measured, reading, came, went)
    arrived = bool(came or (echo and echo.received))
    proven = now if arrived else measured.carriage.proven
    carriage = replace(measured.carriage, at=now, interval=interval, proven=proven)
    seen = reading.state is not State.UNKNOWN
    moved = replace(measured, carriage=carriage, counters=reading.counters if seen else memory.counters)
    return _turned(moved, shown, reason, now)


def with_carriage(
    found: Iterable[ConnectionCondition],
    carried: Mapping[str, Carriage],
    last_changes: Mapping[str, LastChange],
    now: datetime,
) -> tuple[ConnectionCondition, ...]:
    """Conditions with what the service knows of them, those in trouble first."""
    return in_order(_known(one, carried.get(one.name), last_changes.get(one.name), now) for one in found)


def _known(
    one: ConnectionCondition, carriage: Carriage | None, last_change: LastChange | None, now: datetime
) -> ConnectionCondition:
    """Of a connection that is up now, the service has seen whether it carries, unless that was long ago."""
    one = replace(one, carriage=carriage, last_change=last_change)
    if carriage is None or one.state is not State.UP or carriage.state not in {State.CARRYING, *IMPAIRED}:
        return one
    if (now - carriage.at).total_seconds() > STALE * carriage.interval:
        return one
    return replace(one, state=carriage.state, reason=carriage.reason)


def _moved(before: Counters | None, now: Counters) -> tuple[int, int]:
    """The packets that were decrypted and encrypted since the round before; of an SA that is new, all."""
    if before is None:
        return 0, 0
    pairs = [(counts, before.get(spis, (0, 0))) for spis, counts in now.items()]
    came, went = (sum(max(0, new[way] - old[way]) for new, old in pairs) for way in (0, 1))
    return came, went


def _measured(memory: Memory, reading: Reading) -> Memory:
    """With the loss and the round trip of this round."""
    echo = reading.echo
    if echo is None or not echo.sent:
        return memory
    echoes = (*memory.echoes, (echo.sent, echo.received))[-LOSS_ROUNDS:]
    rtts = memory.rtts if echo.rtt is None else (*memory.rtts, echo.rtt)[-RTT_ROUNDS:]
    sent, received = (sum(column) for column in zip(*echoes, strict=True))
    carriage = replace(
        memory.carriage,
        loss=1 - received / sent,
        rtt=memory.carriage.rtt if echo.rtt is None else echo.rtt,
        baseline=median(rtts) if len(rtts) >= RTT_LEAST else None,
    )
    answered = memory.answered or bool(echo.received)
    return replace(memory, carriage=carriage, echoes=echoes, rtts=rtts, answered=answered)


def _shown(memory: Memory, reading: Reading, came: int, went: int) -> tuple[State, str]:
    """What a round shows by itself, and why."""
    if reading.state not in {State.UP, State.DEGRADED}:
        return reading.state, reading.reason
    carriage, echo = memory.carriage, reading.echo
    if echo is not None and echo.received:
        state, reason = _answered(memory, echo)
    elif came:
        # Others' packets come, be it that what was asked does not answer.
        quiet = echo is not None and memory.answered
        state = State.DEGRADED if quiet else State.CARRYING
        reason = f"{carriage.target} does not answer, although other packets arrive" if quiet else ""
    elif echo is not None:
        state, reason = State.SILENT, f"{carriage.target} does not answer, and no packet arrives"
    elif went >= UNHEARD:
        state, reason = State.SILENT, "packets are sent, and none arrives"
    elif carriage.state in {State.CARRYING, State.SILENT}:
        # An idle tunnel shows nothing new.
        state, reason = carriage.state, carriage.reason
    else:
        state, reason = State.UNKNOWN, "it is up, and no packet has shown whether it carries any"
    if reading.state is State.DEGRADED and state is not State.SILENT:
        return State.DEGRADED, reading.reason
    return state, reason


def _answered(memory: Memory, echo: Echoes) -> tuple[State, str]:
    """What replies show."""
    rounds = [(sent, received) for sent, received in memory.echoes if received]
    sent, received = (sum(column) for column in zip(*rounds, strict=True))
    if sent - received >= LOST_LEAST and (sent - received) / sent >= LOST_SHARE:
        return State.DEGRADED, "packets are lost"
    baseline = memory.carriage.baseline
    if echo.rtt is not None and baseline is not None and echo.rtt > RTT_FACTOR * baseline + RTT_MARGIN:
        return State.DEGRADED, "packets take longer than they usually do"
    return State.CARRYING, ""


def _turned(memory: Memory, shown: State, reason: str, now: datetime) -> Memory:
    """In another state, if enough rounds have shown one."""
    carriage = memory.carriage
    if shown is carriage.state:
        # Why nothing is known may change; of all else the first reason stays, so that it is reported once.
        reason = reason if shown is State.UNKNOWN else carriage.reason
        return _settled(memory, replace(carriage, reason=reason))
    if State.UNKNOWN in {shown, memory.pending_state} and shown is not memory.pending_state:
        # A round of which nothing is known confirms no other state, and none confirms that.
        memory = replace(memory, pending=0, pending_since=None)
    since = memory.pending_since or now
    # Nothing was known, or a document says so: that is no matter of packets.
    certain = State.DISABLED in {shown, carriage.state} or (
        carriage.state is State.UNKNOWN and shown is State.CARRYING
    )
    if not certain and memory.pending + 1 < CONFIRMED:
        return replace(memory, pending=memory.pending + 1, pending_state=shown, pending_since=since)
    turned = replace(carriage, state=shown, reason=reason, since=since)
    return _settled(memory, turned)


def _settled(memory: Memory, carriage: Carriage) -> Memory:
    """Nothing is pending any more."""
    known = carriage.state is not State.UNKNOWN
    impaired = carriage.state in IMPAIRED if known else memory.impaired
    return replace(
        memory, carriage=carriage, impaired=impaired, pending=0, pending_state=None, pending_since=None
    )
