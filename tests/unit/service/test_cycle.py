"""Reconcile runs over a real repository and routers in memory."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from reconciler.facets.traces import Trace
from reconciler.history.kept import Kept
from reconciler.locking import locked
from reconciler.model.errors import AnswerNotUnderstood, CommandRejected, SourceUnavailable
from reconciler.model.record import Result
from reconciler.model.router_config import InterfaceAddress
from reconciler.model.secret import Secret
from reconciler.report.run_text import run_lines
from reconciler.routers.memory import MemoryRouter
from reconciler.routers.protocol import HostSnapshot
from reconciler.service import news
from reconciler.service.metrics import Metrics
from reconciler.service.mirror import Mirror
from tests.documents import SITE, WAN, document
from tests.odd import Twists, answers, changed, fails
from tests.unit.service.followed import KEY, KEYED, Followed, alone, followed

ENDS = ("paris-tunnel.yaml", "tokyo-tunnel.yaml")
SMALL = """\
apiVersion: tunnelwright/v1
kind: SafetyPolicy
metadata: {name: fleet}
spec:
  deletions: {maxShare: 40, minimum: 1}
"""
VIP = InterfaceAddress("eth0", "203.0.113.11/24")


def test_a_commit_is_applied_proven_and_then_in_sync(tmp_path: Path) -> None:
    site = followed(tmp_path)
    first = site.once()
    assert (first.result, first.in_force) == (Result.CHANGED, first.head), first.message
    assert {item["type"] for item in first.objects} >= {"resource_change", "outcome", "check"}
    again = site.once()
    assert (again.result, again.message) == (Result.IN_SYNC, "")
    changed = site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    third = site.once()
    assert third.result is Result.CHANGED
    assert third.head not in {first.head, changed}


def test_drift_is_healed(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    site.routers["paris"].host.addresses.discard(VIP)
    assert site.once().result is Result.CHANGED
    assert VIP in site.routers["paris"].host.addresses


def test_without_self_heal_drift_is_reported_and_commits_go_on(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    site.edit(
        "paris.yaml", "spec:\n  publicNetworks", "spec:\n  reconcile: {selfHeal: false}\n  publicNetworks"
    )
    site.once()
    site.routers["paris"].host.table = None
    held = site.once()
    assert held.result is Result.HELD
    assert "paris/firewall/inet tunnelwright (drifted, and not healed by itself)" in held.message
    assert site.routers["paris"].host.table is None
    site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    changed = site.once()
    assert changed.result is Result.CHANGED, changed.message
    assert site.routers["paris"].host.table is None, "the drift is still not ours to mend"


@pytest.mark.parametrize(("mode", "reason"), [("observe", "observed only"), ("suspend", "suspended")])
def test_the_stricter_end_of_a_tunnel_holds_back_both(tmp_path: Path, mode: str, reason: str) -> None:
    site = followed(tmp_path)
    site.once()
    site.edit("paris-tunnel.yaml", "spec:\n", f"spec:\n  reconcile: {{mode: {mode}}}\n")
    site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    held = site.once()
    assert held.result is Result.HELD
    assert f"tokyo/tunnel/tokyo-paris ({reason})" in held.message
    site.edit("paris-tunnel.yaml", f"  reconcile: {{mode: {mode}}}\n", "")
    assert site.once().result is Result.CHANGED


def test_without_prune_a_removed_tunnel_stays(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.commit(
        {
            "fleet.yaml": "apiVersion: tunnelwright/v1\nkind: FabricDefaults\nmetadata: {name: fleet}\n"
            "spec: {reconcile: {prune: false}}\n"
        }
    )
    site.once()
    site.commit({"paris-tunnel.yaml": None, "tokyo-tunnel.yaml": None})
    held = site.once()
    assert held.result is Result.HELD
    assert "(not pruned)" in held.message
    assert site.routers["paris"].vici.sas
    site.edit("fleet.yaml", "prune: false", "prune: true")
    assert site.once().result is Result.CHANGED
    assert not site.routers["paris"].vici.sas


def test_a_bad_commit_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    site = followed(tmp_path)
    good = site.once().head
    bad = site.edit("paris-tunnel.yaml", "203.0.113.12", "203.0.113.999")
    site.routers["paris"].host.addresses.discard(VIP)
    record = site.once()
    assert (record.head, record.in_force, record.result) == (bad, good, Result.INCOMPLETE)
    assert "is not valid: desired_state/paris-tunnel.yaml:9:14" in record.message
    assert f"{good[:12]} stays in force" in record.message
    assert VIP in site.routers["paris"].host.addresses, "drift is healed meanwhile"


def test_a_first_commit_that_is_bad_changes_nothing(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.edit("paris-tunnel.yaml", "203.0.113.12", "203.0.113.999")
    assert site.once().result is Result.FAILED
    assert not site.asked


def test_a_commit_of_ten_thousand_broken_lines_is_told_in_few(tmp_path: Path) -> None:
    site = followed(tmp_path)
    good = site.once().head
    site.commit({"broken.yaml": "apiVersion: tunnelwright/v1\nkind: Nonsense\n---\n" * 5_000})
    record = site.once()
    assert (record.in_force, record.result) == (good, Result.INCOMPLETE)
    assert "and 4999 more" in record.message
    told = [item for item in record.objects if item["type"] == "diagnostic" and item["severity"] == "error"]
    assert len(told) == 101
    assert sum(item["stands_for"] for item in told) == 5_000


def test_a_change_that_does_not_prove_good_is_taken_back(tmp_path: Path) -> None:
    """The peer is not ours, and does not take the new proposal."""
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    good = site.once()
    assert good.result is Result.CHANGED, good.message
    bad = site.edit("paris-tunnel.yaml", "{pfs: dh-group14}", "{encryption: aes-128}")
    record = site.once()
    assert record.result is Result.ROLLED_BACK, record.message
    assert f"went back to {good.head[:12]}" in record.message
    sas = site.routers["paris"].vici.sas
    assert [child.proposal for sa in sas for child in sa.children] == ["aes256-sha256-modp2048"]
    later = site.once()
    assert (later.head, later.in_force) == (bad, good.head)
    assert "was taken back" in later.message
    site.apply_foreign(
        WAN,
        document(SITE, "tokyo"),
        document(KEYED, "tokyo").replace("{pfs: dh-group14}", "{encryption: aes-128}"),
    )
    assert site.once().in_force == good.head, "it is bad until it changes"
    site.edit("paris-tunnel.yaml", "{encryption: aes-128}", "{encryption: aes-128, lifetime: 1800}")
    assert site.once().result is Result.CHANGED


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
    service.wiring.history.forgive(bad[:12])
    assert service.once().result is Result.ROLLED_BACK


def test_without_rollback_a_bad_change_stays_for_a_person(tmp_path: Path) -> None:
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    site.once()
    site.edit("paris-tunnel.yaml", "{pfs: dh-group14}", "{encryption: aes-128}")
    assert site.once(rollback=False).result is Result.INCOMPLETE


def test_a_new_tunnel_whose_peer_is_not_ready_is_not_taken_back(tmp_path: Path) -> None:
    site = followed(tmp_path, managed=("paris",))
    record = site.once()
    assert record.result is Result.INCOMPLETE
    waiting = site.once()
    assert waiting.result is Result.IN_SYNC
    assert waiting.message == "1 configured but down: paris-tokyo"


def test_an_absent_router_does_not_hold_up_the_others(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    site.unplugged["tokyo"] = "no route"
    site.routers["paris"].host.addresses.discard(VIP)
    service = site.service()
    record = service.once()
    assert record.result is Result.INCOMPLETE
    assert "tokyo is unreachable: no route" in record.message
    assert VIP in site.routers["paris"].host.addresses
    site.asked.clear()
    service.once()
    assert "tokyo" not in site.asked, "it is not waited for again"


def test_a_tunnel_whose_other_end_is_absent_is_not_changed_at_one_end(tmp_path: Path) -> None:
    """Whatever else there is to do at the router that answers."""
    site = followed(tmp_path)
    site.once()
    loaded = dict(site.routers["paris"].vici.connections)
    site.unplugged["tokyo"] = "no route"
    site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    site.routers["paris"].host.table = None
    record = site.once()
    assert record.result is Result.INCOMPLETE
    assert site.routers["paris"].host.snapshot([]).firewall
    assert site.routers["paris"].vici.connections == loaded
    site.unplugged.clear()
    assert site.once().result is Result.CHANGED
    assert site.routers["paris"].vici.connections != loaded


def test_what_changes_between_the_look_and_the_lock_is_judged_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = followed(tmp_path)
    site.once()
    site.routers["paris"].host.table = None

    @contextlib.contextmanager
    def changing(*arguments: Any, **options: Any) -> Iterator[Any]:
        with locked(*arguments, **options) as refused:
            site.routers["paris"].host.table = []
            yield refused

    monkeypatch.setattr("reconciler.service.cycle.locked", changing)
    record = site.once()
    assert record.result is Result.INCOMPLETE
    assert "paris: it has changed since it was looked at" in record.message
    monkeypatch.undo()
    assert site.once().result is Result.CHANGED


def test_the_last_known_commit_stays_desired_without_the_remote(tmp_path: Path) -> None:
    site = followed(tmp_path)
    head = site.once().head
    (tmp_path / "remote").rename(tmp_path / "gone")
    site.routers["paris"].host.addresses.discard(VIP)
    record = site.once()
    assert (record.head, record.result) == (head, Result.INCOMPLETE)
    assert "fetch of" in record.message
    assert VIP in site.routers["paris"].host.addresses


def test_a_rewritten_branch_is_followed_and_the_last_good_commit_kept(tmp_path: Path) -> None:
    site = followed(tmp_path)
    good = site.once().head
    site.repository.git.checkout("--orphan", "other")
    site.edit("paris-tunnel.yaml", "203.0.113.12", "203.0.113.999")
    site.repository.git.branch("--move", "--force", "main")
    site.repository.git.reflog("expire", "--expire=now", "--all")
    site.repository.git.gc("--prune=now")
    record = site.once()
    assert record.head != good
    assert record.in_force == good


def test_a_damaged_copy_of_the_repository_is_made_anew(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    (tmp_path / "state" / "repository.git" / "HEAD").unlink()
    assert site.once().result is Result.IN_SYNC


def test_a_locked_router_is_left_alone(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.routers["paris"].host.lock("you@there:2", 60)
    record = site.once()
    assert record.result is Result.INCOMPLETE
    assert "paris: you@there:2 is changing this router" in record.message
    site.routers["paris"].host.unlock("you@there:2")
    assert site.once().result is Result.CHANGED


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
    history = service.wiring.history
    assert (history.good(), history.reached()["paris"]) == (good, good)
    assert service.wiring.mirror.kept() == good
    site.routers["paris"].host.unlock("you@there:2")
    site.unplugged.clear()
    record = site.once()
    assert (record.head, record.result) == (bad, Result.ROLLED_BACK), record.message
    assert f"went back to {good[:12]}" in record.message


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
    assert service.wiring.history.good() == good
    assert service.wiring.history.reached()["paris"] == good
    site.routers["paris"].host.unlock("you@there:2")
    service.once()
    assert service.wiring.history.good() == head


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
    assert service.wiring.history.good() == head


@pytest.mark.parametrize(
    ("twist", "kind", "reason"),
    [
        (
            {"lock": fails(CommandRejected("sh: 3: flock: not found"))},
            "not-locked",
            "its lock cannot be taken: sh: 3: flock: not found",
        ),
        (
            {"lock": fails(AnswerNotUnderstood("'99999999' is not a lease", where="lock file"))},
            "not-locked",
            "its lock cannot be taken: its answer was not understood: lock file: '99999999' is not a lease",
        ),
        ({"lock": fails(KeyError("until"))}, "unforeseen", "an unforeseen error: KeyError"),
        ({"version": answers({})}, "not-understood", "its answer was not understood: version: version: is "),
        (
            {"snapshot": changed(firewall='{"nftables": 5}')},
            "not-understood",
            "its answer was not understood: nft",
        ),
        ({"list-sas": fails(struct.error("unpack"))}, "unforeseen", "an unforeseen error: error: unpack"),
    ],
)
def test_a_router_that_cannot_be_worked_with_costs_itself_alone(
    tmp_path: Path, twist: Twists, kind: str, reason: str
) -> None:
    """Its own guard table stays missing, as does what both ends must do together; another router's comes."""
    site = followed(tmp_path)
    site.once()
    site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    for router in site.routers.values():
        router.host.table = None
    loaded = dict(site.routers["tokyo"].vici.connections)
    site.twists["paris"] = twist
    metrics = Metrics(Kept(tmp_path / "metrics.db"))
    record = site.once(saw=metrics.saw)
    assert record.result is Result.INCOMPLETE
    assert f"paris: {reason}" in record.message
    (told,) = [item for item in record.objects if item["type"] == "unreachable"]
    assert (told["router"], told["kind"]) == ("paris", kind)
    assert reason in told["reason"]
    assert site.routers["paris"].host.table is None
    assert site.routers["tokyo"].host.table is not None
    assert site.routers["tokyo"].vici.connections == loaded, "it waits for its other end"
    said, _ = news.tell([record], frozenset(), frozenset(news.Event))
    assert f"router paris is not reconciled: {told['reason']}" in {item.text for item in said}
    puzzling = metrics.registry.get_sample_value("tunnelwright_router_not_understood", {"router": "paris"})
    assert puzzling == (kind == "not-understood")
    site.twists.clear()
    assert site.once().result is Result.CHANGED
    assert site.routers["tokyo"].vici.connections != loaded


