"""What a run leaves alone, a router or a tunnel, and what it does at the others all the same."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.locking import locked
from reconciler.history.kept import Kept
from reconciler.model.errors import AnswerNotUnderstood, CommandRejected
from reconciler.model.events import Trouble, Unreachable
from reconciler.model.notification import Topic
from reconciler.model.record import Result
from reconciler.model.secret import Secret
from reconciler.routers.protocol import HostSnapshot
from reconciler.service import notifications
from reconciler.service.metrics import Metrics
from tests.documents import document
from tests.odd import Twists, answers, changed, fails
from tests.unit.service.followed import KEYED, VIP, alone, followed

ENDS = ("paris-tunnel.yaml", "tokyo-tunnel.yaml")
SMALL = """\
apiVersion: tunnelwright/v1
kind: SafetyPolicy
metadata: {name: fleet}
spec:
  deletions: {maxShare: 40, minimum: 1}
"""


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

    monkeypatch.setattr("reconciler.operations.converge.locked", changing)
    record = site.once()
    assert record.result is Result.INCOMPLETE
    assert "paris: its state has changed since it was observed" in record.message
    monkeypatch.undo()
    assert site.once().result is Result.CHANGED


def test_a_locked_router_is_left_alone(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.routers["paris"].host.lock("you@there:2", 60)
    record = site.once()
    assert record.result is Result.INCOMPLETE
    assert "paris: you@there:2 is changing this router" in record.message
    site.routers["paris"].host.unlock("you@there:2")
    assert site.once().result is Result.CHANGED


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
    (left,) = record.of(Unreachable)
    assert (left.router, left.absence.kind) == ("paris", kind)
    assert reason in left.absence.reason
    assert site.routers["paris"].host.table is None
    assert site.routers["tokyo"].host.table is not None
    assert site.routers["tokyo"].vici.connections == loaded, "it waits for its other end"
    said, _ = notifications.new_in([record], frozenset(), frozenset(Topic))
    assert f"router paris is not reconciled: {left.absence.reason}" in {item.text for item in said}
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
    strangers = {f"tw-stranger{number}.conf": Secret(b"connections {}") for number in range(30)}
    paris.write_files(strangers)
    metrics = Metrics(Kept(tmp_path / "metrics.db"))
    service = site.service(saw=metrics.saw)
    record = service.once()
    assert record.result is Result.INCOMPLETE
    assert "paris: 30 of the 31 tunnel ends on it would be destroyed" in record.message
    (left,) = record.of(Unreachable)
    assert (left.router, left.absence.kind) == ("paris", "withheld")
    assert (paris.table, tokyo.table is None) == (None, False)
    assert strangers.keys() <= paris.files.keys()
    reached = service.dependencies.history.reached()
    assert (reached["paris"], reached["tokyo"]) == (good, head)
    said, _ = notifications.new_in([record], frozenset(), frozenset(Topic))
    assert f"router paris is not reconciled: {left.absence.reason}" in {item.text for item in said}
    for name, value in (("withheld", 1), ("reachable", 1), ("not_understood", 0)):
        sample = metrics.registry.get_sample_value(f"tunnelwright_router_{name}", {"router": "paris"})
        assert sample == value, name
    paris.remove_files(strangers)
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
    assert "there is no evidence that Git ever had: paris-tokyo" in record.message
    assert set(paris.files) == set(kept)
    assert tokyo.sysctls, "it is repaired"


def test_a_key_that_is_missing_costs_its_tunnel_alone(tmp_path: Path) -> None:
    """Sent in words, as an object, in a message and a metric; when it is there the tunnel follows."""
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
        "1 tunnel withheld for lack of a readable key: tokyo-partner (its key cannot be read: "
        "env:NEW_KEY: the environment variable is not set)"
    )
    assert said in record.message
    assert [item.reason for item in record.of(Trouble)] == [said]
    assert site.routers["tokyo"].host.snapshot([]).firewall
    for name, router in site.routers.items():
        assert router.vici.connections != loaded[name]
        assert "tw-tokyo-partner" not in router.vici.connections
    assert metrics.registry.get_sample_value("tunnelwright_tunnels_without_key", {"router": "tokyo"}) == 1
    assert metrics.registry.get_sample_value("tunnelwright_tunnels_without_key", {"router": "paris"}) == 0
    found, lasting = notifications.new_in([record], frozenset(), frozenset(Topic))
    assert [item.text for item in found if item.topic is Topic.INCOMPLETE] == [said]
    site.edit("partner.yaml", "env: NEW_KEY", "env: NEXT")
    repaired = site.once()
    assert "tw-tokyo-partner" in site.routers["tokyo"].vici.connections
    found, _ = notifications.new_in([repaired], lasting, frozenset(Topic))
    assert "the trouble with the keys has ended" in {item.text for item in found}


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
    assert "paris: its state has changed since it was observed" in record.message
    assert [item.absence.kind for item in record.of(Unreachable)] == ["changed"]
    assert tokyo.table is not None


def test_what_a_commit_would_end_is_followed_until_it_is_carried_out(tmp_path: Path) -> None:
    """A commit that deletes all tunnels is refused as a whole: they run on, and so does what watches them."""
    site = followed(tmp_path)
    seen: list[int] = []
    service = site.service(followed=lambda fabric: seen.append(len(fabric.tunnels)))
    assert service.once("once").result is Result.CHANGED
    site.commit({"limits.yaml": SMALL})
    assert service.once("once").result is Result.IN_SYNC
    site.commit(dict.fromkeys(ENDS))
    refused = service.once("once")
    assert refused.result is Result.FAILED, refused.message
    assert set(seen) == {2}
