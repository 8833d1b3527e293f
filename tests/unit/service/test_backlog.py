"""What waits to be written: no router takes the place, or the turn, of another one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.service.backlog import Backlog

NOW = datetime(2026, 5, 9, 12, 0, tzinfo=UTC)


def events(router: str, count: int, first: int = 0) -> list[TunnelEvent]:
    return [
        TunnelEvent(NOW + timedelta(seconds=second), router, f"{router}-x", TunnelChange.DOWN)
        for second in range(first, first + count)
    ]


def waiting(backlog: Backlog) -> dict[str, int]:
    found: dict[str, int] = {}
    while taken := backlog.take(1, 0):
        found[taken[0].router] = found.get(taken[0].router, 0) + 1
    return found


def test_what_arrives_is_taken_in_its_order() -> None:
    backlog = Backlog(100)
    reported = [*events("paris", 3), *events("tokyo", 2), *events("paris", 2, 3)]
    for event in reported:
        backlog.put([event])
    assert backlog.take(100, 0) == reported
    assert backlog.empty
    assert backlog.take(100, 0) == []


def test_a_router_that_reports_much_at_once_may_use_what_is_free() -> None:
    backlog = Backlog(100)
    backlog.put(events("paris", 90))
    backlog.put(events("tokyo", 10))
    assert not backlog.dropped()
    assert waiting(backlog) == {"paris": 90, "tokyo": 10}


def test_a_router_that_floods_takes_no_place_of_another_one() -> None:
    """The one that comes first."""
    backlog = Backlog(100)
    backlog.put(events("tokyo", 5))
    backlog.put(events("paris", 500))
    backlog.put(events("tokyo", 5, 5))
    backlog.put(events("oslo", 10))
    assert backlog.dropped() == {"paris": 420}
    assert waiting(backlog) == {"paris": 80, "tokyo": 10, "oslo": 10}


def test_what_gives_way_is_the_latest_of_the_longest_line() -> None:
    backlog = Backlog(4)
    backlog.put(events("paris", 4))
    backlog.put(events("tokyo", 1))
    assert [event for event in backlog.take(9, 0) if event.router == "paris"] == events("paris", 3)


def test_a_router_that_floods_takes_no_turn_of_another_one() -> None:
    backlog = Backlog(1000)
    backlog.put(events("paris", 900))
    backlog.put(events("tokyo", 5))
    backlog.put(events("oslo", 30))
    taken = [event.router for event in backlog.take(60, 0)]
    assert (taken.count("tokyo"), taken.count("oslo"), taken.count("paris")) == (5, 27, 28)