def test_a_router_that_invents_tunnels_costs_itself_alone(tmp_path: Path) -> None:
    site = followed(tmp_path)
    good = site.once().head
    head = site.commit({"note.yaml": "# nothing\n"})
    paris, tokyo = (site.routers[name].host for name in ("paris", "tokyo"))
    for host in (paris, tokyo):
        host.table = None
    junk = {f"tw-junk{number}.conf": Secret(b"connections {}") for number in range(30)}
    paris.write_files(junk)
    metrics = Metrics(Kept(tmp_path / "metrics.db"))
    service = site.service(saw=metrics.saw)
    record = service.once()
    assert record.result is Result.INCOMPLETE
    assert "paris: 30 of the 31 tunnel ends on it would be destroyed" in record.message
    (told,) = [item for item in record.objects if item["type"] == "unreachable"]
    assert (told["router"], told["kind"]) == ("paris", "withheld")
    assert (paris.table, tokyo.table is None) == (None, False)
    assert junk.keys() <= paris.files.keys()
    reached = service.wiring.history.reached()
    assert (reached["paris"], reached["tokyo"]) == (good, head)
    said, _ = news.tell([record], frozenset(), frozenset(news.Event))
    assert f"router paris is not reconciled: {told['reason']}" in {item.text for item in said}
    for name, value in (("withheld", 1), ("reachable", 1), ("not_understood", 0)):
        sample = metrics.registry.get_sample_value(f"tunnelwright_router_{name}", {"router": "paris"})
        assert sample == value, name
    paris.remove_files(junk)
    assert site.once().result is Result.CHANGED
    assert paris.table is not None


