"""When which connections are probed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from reconciler.model import bounds
from reconciler.model.bounds import KIB
from reconciler.service.rounds import AGAIN, BURST, Rounds, Way


class Clock:
    """Seconds go by as there is something to do; a round takes as long as its packets do."""

    def __init__(self, rounds: Rounds, pace: float) -> None:
        self.rounds = rounds
        self.pace = pace
        self.now = 0.0
        self.visits: list[tuple[float, str, tuple[str, ...]]] = []

    def run(self, until: float, again: frozenset[str] = frozenset()) -> None:
        going: list[tuple[float, str, tuple[str, ...]]] = []
        while True:
            self.now = max(self.now, min([self.rounds.next_due(), *(end for end, _, _ in going)]))
            if self.now > until:
                return
            for item in [item for item in going if item[0] <= self.now]:
                going.remove(item)
                self.rounds.ended(item[1], item[2], self.now, again)
            for router, names in self.rounds.take(self.now):
                self.visits.append((self.now, router, names))
                going.append((self.now + len(names) * bounds.PROBE_REQUESTS / self.pace, router, names))

    def times(self, name: str) -> list[float]:
        return [at for at, _, names in self.visits if name in names]


def clock(ways: list[Way], pace: float = 20.0) -> Clock:
    rounds = Rounds(pace)
    rounds.follow(ways, 0.0)
    return Clock(rounds, pace)


def test_one_round_of_a_router_visits_it_once() -> None:
    ways = [Way(f"{router}-{n}", router, 60, 3) for router in ("paris", "tokyo") for n in range(50)]
    service = clock(ways)
    service.run(600)
    assert Counter(router for _, router, _ in service.visits) == {"paris": 10, "tokyo": 10}
    assert all(len(names) == 50 for _, _, names in service.visits)
    gaps = {round(later - earlier) for earlier, later in pairwise(service.times("paris-7"))}
    assert gaps == {60}


def test_routers_are_spread_over_the_interval_and_stay_where_they_are() -> None:
    ways = [Way(f"t{n}", f"router-{n}", 60, 3) for n in range(600)]
    service = clock(ways)
    service.run(59.99)
    assert len(service.visits) == 600
    per_second = Counter(int(at) for at, _, _ in service.visits)
    assert max(per_second.values()) < 30
    again = clock(ways)
    again.run(59.99)
    assert again.visits == service.visits, "no chance is in it"


@pytest.mark.parametrize("role", ["sends", "answers"])
def test_a_router_has_a_budget_and_the_excess_is_spread_over_a_longer_interval(role: str) -> None:
    if role == "sends":
        ways = [Way(f"t{n}", "hub", 60, 3) for n in range(250)]
    else:
        ways = [Way(f"t{n}", f"spoke-{n}", 60, 3, "hub") for n in range(250)]
    service = clock(ways, pace=5.0)
    assert service.rounds.shortest == {"hub": 150}
    assert set(service.rounds.intervals().values()) == {150}
    service.run(450)
    visits = [(at, len(names) * bounds.PROBE_REQUESTS) for at, _, names in service.visits]
    assert max(count for _, count in visits) <= 5 * bounds.PROBE_VISIT_SECONDS
    for first in range(0, 450, 50):
        assert sum(count for at, count in visits if first <= at < first + 50) <= 1.3 * 5 * 50
    # Each gets its turn, as often as the budget allows.
    counts = Counter(name for _, _, names in service.visits for name in names)
    assert len(counts) == 250
    assert 2 <= min(counts.values()) <= max(counts.values()) <= 4


def test_what_all_have_shown_something_new_is_within_the_budget_too() -> None:
    ways = [Way(f"t{n}", f"spoke-{n}", 60, 3, "hub") for n in range(200)]
    service = clock(ways)
    service.run(300, frozenset(way.name for way in ways))
    sent = sum(len(names) * bounds.PROBE_REQUESTS for at, _, names in service.visits if at >= 60)
    assert sent <= 20 * 240 * 1.05
    assert sent > 0.9 * 20 * 240, "sooner than the interval"


def test_what_is_within_the_budget_is_not_stretched() -> None:
    service = clock([Way(f"t{n}", "hub", 60, 3) for n in range(400)])
    assert service.rounds.shortest == {}
    assert service.rounds.intervals() == {"hub": 60}


def test_a_tunnel_that_is_probed_often_is_at_its_own_expense() -> None:
    """Once a second leaves no room for others: it is probed as often as they leave room for it."""
    ways = [Way("often", "hub", 1, 3), *(Way(f"t{n}", "hub", 60, 3) for n in range(40))]
    service = clock(ways, pace=4.0)
    assert service.rounds.shortest == {"hub": 1.5}
    assert service.rounds.interval(ways[0]) == 1.5
    assert {service.rounds.interval(way) for way in ways[1:]} == {60}


def test_rounds_side_by_side_are_within_the_budget_of_a_router_together() -> None:
    """All of them are late, for example because the service could not begin threads."""
    ways = [Way(f"to-{n}", f"spoke-{n}", 60, 3, "hub") for n in range(70)]
    ways += [Way(f"of-{n}", "hub", 60, 3, f"other-{n}") for n in range(30)]
    service = clock(ways, pace=10.0)
    service.now = 3600
    service.run(3660)
    pause = bounds.PROBE_REQUESTS / 10.0
    sent = [at + place * pause for at, _, names in service.visits for place, _ in enumerate(names)]
    for second in range(3600, 3660):
        packets = bounds.PROBE_REQUESTS * sum(second <= at < second + 1 for at in sent)
        assert packets <= 10.0 * (1 + BURST) + bounds.PROBE_REQUESTS
    assert len({name for _, _, names in service.visits for name in names}) == 100, "none waits for ever"


def test_what_was_late_is_not_made_up_for_at_once() -> None:
    rounds = Rounds(20)
    rounds.follow([Way("a", "hub", 60, 3)], 0.0)
    at = rounds.next_due()
    [(router, names)] = rounds.take(at)
    rounds.ended(router, names, at + 605)
    assert AGAIN <= rounds.next_due() - (at + 605) <= 60


def test_one_visit_has_so_many_tunnels_that_the_command_can_name_them() -> None:
    service = clock([Way(f"t{n:04}", "hub", 60, 3) for n in range(2500)], pace=10_000)
    service.run(60)
    assert [len(names) for _, _, names in service.visits] == [bounds.PROBE_WAYS, bounds.PROBE_WAYS, 500]
    longest = ("203.0.113.101", "203.0.113.102")
    assert len(" ".join(f"'{address}'" for address in longest * bounds.PROBE_WAYS)) < 64 * KIB


def test_what_only_counts_costs_no_packets() -> None:
    service = clock([Way(f"t{n}", "hub", 60) for n in range(5000)], pace=1.0)
    service.run(60)
    assert [len(names) for _, _, names in service.visits] == [5000]


def test_each_tunnel_has_its_own_interval() -> None:
    service = clock([Way("often", "hub", 10, 3), Way("seldom", "hub", 300, 3)])
    service.run(3000)
    assert 295 <= len(service.times("often")) <= 301
    assert 9 <= len(service.times("seldom")) <= 11


def test_what_has_shown_something_new_is_probed_again_soon() -> None:
    service = clock([Way("new", "hub", 60, 3), Way("old", "hub", 60, 3)])
    service.run(600, frozenset({"new"}))
    gaps = [later - earlier for earlier, later in pairwise(service.times("new"))]
    assert all(AGAIN <= gap < AGAIN + 1 for gap in gaps)
    assert len(service.times("old")) == 10


def test_a_router_that_does_not_answer_is_asked_ever_more_seldom() -> None:
    rounds = Rounds(20)
    rounds.follow([Way("a", "hub", 60, 3)], 0.0)
    now, gaps = rounds.next_due(), []
    for _ in range(10):
        assert len(list(rounds.take(now))) == 1
        assert rounds.next_due() == float("inf"), "one round of a router at a time"
        rounds.failed("hub", now)
        gaps.append(rounds.next_due() - now)
        now = rounds.next_due()
    assert gaps[0] == AGAIN
    assert gaps[-1] == 600
    assert gaps == sorted(gaps)


def test_a_newer_desired_state_keeps_the_times_of_what_it_has_too() -> None:
    rounds = Rounds(20)
    rounds.follow([Way("a", "hub", 600, 3), Way("b", "hub", 600, 3)], 0.0)
    due = rounds.next_due()
    rounds.follow([Way("a", "hub", 600, 3)], 1.0)
    assert rounds.next_due() == due
    rounds.follow([Way("a", "hub", 5, 3)], 2.0)
    assert rounds.next_due() <= 7
    rounds.follow([], 3.0)
    assert rounds.next_due() == float("inf")
