"""What rounds of probes make of a connection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.condition import Carriage, ConnectionCondition, LastChange, State
from reconciler.model.outcome import Echoes
from reconciler.verify.carriage import (
    CONFIRMED,
    RTT_LEAST,
    RTT_ROUNDS,
    Memory,
    Reading,
    after,
    begun,
    with_carriage,
)

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
SPIS = ("c1", "c2")
DOWN = Reading(State.DOWN, "no IKE_SA at paris")
AWAY = Reading(State.UNKNOWN, "paris does not answer")
OFF = Reading(State.DISABLED)


def new(target: str = "10.2.0.1") -> Memory:
    return begun(Carriage("a", "paris", "a", State.UNKNOWN, "not probed yet", BEGAN, BEGAN, target=target))


def answered(received: int = 3, rtt: float = 0.01, state: State = State.UP) -> Reading:
    return Reading(
        state, "no CHILD_SA for x" if state is State.DEGRADED else "", {}, Echoes(3, received, rtt)
    )


def counted(came: int, went: int, echo: Echoes | None = None) -> Reading:
    return Reading(State.UP, "", {SPIS: (came, went)}, echo)


def judged(memory: Memory, readings: Iterable[Reading]) -> tuple[Memory, list[State]]:
    """A connection after some rounds, and its state after each."""
    states = []
    for reading in readings:
        memory = after(memory, reading, memory.carriage.at + timedelta(minutes=1), 60)
        states.append(memory.carriage.state)
    return memory, states


UNANSWERED = Echoes(3, 0)
LOSSY = [answered(2)] * 6
SLOW = [answered(rtt=0.05)]


@pytest.mark.parametrize(
    ("readings", "state", "reason"),
    [
        ([answered()], State.CARRYING, ""),
        # One that has never been seen to carry, and one that has.
        ([counted(0, 9 * n, UNANSWERED) for n in range(3)], State.SILENT, "10.2.0.1 does not answer, and no"),
        ([answered(), *[Reading(State.UP, "", {}, UNANSWERED)] * 3], State.SILENT, "10.2.0.1 does not"),
        ([answered(), *[DOWN] * 3], State.DOWN, "no IKE_SA at paris"),
        ([answered(), *[AWAY] * 3], State.UNKNOWN, "paris does not answer"),
        ([answered(), OFF], State.DISABLED, ""),
        ([OFF, *[answered()]], State.CARRYING, ""),
        ([answered(), *LOSSY], State.DEGRADED, "packets are lost"),
        ([answered()] * RTT_LEAST + SLOW * 3, State.DEGRADED, "packets take longer than they usually do"),
        ([answered()] * (RTT_LEAST - 3) + SLOW * 2, State.CARRYING, ""),
        ([answered(rtt=0.0002)] * RTT_LEAST + [answered(rtt=0.02)] * 3, State.CARRYING, ""),
        ([answered(state=State.DEGRADED)] * 3, State.DEGRADED, "no CHILD_SA for x"),
        # Its target has gone, and others' packets come.
        (
            [answered(), *(counted(5 * n, 5 * n, UNANSWERED) for n in range(5))],
            State.DEGRADED,
            "10.2.0.1 does not answer, although other packets arrive",
        ),
        # Its target has never answered, or there is none: the counters show.
        ([counted(5 * n, 5 * n, UNANSWERED) for n in range(2)], State.CARRYING, ""),
        ([counted(5 * n, 5 * n) for n in range(2)], State.CARRYING, ""),
        ([counted(7, 5 * n) for n in range(5)], State.SILENT, "packets are sent, and none arrives"),
        ([counted(7, n) for n in range(5)], State.UNKNOWN, "it is up, and no packet has shown"),
        ([counted(7, 7)] * 5, State.UNKNOWN, "it is up, and no packet has shown"),
        ([counted(1, 1), counted(2, 2), *[counted(2, 2)] * 5], State.CARRYING, ""),
    ],
)
def test_rounds_make_a_state(readings: list[Reading], state: State, reason: str) -> None:
    memory, _ = judged(new(), readings)
    assert (memory.carriage.state, memory.carriage.reason[: len(reason)]) == (state, reason)


def test_another_state_needs_several_rounds_in_a_row() -> None:
    silent = Reading(State.UP, "", {}, UNANSWERED)
    memory, _ = judged(new(), [answered()])
    since = memory.carriage.since
    # One that flaps is reported as what it was.
    flapping, states = judged(memory, [silent, silent, answered()] * 5)
    assert set(states) == {State.CARRYING}
    assert flapping.carriage.since == since
    left, states = judged(memory, [silent] * CONFIRMED)
    assert states == [*[State.CARRYING] * (CONFIRMED - 1), State.SILENT]
    assert left.carriage.since == memory.carriage.at + timedelta(minutes=1), "the first of them"
    assert left.carriage.proven == memory.carriage.at
    assert left.carriage.loss == 0.75
    # Bad ones that take turns are bad all the same.
    assert judged(memory, [silent, DOWN, silent])[1][-1] is State.SILENT
    back, states = judged(left, [answered()] * 2)
    assert states == [State.SILENT, State.SILENT]
    assert judged(back, [answered()])[1] == [State.CARRYING]


def test_a_router_that_does_not_answer_confirms_no_other_state() -> None:
    """It may have restarted: one round without a reply after that is one round."""
    up, _ = judged(new(), [answered()])
    silent = counted(0, 0, Echoes(3, 0))
    _, states = judged(up, [AWAY] * (CONFIRMED - 1) + [silent])
    assert set(states) == {State.CARRYING}
    _, states = judged(up, [AWAY] * (CONFIRMED - 1) + [silent] * CONFIRMED)
    assert states[-2:] == [State.CARRYING, State.SILENT]


def test_the_loss_of_an_outage_is_no_loss_of_packets() -> None:
    silent = Reading(State.UP, "", {}, UNANSWERED)
    memory, states = judged(new(), [answered(), *[silent] * 5, *[answered()] * 3])
    assert states[-1] is State.CARRYING
    assert memory.carriage.loss is not None
    assert memory.carriage.loss > 0.4


def test_what_takes_longer_for_good_is_the_usual_one_at_last() -> None:
    memory, states = judged(new(), [answered()] * RTT_ROUNDS + SLOW * (RTT_ROUNDS // 2 + CONFIRMED))
    assert State.DEGRADED in states
    assert states[-1] is State.CARRYING
    assert memory.carriage.baseline == 0.05
    # Another process goes on with what this one has kept.
    _, states = judged(begun(memory.carriage), [answered(rtt=0.2)] * CONFIRMED)
    assert states[-1] is State.DEGRADED


def test_a_connection_that_is_up_is_what_the_service_has_seen_lately() -> None:
    memory, _ = judged(new(), [Reading(State.UP, "", {}, UNANSWERED)] * 3)
    seen, change = memory.carriage, LastChange(BEGAN, "0" * 40, "Ann")
    up = ConnectionCondition("a", State.UP, "", ())
    [found] = with_carriage([up], {"a": seen}, {"a": change}, seen.at + timedelta(seconds=180))
    assert (found.state, found.reason, found.last_change) == (State.SILENT, seen.reason, change)
    [stale] = with_carriage([up], {"a": seen}, {}, seen.at + timedelta(seconds=181))
    assert (stale.state, stale.carriage) == (State.UP, seen)
    # The budget of its router allows no more rounds than that.
    seldom = replace(seen, interval=150)
    [found] = with_carriage([up], {"a": seldom}, {}, seen.at + timedelta(seconds=450))
    assert found.state is State.SILENT
    assert with_carriage([up], {}, {}, BEGAN) == (up,)
    down = ConnectionCondition("a", State.DOWN, "no IKE_SA", ())
    [found] = with_carriage([down], {"a": seen}, {}, seen.at)
    assert found.state is State.DOWN, "what is there now counts"