def test_old_files_that_a_router_brings_back_are_not_what_a_commit_deletes(tmp_path: Path) -> None:
    """They bear our fingerprints; the commit that the router was brought to had none of them."""
    site = followed(tmp_path)
    site.commit({"policy.yaml": SMALL})
    site.once()
    paris, tokyo = (site.routers[name].host for name in ("paris", "tokyo"))
    kept = dict(paris.files)
    texts = {name: (site.tree / name).read_text() for name in ("paris-tunnel.yaml", "tokyo-tunnel.yaml")}
    site.commit(dict.fromkeys(texts))
    refused = site.once()
    assert refused.result is Result.FAILED, "the commit itself deletes too much"
    assert "refused as unsafe" in refused.message
    site.edit("policy.yaml", "maxShare: 40", "maxShare: 100")
    assert site.once().result is Result.CHANGED
    site.edit("policy.yaml", "maxShare: 100", "maxShare: 40")
    site.once()
    paris.files.update(kept)
    tokyo.sysctls.clear()
    record = site.once()
    assert record.result is Result.INCOMPLETE
    assert "nothing shows that Git ever had: paris-tokyo" in record.message
    assert set(paris.files) == set(kept)
    assert tokyo.sysctls, "it is mended"


def test_a_key_that_is_missing_costs_its_tunnel_alone(tmp_path: Path) -> None:
    """Told in words, as an object, in a message and a metric; when it is there the tunnel follows."""
    site = followed(tmp_path)
    site.once()
    third = (
        document(KEYED, "tokyo").replace("tokyo-paris", "tokyo-partner").replace("env: KEY", "env: NEW_KEY")
    )
    third = third.replace("203.0.113.12", "203.0.113.22").replace("203.0.113.11", "203.0.113.7")
    site.commit({"partner.yaml": alone(third.replace("10.1.0.0/24", "10.9.0.0/24"))})
    for name in ENDS:
        head = site.edit(name, "dh-group14", "dh-group15")
    site.routers["tokyo"].host.table = None
    loaded = {name: dict(router.vici.connections) for name, router in site.routers.items()}
    metrics = Metrics(Kept(tmp_path / "metrics.db"))
    service = site.service(saw=metrics.saw)
    record = service.once()
    assert (record.result, record.in_force) == (Result.INCOMPLETE, head), record.message
    said = (
        "1 left alone for want of a key: tokyo-partner (its key cannot be had: env:NEW_KEY: "
        "the environment variable is not set)"
    )
    assert said in record.message
    assert [item["reason"] for item in record.objects if item["type"] == "trouble"] == [said]
    assert site.routers["tokyo"].host.snapshot([]).firewall
    for name, router in site.routers.items():
        assert router.vici.connections != loaded[name]
        assert "tw-tokyo-partner" not in router.vici.connections
    assert metrics.registry.get_sample_value("tunnelwright_tunnels_without_key", {"router": "tokyo"}) == 1
    assert metrics.registry.get_sample_value("tunnelwright_tunnels_without_key", {"router": "paris"}) == 0
    told, lasting = news.tell([record], frozenset(), frozenset(news.Event))
    assert [item.text for item in told if item.event is news.Event.INCOMPLETE] == [said]
    site.edit("partner.yaml", "env: NEW_KEY", "env: NEXT")
    mended = site.once()
    assert "tw-tokyo-partner" in site.routers["tokyo"].vici.connections
    told, _ = news.tell([mended], lasting, frozenset(news.Event))
    assert "there is no more trouble with the keys" in {item.text for item in told}


