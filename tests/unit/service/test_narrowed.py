"""A peer that has narrowed the selectors: the commit stays, each run asks again, and nothing is hurt."""

from __future__ import annotations

from pathlib import Path

from reconciler.model.events import Drift
from reconciler.model.record import Result
from tests.documents import SITE, WAN, document
from tests.unit.service.followed import KEYED, Followed, followed

MORE = "10.77.0.0/24"


def tokyo(site: Followed, *, caught_up: bool) -> None:
    """What the administrator of the other end has configured."""
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    if caught_up:
        [connection] = site.routers["tokyo"].vici.connections.values()
        connection["children"]["net"]["local_ts"].append(MORE)


def test_a_commit_that_its_peer_lags_behind_is_not_rolled_back(tmp_path: Path) -> None:
    site = followed(tmp_path, managed=("paris",))
    tokyo(site, caught_up=False)
    good = site.once()
    assert good.result is Result.CHANGED, good.message
    added = site.edit("paris-tunnel.yaml", "cidrs: [10.2.0.0/24]", f"cidrs: [10.2.0.0/24, {MORE}]")
    record = site.once()
    assert record.result is Result.HELD, record.message
    assert (
        f"the peer has agreed to 10.1.0.0/24 === 10.2.0.0/24, not to 10.1.0.0/24 === {MORE}" in record.message
    )
    running = site.spis()
    for _ in range(2):
        again = site.once()
        assert (again.result, again.in_force) == (Result.HELD, added)
        assert [drift.reason for drift in again.of(Drift)] == ["the peer has narrowed the traffic selectors"]
        assert site.spis() == running, "what runs is left alone"
    # Another commit is not the worse for it, and neither is the one before it.
    described = site.edit("paris-tunnel.yaml", "pfs: dh-group14", "pfs: dh-group14, lifetime: 1800")
    assert site.once().result is Result.HELD
    assert site.once().in_force == described
    tokyo(site, caught_up=True)
    record = site.once()
    assert record.result is Result.CHANGED, record.message
    assert site.once().result is Result.IN_SYNC
