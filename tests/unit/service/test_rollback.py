"""Which commit counts as good, and going back to it, over a real repository and routers in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.locking import locked
from reconciler.model.errors import Locked, SourceUnavailable, TunnelwrightError
from reconciler.model.record import Result
from reconciler.model.router_config import InterfaceAddress
from reconciler.service.repository import FollowedRepository
from tests.documents import SITE, WAN, document
from tests.memory import MemoryRouter
from tests.unit.service.followed import KEYED, followed


def test_a_change_that_does_not_prove_good_is_rolled_back(tmp_path: Path) -> None:
    """The peer is not ours, and does not take the new proposal."""
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    good = site.once()
    assert good.result is Result.CHANGED, good.message
    bad = site.edit("paris-tunnel.yaml", "{pfs: dh-group14}", "{encryption: aes-128}")
    record = site.once()
    assert record.result is Result.ROLLED_BACK, record.message
    assert f"rolled back to {good.head[:12]}" in record.message
    sas = site.routers["paris"].vici.sas
    assert [child.proposal for sa in sas for child in sa.children] == ["aes256-sha256-modp2048"]
    later = site.once()
    assert (later.head, later.in_force) == (bad, good.head)
    assert "was rolled back" in later.message
    site.apply_foreign(
        WAN,
        document(SITE, "tokyo"),
        document(KEYED, "tokyo").replace("{pfs: dh-group14}", "{encryption: aes-128}"),
    )
    assert site.once().in_force == good.head, "it is bad until it changes"
    site.edit("paris-tunnel.yaml", "{encryption: aes-128}", "{encryption: aes-128, lifetime: 1800}")
    assert site.once().result is Result.CHANGED


def test_a_router_that_another_run_has_locked_is_not_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going back is a change as well."""
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    site.once()

    @contextmanager
    def losing(
        *arguments: Any, lost: dict[str, TunnelwrightError], **options: Any
    ) -> Iterator[Mapping[str, TunnelwrightError]]:
        with locked(*arguments, lost=lost, **options) as refused:
            lost["paris"] = Locked("you@there", router="paris")
            yield refused

    monkeypatch.setattr("reconciler.operations.converge.locked", losing)
    site.edit("paris-tunnel.yaml", "{pfs: dh-group14}", "{encryption: aes-128}")
    record = site.once()
    assert record.result is Result.INCOMPLETE, record.message
    assert "its lock was lost: you@there" in record.message
    assert "rolled back" not in record.message


def test_a_router_that_a_bad_commit_has_brought_is_no_obstacle_to_going_back(tmp_path: Path) -> None:
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    site.once()
    addresses = [InterfaceAddress("eth0", "203.0.113.3/24"), InterfaceAddress("eth1", "10.3.0.1/24")]
    site.routers["oslo"] = MemoryRouter("oslo", site.network, addresses)
    site.commit({"oslo.yaml": SITE.format(here="oslo", me=3)})
    site.edit("paris-tunnel.yaml", "{pfs: dh-group14}", "{encryption: aes-128}")
    assert site.once().result is Result.ROLLED_BACK


def test_a_forgiven_commit_is_tried_again(tmp_path: Path) -> None:
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    site.once()
    bad = site.edit("paris-tunnel.yaml", "{pfs: dh-group14}", "{encryption: aes-128}")
    site.once()
    service = site.service()
    service.dependencies.history.forgive(bad[:12])
    assert service.once().result is Result.ROLLED_BACK


def test_without_rollback_a_bad_change_stays_for_a_person(tmp_path: Path) -> None:
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    site.once()
    site.edit("paris-tunnel.yaml", "{pfs: dh-group14}", "{encryption: aes-128}")
    assert site.once(rollback=False).result is Result.INCOMPLETE


def test_a_new_tunnel_whose_peer_is_not_ready_is_not_rolled_back(tmp_path: Path) -> None:
    site = followed(tmp_path, managed=("paris",))
    record = site.once()
    assert record.result is Result.INCOMPLETE
    waiting = site.once()
    assert waiting.result is Result.IN_SYNC
    assert waiting.message == "1 tunnel is configured but down: paris-tokyo"


@pytest.mark.parametrize("cause", ["locked", "absent"])
def test_a_commit_of_which_nothing_was_applied_is_not_what_is_gone_back_to(
    tmp_path: Path, cause: str
) -> None:
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    good = site.once().head
    bad = site.edit("paris-tunnel.yaml", "{pfs: dh-group14}", "{encryption: aes-128}")
    if cause == "locked":
        site.routers["paris"].host.lock("you@there:2", 60)
    else:
        site.unplugged["paris"] = "no route"
    service = site.service()
    assert service.once().result is Result.INCOMPLETE
    history = service.dependencies.history
    assert (history.good(), history.reached()["paris"]) == (good, good)
    assert service.dependencies.repository.kept() == good
    site.routers["paris"].host.unlock("you@there:2")
    site.unplugged.clear()
    record = site.once()
    assert (record.head, record.result) == (bad, Result.ROLLED_BACK), record.message
    assert f"rolled back to {good[:12]}" in record.message


def test_a_commit_that_was_applied_at_some_routers_is_not_good_yet(tmp_path: Path) -> None:
    site = followed(tmp_path)
    good = site.once().head
    site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    head = site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    for router in site.routers.values():
        router.host.table = None
    site.routers["paris"].host.lock("you@there:2", 60)
    service = site.service()
    record = service.once()
    assert record.result is Result.INCOMPLETE, record.message
    assert (site.routers["paris"].host.table, site.routers["tokyo"].host.table is None) == (None, False)
    assert service.dependencies.history.good() == good
    assert service.dependencies.history.reached()["paris"] == good
    site.routers["paris"].host.unlock("you@there:2")
    service.once()
    assert service.dependencies.history.good() == head


def test_a_router_that_only_drifts_keeps_no_commit_from_becoming_good(tmp_path: Path) -> None:
    """What is left alone there is no part of the commit, and what comes later has to go back to this one."""
    site = followed(tmp_path)
    site.once()
    head = site.commit({"note.yaml": "# nothing\n"})
    for router in site.routers.values():
        router.host.table = None
    site.routers["paris"].host.lock("you@there:2", 60)
    service = site.service()
    assert service.once().result is Result.INCOMPLETE
    assert service.dependencies.history.good() == head


def test_a_key_that_the_peer_does_not_have_yet_waits_for_it(tmp_path: Path) -> None:
    """The peer is not ours: it gets the new key when its administrator comes to it."""
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    assert site.once().result is Result.CHANGED
    before = site.spis()
    head = site.edit("paris-tunnel.yaml", "env: KEY", "env: NEXT")
    for _ in range(2):
        record = site.once()
        assert (record.result, record.in_force) == (Result.INCOMPLETE, head), "it is not rolled back"
        assert "the previous configuration and key are loaded again: paris" in record.message
        assert site.spis() == before
    site.apply_foreign(
        WAN, document(SITE, "tokyo"), document(KEYED, "tokyo").replace("env: KEY", "env: NEXT")
    )
    assert site.once().result is Result.CHANGED
    assert len(site.routers["paris"].vici.shared) == 1
    assert site.once().result is Result.IN_SYNC


def test_a_good_commit_that_cannot_be_kept_is_good_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: FollowedRepository, __: str) -> None:
        raise SourceUnavailable("no space left")

    monkeypatch.setattr(FollowedRepository, "keep", full)
    record = followed(tmp_path).once()
    assert record.result is Result.CHANGED
    assert "no space left" in record.message
