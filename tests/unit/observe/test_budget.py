"""How much one router may report."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.engine import until
from reconciler.model import bounds
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.observe.follow import Budget, Follower
from tests.contract.sites import memory_site
from tests.unit.observe.test_standing import updown


def test_a_budget_is_spent_and_comes_back() -> None:
    budget = Budget(burst=10, rate=2.0, now=0.0)
    assert budget.spend(0.0, 8)
    assert not budget.spend(0.0, 3)
    assert not budget.spend(0.5, 1)
    assert budget.spend(1.5, 1)


@pytest.mark.parametrize("messages", [1, 40])
def test_what_counts_is_what_messages_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: int
) -> None:
    """One message may report as much as many."""
    monkeypatch.setattr(bounds, "EVENTS_BURST", 100)
    monkeypatch.setattr(bounds, "EVENTS_PER_SECOND", 0.0)
    monkeypatch.setattr(bounds, "FOLLOW_TICK", 0.0)
    site = memory_site(tmp_path)
    reported: list[TunnelEvent] = []
    spis = [f"{number:x}" for number in range(1, 120 // messages + 1)]
    flood = [updown(*spis, up=turn % 2 == 0) for turn in range(messages)]

    tunnels = [tunnel for tunnel in site.fabric.tunnels.values() if tunnel.router == "paris"]
    follower = Follower("paris", site.connect, tunnels, reported.extend)
    follower.start()
    try:
        assert until(lambda: not follower.why_not, 20)
        for message in flood:
            site.connect("paris").vici.happens("child-updown", message)  # type: ignore[attr-defined]
        assert until(lambda: "more than 100 events" in follower._why, 20)
    finally:
        follower.stop()
    assert len(reported) <= 100