def test_a_key_that_the_peer_does_not_have_yet_waits_for_it(tmp_path: Path) -> None:
    """The peer is not ours: it gets the new key when its administrator comes to it."""
    site = followed(tmp_path, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    assert site.once().result is Result.CHANGED
    before = spis(site)
    head = site.edit("paris-tunnel.yaml", "env: KEY", "env: NEXT")
    for _ in range(2):
        record = site.once()
        assert (record.result, record.in_force) == (Result.INCOMPLETE, head), "it is not taken back"
        assert "what ran before is loaded again: paris" in record.message
        assert spis(site) == before
    site.apply_foreign(
        WAN, document(SITE, "tokyo"), document(KEYED, "tokyo").replace("env: KEY", "env: NEXT")
    )
    assert site.once().result is Result.CHANGED
    assert len(site.routers["paris"].vici.shared) == 1
    assert site.once().result is Result.IN_SYNC


def test_a_router_that_drifted_is_asked_who_was_there(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    paris = site.routers["paris"].host
    assert site.once().result is Result.IN_SYNC
    # After that run, however long it took: only what is newer is asked for.
    paris.told = [Trace(datetime.now(UTC), "ann logged in from 192.0.2.7")]
    paris.sysctls.clear()
    record = site.once()
    traces = [item for item in record.objects if item["type"] == "trace"]
    assert [(item["router"], item["text"]) for item in traces] == [("paris", "ann logged in from 192.0.2.7")]
    assert "ann logged in" in "".join(line.text for line in run_lines(record))
    told, _ = news.tell([record], frozenset(), frozenset(news.Event))
    assert [item.event for item in told if "ann logged in from 192.0.2.7" in item.text] == [news.Event.DRIFT]


def spis(site: Followed) -> list[str]:
    return [
        child["spi-in"]
        for sa in site.routers["paris"].vici.sas
        for child in sa.listed()["child-sas"].values()
    ]


def test_a_run_that_is_asked_to_stop_leaves_no_tunnel_half_changed(tmp_path: Path) -> None:
    site = followed(tmp_path)
    stopped = site.once(stopping=lambda: True)
    assert stopped.result is Result.CHANGED, "the service itself decides"
    service = site.service()
    site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    before = spis(site)
    service.stop()
    record = service.once()
    assert record.result is Result.STOPPED
    assert spis(site) == before
    assert site.once().result is Result.CHANGED


def test_no_key_gets_into_the_history(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    site.edit("paris-tunnel.yaml", "203.0.113.12", "203.0.113.999")
    site.once()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert b"resource_change" in kept
    assert KEY.encode() not in kept
    assert KEY not in json.dumps([record.objects for record in site.told])


def test_a_router_that_is_another_at_each_look_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = followed(tmp_path)
    site.once()
    paris, tokyo = (site.routers[name].host for name in ("paris", "tokyo"))
    real, looks = paris.snapshot, count()

    def flickering(keys: Iterable[str]) -> HostSnapshot:
        found = real(keys)
        return replace(found, sysctls={**found.sysctls, "net/ipv4/ip_forward": str(next(looks) % 2)})

    monkeypatch.setattr(paris, "snapshot", flickering)
    tokyo.table = None
    record = site.once()
    assert record.result is Result.INCOMPLETE
    assert "paris: it has changed since it was looked at" in record.message
    assert [item["kind"] for item in record.objects if item["type"] == "unreachable"] == ["changed"]
    assert tokyo.table is not None


def test_a_good_commit_that_cannot_be_kept_is_good_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Mirror, __: str) -> None:
        raise SourceUnavailable("no space left")

    monkeypatch.setattr(Mirror, "keep", full)
    record = followed(tmp_path).once()
    assert record.result is Result.CHANGED
    assert "no space left" in record.message
