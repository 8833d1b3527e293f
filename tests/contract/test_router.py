"""What the reconciler relies on in any router, one call at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest

from lab.engine import until
from reconciler.apply.locking import locked
from reconciler.diff.firewall import firewall_changes
from reconciler.facets import firewall
from reconciler.facets.addresses import decode_record, record_text
from reconciler.facets.firewall import nft_listing
from reconciler.model.errors import CommandRejected, Locked
from reconciler.model.operation import ChangeFirewall
from reconciler.model.plan import Phase, ResourceChange
from reconciler.model.router_config import Firewall, InterfaceAddress, RouterConfig, RouterState
from reconciler.model.secret import Secret
from reconciler.observe.state import read_sas
from reconciler.routers.protocol import Host
from tests.contract import sites
from tests.contract.sites import REAL, Site
from tests.sas import take_down

CONNECTION = {
    "version": "2",
    "local_addrs": ["203.0.113.99"],
    "remote_addrs": ["203.0.113.98"],
    "proposals": ["aes256-sha256-modp2048"],
    "rekey_time": "7200s",
    "over_time": "720s",
    "dpd_delay": "10s",
    "unique": "no",
    "mobike": "no",
    "local": {"auth": "psk", "id": "fqdn:a.example"},
    "remote": {"auth": "psk", "id": "rfc822:vpn@b.example"},
    "children": {
        "net": {
            "local_ts": ["10.90.0.0/24"],
            "remote_ts": ["10.91.0.0/24", "10.92.0.0/24"],
            "esp_proposals": ["aes256-sha256"],
            "rekey_time": "3600s",
            "life_time": "4000s",
            "mode": "tunnel",
            "start_action": "none",
            "dpd_action": "restart",
        }
    },
}


def test_files_are_written_whole_private_and_removed(site: Site) -> None:
    host = site.connect("paris").host
    host.write_files({"tw-one.conf": Secret(b"one\n"), "tw-two.conf": Secret(bytes(range(256)))})
    host.write_files({"tw-one.conf": Secret(b"changed\n")})
    seen = host.snapshot([]).files
    assert {name: file.content.reveal() for name, file in seen.items()} == {
        "tw-one.conf": b"changed\n",
        "tw-two.conf": bytes(range(256)),
    }
    assert {file.mode for file in seen.values()} == {0o600}
    host.remove_files(["tw-one.conf", "tw-two.conf", "tw-never-was.conf"])
    assert host.snapshot([]).files == {}


def test_addresses_and_sysctls_are_set_and_seen(site: Site) -> None:
    host = site.connect("paris").host
    address = InterfaceAddress("eth0", "203.0.113.77/24")
    host.add_address(address, "Vip/web")
    host.add_address(address, "Vip/other")
    host.set_sysctls({"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/rp_filter": "2"})
    seen = host.snapshot(["net/ipv4/ip_forward", "net/ipv4/conf/all/rp_filter"])
    assert address in seen.addresses
    assert seen.sysctls == {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/rp_filter": "2"}


def test_the_record_says_which_addresses_were_added(site: Site) -> None:
    host = site.connect("paris").host
    own = InterfaceAddress("eth0", "203.0.113.1/24")
    one, two = (InterfaceAddress("eth0", f"203.0.113.{number}/24") for number in (78, 79))

    def owners() -> Mapping[InterfaceAddress, str]:
        record = decode_record(host.snapshot([]).record)
        assert record.sound
        return {address: owner for address, owner in record.owners.items() if address in {own, one, two}}

    host.add_address(own, "Vip/web")
    assert owners() == {}, "it was there"
    host.add_address(one, "Vip/web")
    host.add_address(two, "IPsecTunnel/a-to-b")
    host.add_address(two, "Vip/web")
    assert owners() == {one: "Vip/web", two: "IPsecTunnel/a-to-b"}
    host.record_address(one, "Vip/mail")
    assert owners() == {one: "Vip/mail", two: "IPsecTunnel/a-to-b"}
    host.remove_address(one)
    host.remove_address(one)
    assert owners() == {two: "IPsecTunnel/a-to-b"}
    assert {own, one, two} & host.snapshot([]).addresses == {own, two}
    host.record_address(two, "")
    assert owners() == {}
    assert two in host.snapshot([]).addresses
    others = host.snapshot([]).record
    host.write_record(record_text({two: "Vip/two"}))
    assert owners() == {two: "Vip/two"}
    host.remove_address(two)
    host.write_record(others)


@REAL
def test_an_address_that_cannot_be_added_is_not_recorded(site: Site) -> None:
    host = site.connect("paris").host
    nowhere, refused = InterfaceAddress("nowhere0", "203.0.113.78/24"), InterfaceAddress("eth0", "0.0.0.7/33")
    for address in (nowhere, refused):
        with pytest.raises(CommandRejected, match=r"nowhere0|prefix"):
            host.add_address(address, "Vip/web")
    record = host.snapshot([]).record
    assert "nowhere0" not in record
    assert "/33" not in record


def test_a_firewall_lists_as_it_was_loaded(site: Site) -> None:
    host = site.connect("paris").host
    wanted = Firewall(
        guarded=frozenset({("10.1.0.0/24", "10.2.0.0/16"), ("10.1.0.9/32", "10.3.0.7/32")}),
        peers=frozenset({("203.0.113.11", "203.0.113.12")}),
        mss=1234,
    )
    host.change_firewall(firewall.rebuild(wanted, {"guarded": frozenset(), "peers": frozenset()}))
    seen = nft_listing.decode(host.snapshot([]).firewall)
    assert firewall.same_rules(wanted, seen)
    assert not any(pairs for delta in firewall.differences(wanted, seen).values() for pairs in delta)
    assert not firewall.same_rules(Firewall(mss=1235), seen)


def test_what_was_typed_into_the_table_is_shown_and_removed(site: Site) -> None:
    """Ranges, networks, comments, timeouts, another set, a chain: valid nftables, and not ours."""
    host = site.connect("paris").host
    ours, gone = ("10.1.0.0/24", "10.2.0.0/16"), ("10.9.0.1-10.9.0.5", "10.1.9.0/24")
    wanted = Firewall(guarded=frozenset({ours}), peers=frozenset({("203.0.113.11", "203.0.113.12")}))
    here = {"family": "inet", "table": "tunnelwright"}
    typed: list[dict[str, Any]] = [
        {"add": {"set": {**here, "name": "other", "type": "ipv4_addr", "flags": ["timeout"], "timeout": 60}}},
        {"add": {"chain": {**here, "name": "mine"}}},
        {"add": {"element": {**here, "name": "guarded", "elem": [
            {"concat": [{"range": ["10.9.0.1", "10.9.0.5"]}, {"prefix": {"addr": "10.1.9.0", "len": 24}}]},
        ]}}},
        {"add": {"element": {**here, "name": "peers", "elem": [
            {"elem": {"val": {"concat": ["10.9.0.1", "10.1.9.0"]}, "comment": "hello"}},
        ]}}},
    ]  # fmt: skip
    host.change_firewall(firewall.rebuild(wanted, {}))
    host.change_firewall(json.dumps({"nftables": typed}))
    [change] = _firewall_changes(host, wanted)
    assert {(field.path, field.before, field.after) for field in change.changes} == {
        ("rules", "changed", "tunnelwright's"),
        ("guarded[10.9.0.1-10.9.0.5 10.1.9.0/24]", "present", None),
        ("peers[10.9.0.1 10.1.9.0]", "with comment", None),
        ("set other", "present", None),
    }
    for step in change.steps:
        assert isinstance(step.operation, ChangeFirewall)
        if step.phase is Phase.UNGUARD:
            # What may guard a tunnel that is yet to go stays until it has gone.
            held = nft_listing.decode(host.snapshot([]).firewall)
            assert held is not None
            assert gone in held.guarded
            assert ours in held.guarded
        host.change_firewall(step.operation.document)
    assert _firewall_changes(host, wanted) == []


def test_an_element_of_ours_with_a_comment_is_made_anew_in_one_transaction(site: Site) -> None:
    host = site.connect("paris").host
    pair = ("203.0.113.11", "203.0.113.12")
    wanted = Firewall(peers=frozenset({pair}))
    document = json.loads(firewall.rebuild(wanted, {}))
    for command in document["nftables"]:
        elements = command.get("add", {}).get("set", {}).get("elem")
        if elements:
            elements[0] = {"elem": {"val": elements[0], "comment": "typed"}}
    host.change_firewall(json.dumps(document))
    [change] = _firewall_changes(host, wanted)
    [field] = change.changes
    assert (field.path, field.before, field.after) == (
        "peers[203.0.113.11 203.0.113.12]",
        "with comment",
        "present",
    )
    [step] = change.steps
    assert isinstance(step.operation, ChangeFirewall)
    host.change_firewall(step.operation.document)
    assert _firewall_changes(host, wanted) == []


def _firewall_changes(host: Host, wanted: Firewall) -> list[ResourceChange]:
    live = nft_listing.decode(host.snapshot([]).firewall)
    empty = RouterState("paris", "", frozenset(), {}, frozenset(), (), {}, frozenset(), live, {})
    return list(firewall_changes(RouterConfig("paris", firewall=wanted), empty))


def test_a_firewall_transaction_is_all_or_nothing(site: Site) -> None:
    host = site.connect("paris").host
    none = {"guarded": frozenset[tuple[str, str]](), "peers": frozenset[tuple[str, str]]()}
    host.change_firewall(firewall.rebuild(Firewall(), none))
    absent = {**none, "peers": frozenset({("192.0.2.1", "192.0.2.2")})}
    present = {**none, "peers": frozenset({("192.0.2.3", "192.0.2.4")})}
    both = [
        *json.loads(firewall.element_changes(add=present))["nftables"],
        *json.loads(firewall.element_changes(delete=absent))["nftables"],
    ]
    with pytest.raises(CommandRejected):
        host.change_firewall(json.dumps({"nftables": both}))
    seen = nft_listing.decode(host.snapshot([]).firewall)
    assert seen is not None
    assert seen.peers == frozenset()


def test_list_conns_reports_only_what_is_known_of_it(site: Site) -> None:
    vici = site.connect("paris").vici
    vici.request("load-conn", {"tw-contract": CONNECTION})
    (listed,) = [e["tw-contract"] for e in vici.stream("list-conns", "list-conn") if "tw-contract" in e]
    vici.request("unload-conn", {"name": "tw-contract"})
    assert listed["version"] == "IKEv2"
    assert listed["local_addrs"] == ["203.0.113.99"]
    assert listed["rekey_time"] == "7200"
    assert listed["unique"] == "UNIQUE_NO"
    assert listed["dpd_delay"] == "10"
    assert (listed["local-1"]["id"], listed["remote-1"]["id"]) == ("a.example", "vpn@b.example")
    child = listed["children"]["net"]
    assert child["remote-ts"] == ["10.91.0.0/24", "10.92.0.0/24"]
    assert (child["mode"], child["dpd_action"], child["rekey_time"]) == ("TUNNEL", "start", "3600")
    unreported = {"proposals", "over_time", "esp_proposals", "life_time", "start_action"}
    assert not unreported & ({*listed} | {*child})


def test_secrets_are_known_by_id_only(site: Site) -> None:
    vici = site.connect("paris").vici
    message = {"id": "ike-tw-contract-1", "type": "ike", "data": b"\x00\xff' key", "owners": ["192.0.2.1"]}
    vici.request("load-shared", message)
    keys = vici.request("get-shared")
    assert "ike-tw-contract-1" in keys["keys"]
    assert set(keys) == {"keys"}
    vici.request("unload-shared", {"id": "ike-tw-contract-1"})
    vici.request("unload-shared", {"id": "ike-tw-contract-1"})
    assert "ike-tw-contract-1" not in vici.request("get-shared").get("keys", [])


@pytest.mark.parametrize(
    ("command", "event", "message"),
    [
        ("unload-conn", "", {"name": "tw-never-was"}),
        ("initiate", "control-log", {"ike": "tw-never-was", "child": "net", "timeout": "1000"}),
        ("terminate", "control-log", {"ike": "tw-never-was", "timeout": "1000"}),
        ("no-such-command", "", {}),
    ],
)
def test_what_cannot_be_done_is_rejected(
    site: Site, command: str, event: str, message: dict[str, str]
) -> None:
    vici = site.connect("paris").vici
    with pytest.raises(CommandRejected):
        if event:
            list(vici.stream(command, event, message))
        else:
            vici.request(command, message)


def test_files_are_read_by_pattern(site: Site) -> None:
    host = site.connect("paris").host
    host.write_files({"tw-a.conf": Secret(b"a {}\n"), "tw-b c.conf": Secret(b"b {}\n")})
    assert set(host.read_files("/etc/swanctl/swanctl.conf")) == {"/etc/swanctl/swanctl.conf"}
    found = host.read_files("/etc/swanctl/conf.d/tw-[ab]*.conf")
    assert [(name, content.reveal()) for name, content in found.items()] == [
        ("/etc/swanctl/conf.d/tw-a.conf", b"a {}\n"),
        ("/etc/swanctl/conf.d/tw-b c.conf", b"b {}\n"),
    ]
    assert host.read_files("/etc/swanctl/none/*.conf") == {}


def test_a_lock_has_one_owner_until_it_expires(site: Site) -> None:
    host, other = site.connect("paris").host, site.connect("paris").host
    host.lock("me@here:1", 60)
    host.lock("me@here:1", 60)
    with pytest.raises(Locked, match="me@here:1"):
        other.lock("you@there:2", 60)
    other.unlock("you@there:2")
    with pytest.raises(Locked):
        other.lock("you@there:2", 60)
    host.unlock("me@here:1")
    other.lock("you@there:2", 1)
    assert until(lambda: _takes(host, "me@here:1"), 5), "an expired lock is taken over"
    host.unlock("me@here:1")


def test_a_lock_of_a_process_that_has_gone_holds_up_no_other(site: Site) -> None:
    """On its own machine it can be seen; a lock whose owner lives, or is elsewhere, is respected."""
    say_owner = "from reconciler.apply.locking import owner_name; print(owner_name(), flush=True); input()"
    host = site.connect("paris").host
    with subprocess.Popen(
        [sys.executable, "-c", say_owner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        host.lock(owner, 60)
        with locked(site.fleet, ["paris"], 0) as refused:
            assert "is changing" in str(refused["paris"])
        process.communicate("\n")
    with locked(site.fleet, ["paris"], 0) as refused, pytest.raises(Locked):
        assert refused == {}
        host.lock("you@there:2", 60)
    elsewhere = f"{owner[:-4]}beef"
    host.lock(elsewhere, 60)
    with locked(site.fleet, ["paris"], 0) as refused:
        assert isinstance(refused["paris"], Locked)
    host.unlock(elsewhere)


def _takes(host: Host, owner: str) -> bool:
    try:
        host.lock(owner, 60)
    except Locked:
        return False
    return True


def test_rules_and_routes_are_read(site: Site) -> None:
    router = site.connect("paris")
    router.host.change_firewall(firewall.rebuild(Firewall(mss=1234), {}))
    found = router.host.inspect()
    tables = {entry["chain"]["table"] for entry in json.loads(found.ruleset)["nftables"] if "chain" in entry}
    assert "tunnelwright" in tables
    assert isinstance(json.loads(found.routes), list)
    assert found.clock is not None
    assert abs(found.clock - time.time()) < 60
    questions = [("10.1.0.10", "203.0.113.2", "eth1"), ("10.1.0.10", "203.0.113.3", "eth1")]
    replies = router.host.route(questions)
    assert len(replies) == len(questions)
    assert router.host.route([]) == ()


def test_a_session_serves_commands_while_it_listens(site: Site) -> None:
    site.apply()
    vici = site.connect("paris").vici
    known = ("ike-updown", "child-updown")
    assert vici.subscribe(*known, "of no release") == frozenset(known)
    assert vici.next_event(0.05) is None
    was = {sa.spis for sa in read_sas(vici, sites.CONNECTION)}
    take_down(vici, sites.CONNECTION)
    assert vici.request("version")["version"]
    # A packet of an earlier test may wake it again.
    assert was.isdisjoint(sa.spis for sa in read_sas(vici, sites.CONNECTION))
    for expected in known:
        event = vici.next_event(5)
        assert event is not None
        assert event[0] == expected
        assert set(event[1]) == {sites.CONNECTION}, "`up` is absent when it goes down"
