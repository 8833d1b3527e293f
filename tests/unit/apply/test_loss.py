"""How many requests a second are sent to measure what an apply costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.apply import loss
from reconciler.apply.loss import INTERVAL, measured
from tests.contract.sites import change_tunnels, memory_site


@pytest.mark.parametrize(("pace", "interval"), [(1 / INTERVAL, INTERVAL), (10.0, 0.1)], ids=["few", "many"])
def test_streams_share_what_may_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pace: float, interval: float
) -> None:
    """In memory a stream is two requests; the second one wakes a trap, and is lost."""
    monkeypatch.setattr(loss, "STREAM_PACE", pace)
    site = memory_site(tmp_path)
    site.apply()
    before = site.preview(change_tunnels(site.fabric, esp__lifetime=1800))
    with measured(before.plan, before.fabric, before.observation, site.fleet) as cost:
        site.connect("paris").restart_charon()  # type: ignore[attr-defined]  # it is one in memory
    assert [(item.lost, item.sent, item.longest) for item in cost.losses] == [(1, 2, interval)]
