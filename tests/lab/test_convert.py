"""Connections on live routers: documents that are converted to them, and a star of them with transit."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from lab.capture import Watch
from lab.packets import Packet
from lab.proof import delivered, no_cleartext
from lab.session import Lab
from lab.topology import Role
from lab.traffic import Batch, make_batch, send
from lab.wan import ARRIVAL, esp_between, open_esp
from reconciler.model.errors import ExitCode
from tests.lab.repository import KEYS, Repository

pytestmark = pytest.mark.engine

ROUTERS = ("router-a", "router-b", "router-c")


def test_the_plan_is_empty_after_a_conversion_and_a_connection_changes_both_ends(
    lab3: Lab, tmp_path: Path
) -> None:
    there = Repository(tmp_path, lab3.name)
    there.create({name: f"PLANTED-{secrets.token_hex(16)}" for name in KEYS})
    applied = there.run("apply", "--auto-approve")
    assert applied.returncode == ExitCode.OK, applied.stdout + applied.stderr
    assert there.run_plain("convert", str(there.tree)).returncode == ExitCode.OK
    there.commit("connections")
    empty = there.run("plan", "--detailed-exitcode")
    assert empty.returncode == ExitCode.OK, empty.stdout + empty.stderr
    there.edit("site-a/a-to-c.yaml", "pfs: dh-group31", "pfs: dh-group20")
    there.commit("another group")
    changed = there.run("apply", "--auto-approve")
    assert changed.returncode == ExitCode.OK, changed.stdout + changed.stderr
    assert "2 to change, 0 to destroy" in changed.stdout
    assert there.run("plan", "--detailed-exitcode").returncode == ExitCode.OK
    assert not any("PLANTED" in said for said in there.said)


STAR = """\
apiVersion: tunnelwright/v1
kind: IPsecTopology
metadata: {name: star}
spec:
  star:
    hubs: {routers: [router-a]}
    members: {routers: [router-b, router-c]}
    transit: true
  vip: {system: true}
  authentication: {mode: psk, key: {file: "{a}--{b}.psk"}}
"""
DISABLED = """\
apiVersion: tunnelwright/v1
kind: IPsecConnection
metadata: {name: star-router-a-router-c}
spec:
  ends:
    - {router: router-a, vip: {system: true}, networks: [a-app, a-db]}
    - {router: router-c, vip: {system: true}}
  authentication: {mode: psk, key: {file: router-a--router-c.psk}}
  enabled: false
"""
HUB, MEMBERS = "203.0.113.2", ("203.0.113.3", "203.0.113.4")
LANS = ("10.1.0.0/24", "10.1.1.0/24", "10.2.0.0/24", "10.3.0.0/24")


def test_members_of_a_star_reach_one_another_through_the_hub_and_only_encrypted(
    lab3: Lab, tmp_path: Path
) -> None:
    """Each packet is inside ESP on both legs. Where the second leg is disabled, it goes no further than the
    hub: not in the clear either, in which the hub's default route would send it."""
    there = Repository(tmp_path, lab3.name)
    there.create({f"router-a--router-{site}.psk": f"PLANTED-{secrets.token_hex(16)}" for site in "bc"})
    for file in there.tree.rglob("*.yaml"):
        if "\nkind: IPsec" in file.read_text():
            file.unlink()
    (there.tree / "star.yaml").write_text(STAR)
    there.commit("a star")
    apply = ("apply", "--auto-approve", "--override", "deletions")
    applied = there.run(*apply)
    assert applied.returncode == ExitCode.OK, applied.stdout + applied.stderr
    assert there.run("plan", "--detailed-exitcode").returncode == ExitCode.OK
    before, after, marker = (
        make_batch("10.2.0.10", destination, 20) for destination in ("10.3.0.10", "10.3.0.10", "10.1.0.10")
    )
    with Watch(lab3, ["a-app", "b-app", "c-app"]) as watch:
        send(lab3, Role.HOST, "b-app", [probe.ip for probe in before.probes])
        arrived = watch.hosts["c-app"].wait_for(lambda seen: _all_of(before, seen), ARRIVAL)
        (there.tree / "disabled.yaml").write_text(DISABLED)
        there.commit("without router-c")
        disabled = there.run(*apply)
        assert disabled.returncode == ExitCode.OK, disabled.stdout + disabled.stderr
        send(lab3, Role.HOST, "b-app", [probe.ip for batch in (after, marker) for probe in batch.probes])
        assert watch.hosts["a-app"].wait_for(lambda seen: _all_of(marker, seen), ARRIVAL)
        wan, far = watch.wan["wan"].packets(), watch.hosts["c-app"].packets()
    assert arrived
    assert delivered("b to c", before.probes, far).passed
    inside = [open_esp(lab3, ROUTERS, esp_between(wan, HUB, member)) for member in MEMBERS]
    first, second = ({one.inner.payload for one in leg if one.inner is not None} for leg in inside)
    probes = {
        name: {probe.payload for probe in batch.probes} for name, batch in (("up", before), ("down", after))
    }
    assert probes["up"] <= first & second
    assert probes["down"] <= first
    assert probes["down"].isdisjoint(second | {packet.payload for packet in far})
    tokens = [batch.token for batch in (before, after, marker)]
    check = no_cleartext(wan, LANS, tokens)
    assert check.passed, check.evidence


def _all_of(batch: Batch, packets: list[Packet]) -> bool:
    return {probe.payload for probe in batch.probes} <= {packet.payload for packet in packets}
