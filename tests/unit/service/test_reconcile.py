"""Reconcile runs over a real repository and routers in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.events import PlannedChange, StepEnded, Traced
from reconciler.model.notification import Topic
from reconciler.model.outcome import Check
from reconciler.model.record import Result
from reconciler.model.trace import Trace
from reconciler.report.json.events import encode
from reconciler.report.run_text import run_lines
from reconciler.service import notifications
from tests.unit.service.followed import KEY, VIP, followed


def test_a_commit_is_applied_proven_and_then_in_sync(tmp_path: Path) -> None:
    site = followed(tmp_path)
    first = site.once()
    assert (first.result, first.in_force) == (Result.CHANGED, first.head), first.message
    assert {type(event) for event in first.events} >= {PlannedChange, StepEnded, Check}
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
    assert "paris/firewall/inet tunnelwright (drifted, and self-heal is off)" in held.message
    assert site.routers["paris"].host.table is None
    site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    changed = site.once()
    assert changed.result is Result.CHANGED, changed.message
    assert site.routers["paris"].host.table is None, "the drift is still not ours to repair"


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
    assert VIP in site.routers["paris"].host.addresses, "drift is repaired all the same"


def test_a_first_commit_that_is_bad_changes_nothing(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.edit("paris-tunnel.yaml", "203.0.113.12", "203.0.113.999")
    assert site.once().result is Result.FAILED
    assert not site.asked


def test_a_commit_of_ten_thousand_broken_lines_is_reported_in_few(tmp_path: Path) -> None:
    site = followed(tmp_path)
    good = site.once().head
    site.commit({"broken.yaml": "apiVersion: tunnelwright/v1\nkind: Nonsense\n---\n" * 5_000})
    record = site.once()
    assert (record.in_force, record.result) == (good, Result.INCOMPLETE)
    assert "and 4999 more" in record.message
    found = [item for item in record.of(Diagnostic) if item.severity is Severity.ERROR]
    assert len(found) == 101
    assert sum(item.stands_for for item in found) == 5_000


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


def test_a_router_that_drifted_is_asked_who_was_there(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    paris = site.routers["paris"].host
    assert site.once().result is Result.IN_SYNC
    # After that run, however long it took: only what is newer is asked for.
    paris.kept_traces = [Trace(datetime.now(UTC), "ann logged in from 192.0.2.7")]
    paris.sysctls.clear()
    record = site.once()
    traces = [(item.router, item.trace.text) for item in record.of(Traced)]
    assert traces == [("paris", "ann logged in from 192.0.2.7")]
    assert "ann logged in" in "".join(line.text for line in run_lines(record))
    found, _ = notifications.new_in([record], frozenset(), frozenset(Topic))
    assert [item.topic for item in found if "ann logged in from 192.0.2.7" in item.text] == [Topic.DRIFT]


def test_a_run_that_is_asked_to_stop_leaves_no_tunnel_half_changed(tmp_path: Path) -> None:
    site = followed(tmp_path)
    stopped = site.once(stopping=lambda: True)
    assert stopped.result is Result.CHANGED, "the service itself decides"
    service = site.service()
    site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    before = site.spis()
    service.stop()
    record = service.once()
    assert record.result is Result.STOPPED
    assert site.spis() == before
    assert site.once().result is Result.CHANGED


def test_no_key_gets_into_the_history(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    site.edit("paris-tunnel.yaml", "203.0.113.12", "203.0.113.999")
    site.once()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert b"resource_change" in kept
    assert KEY.encode() not in kept
    assert KEY not in json.dumps([encode(event) for record in site.records for event in record.events])
    assert KEY not in repr(site.records)
