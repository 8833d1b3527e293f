"""The main job on any router: plan, apply, converge, and find out what others changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.apply.phases import apply_plan
from reconciler.facets import files
from reconciler.model.errors import CommandRejected
from reconciler.model.fabric import IdType, IkeId
from reconciler.model.outcome import Status
from reconciler.model.plan import Action, Disruption, Phase
from reconciler.model.router_config import Asked, InterfaceAddress
from reconciler.model.secret import Secret
from reconciler.model.swanctl import plain
from reconciler.operations.apply import apply
from reconciler.operations.diagnose import diagnose_tunnels
from reconciler.operations.observed_plan import observed_plan
from tests.contract.sites import (
    CONNECTION,
    FILE,
    FOREIGN,
    MEMORY_AND_CHARONS,
    Site,
    backwards,
    by_hand,
    change_tunnels,
    rename_tunnels,
    spis,
    state,
)
from tests.converged import assert_converged
from tests.sas import take_down

pytestmark = pytest.mark.one_transport


def test_bare_routers_become_as_desired_and_stay_so(site: Site) -> None:
    first = site.preview().plan
    assert first.count(Action.DELETE) == 0
    assert {str(c.resource) for c in first.changes if c.resource.kind == "tunnel"} == {
        "paris/tunnel/paris-tokyo",
        "tokyo/tunnel/tokyo-paris",
    }
    applied = site.apply()
    assert_converged(applied)
    assert site.preview().plan.empty
    checks = site.verify()
    assert [check for check in checks if not check.passed] == []
    assert {check.name.partition(": ")[2] for check in checks} >= {"up", "traffic", "negotiated as desired"}


@pytest.mark.parametrize(
    ("fields", "disruption"),
    [
        ({"esp__integrity": "sha512"}, Disruption.MAKE_BEFORE_BREAK),
        ({"esp__pfs_group": None}, Disruption.MAKE_BEFORE_BREAK),
        ({"ike__dh_group": 15}, Disruption.MAKE_BEFORE_BREAK),
        ({"ike__encryption": "aes-128"}, Disruption.MAKE_BEFORE_BREAK),
        ({"ike__lifetime": 7200}, Disruption.MAKE_BEFORE_BREAK),
        ({"esp__lifetime": 1800}, Disruption.MAKE_BEFORE_BREAK),
        ({"ike__dpd_delay": 45}, Disruption.MAKE_BEFORE_BREAK),
        ({"ike__dpd_enabled": False}, Disruption.MAKE_BEFORE_BREAK),
        ({"ike__version": 1}, Disruption.MAKE_BEFORE_BREAK),
        ({"description": "nothing that a router holds"}, Disruption.NONE),
    ],
)
def test_a_changed_field_reaches_the_running_tunnel(
    site: Site, fields: dict[str, object], disruption: Disruption
) -> None:
    site.apply()
    before = spis(site)
    changed = change_tunnels(site.fabric, **fields)
    plan = site.preview(changed).plan
    worst = max((change.disruption for change in plan.changes), key=lambda d: d.rank, default=Disruption.NONE)
    assert worst is disruption
    assert_converged(site.apply(changed))
    assert len(spis(site)) == 1, "the old SAs are retired"
    assert (spis(site) == before) is (disruption is Disruption.NONE)
    assert [check for check in site.verify(changed) if not check.passed] == []


def test_a_new_key_is_proven_on_a_new_sa_and_the_old_one_is_gone(site: Site) -> None:
    site.apply()
    before = spis(site)
    applied = site.apply(psk="a quite different key")
    assert_converged(applied)
    assert not spis(site) & before
    assert len([i for i in state(site).secret_ids if "paris-tokyo" in i]) == 1


def test_a_key_that_differs_at_the_ends_is_not_taken_for_success(site: Site) -> None:
    paris = replace(site.fabric, tunnels={"paris-tokyo": site.fabric.tunnels["paris-tokyo"]})
    tokyo = replace(site.fabric, tunnels={"tokyo-paris": site.fabric.tunnels["tokyo-paris"]})
    site.apply(tokyo, psk="the key at one end", timeout=1)
    applied = site.apply(
        replace(paris, routers={"paris": site.fabric.routers["paris"]}), psk="another", timeout=2
    )
    failed = [o for o in applied.outcomes if o.status is Status.FAILED]
    assert [o.step.summary for o in failed] == ["bring up tw-paris-tokyo"]
    assert "AUTH" in failed[0].message
    assert not applied.converged


def test_a_disabled_tunnel_is_down_but_not_in_the_clear(site: Site) -> None:
    site.apply()
    disabled = change_tunnels(site.fabric, enabled=False)
    assert_converged(site.apply(disabled))
    seen = state(site)
    assert CONNECTION not in seen.connections
    assert seen.sas_of(CONNECTION) == ()
    assert FILE not in seen.files
    assert seen.firewall is not None
    assert ("10.1.0.0/24", "10.2.0.0/24") in seen.firewall.guarded


@MEMORY_AND_CHARONS
def test_a_plan_says_where_traffic_goes_that_loses_its_tunnel(site: Site) -> None:
    """The routers of the lab masquerade what leaves for the public network; those in memory do not."""
    site.apply()
    outlet = "masqueraded" if site.real else "in the clear"
    for wanted, way in (
        (replace(site.fabric, tunnels={}), outlet),
        (change_tunnels(site.fabric, enabled=False), "dropped"),
    ):
        gone = [change for change in site.preview(wanted).plan.changes if change.action is Action.DELETE]
        shown = {field.path: field.after for change in gone for field in change.changes if field.after}
        assert shown == {"traffic[10.1.0.0/24 10.2.0.0/24]": way, "traffic[10.2.0.0/24 10.1.0.0/24]": way}


def test_a_restarted_charon_has_its_configuration_back(site: Site) -> None:
    site.apply()
    site.restart_charon("paris")
    assert site.preview().plan.empty
    site.verify()  # its packets wake the tunnel
    assert [check for check in site.verify() if not check.passed] == []


def test_others_connections_and_keys_are_left_alone(site: Site) -> None:
    foreign = {
        "version": "2", "local_addrs": ["203.0.113.60"], "remote_addrs": ["203.0.113.61"],
        "proposals": ["aes256-sha256-modp2048"], "rekey_time": "600s", "dpd_delay": "0s", "unique": "no",
        "local": {"auth": "psk", "id": "x"}, "remote": {"auth": "psk", "id": "y"},
        "children": {"c": {"local_ts": ["10.80.0.0/24"], "remote_ts": ["10.81.0.0/24"], "mode": "tunnel",
                           "rekey_time": "600s", "dpd_action": "clear"}},
    }  # fmt: skip
    vici = site.connect("paris").vici
    vici.request("load-conn", {"by-hand": foreign})
    vici.request("load-shared", {"id": "ike-by-hand", "type": "ike", "data": b"k", "owners": ["x"]})
    site.apply()
    assert site.preview().plan.empty
    site.apply(replace(site.fabric, tunnels={}))
    assert "ike-by-hand" in vici.request("get-shared")["keys"]
    assert "by-hand" in {name for event in vici.stream("list-conns", "list-conn") for name in event}
    vici.request("unload-conn", {"name": "by-hand"})
    vici.request("unload-shared", {"id": "ike-by-hand"})


@pytest.mark.parametrize("version", [2, 1])
def test_networks_in_the_order_of_an_earlier_version_are_as_desired(site: Site, version: int) -> None:
    """It loaded and wrote them in the author's order; neither charon nor the file has to change for that."""
    here, there = ("10.1.0.0/24", "10.1.7.0/24"), ("10.2.0.0/24", "10.2.7.0/24")
    ends = {"paris-tokyo": (here, there), "tokyo-paris": (there, here)}
    tunnels = {
        name: replace(tunnel, local_cidrs=ends[name][0], peer_cidrs=ends[name][1])
        for name, tunnel in change_tunnels(site.fabric, ike__version=version).tunnels.items()
    }
    fabric = replace(site.fabric, tunnels=tunnels)
    assert_converged(site.apply(fabric))
    before = spis(site)
    for name, config in site.preview(fabric).desired.items():
        router = site.connect(name)
        for connection in config.connections.values():
            turned = backwards(connection.settings)
            assert plain(turned) != plain(connection.settings) or version == 1
            router.vici.request("load-conn", {connection.name: plain(turned)})
            content = files.render(replace(connection, settings=turned))
            assert content != config.files[files.file_name(connection.name)]
            router.host.write_files({files.file_name(connection.name): content})
    assert site.preview(fabric).plan.changes == ()
    assert spis(site) == before


def test_a_vip_that_moves_takes_its_tunnel_along(site: Site) -> None:
    """The old address goes: tunnelwright added it, and no document asks for it any more."""
    site.apply()
    address = "203.0.113.21"
    vip = replace(site.fabric.vips["paris-vip"], address=address)
    identity, tunnels = IkeId(IdType.IP, address), dict(site.fabric.tunnels)
    tunnels["paris-tokyo"] = replace(tunnels["paris-tokyo"], vip=vip, local_id=identity)
    tunnels["tokyo-paris"] = replace(tunnels["tokyo-paris"], peer_address=address, peer_id=identity)
    moved = replace(site.fabric, vips={**site.fabric.vips, "paris-vip": vip}, tunnels=tunnels)
    applied = site.apply(moved)
    assert_converged(applied)
    assert {sa.local_address for sa in state(site).sas} == {address}
    held = {a.cidr for a in state(site).addresses}
    assert "203.0.113.21/24" in held and "203.0.113.11/24" not in held
    assert [check for check in site.verify(moved) if not check.passed] == []


def test_deleting_one_end_is_no_harm_to_an_unrelated_tunnel(site: Site) -> None:
    """The SAs of the other end go with it, though Git says nothing of that end any more."""
    site.apply()
    alone = replace(site.fabric.tunnels["paris-tokyo"], other_end=None)
    applied = site.apply(replace(site.fabric, tunnels={"paris-tokyo": alone}))
    assert {change.resource.name for change in applied.remaining.changes} == set()
    assert [check for check in applied.checks if not check.passed] == []


@pytest.mark.parametrize("now", ["10.2.0.0/25", "10.2.0.0/16", "10.2.128.0/24"])
def test_networks_that_overlap_the_old_ones_take_their_place(site: Site, now: str) -> None:
    site.apply()
    tunnels = dict(site.fabric.tunnels)
    tunnels["paris-tokyo"] = replace(tunnels["paris-tokyo"], peer_cidrs=(now,))
    tunnels["tokyo-paris"] = replace(tunnels["tokyo-paris"], local_cidrs=(now,))
    changed = replace(site.fabric, tunnels=tunnels)
    applied = site.apply(changed)
    assert_converged(applied)
    assert_converged(site.apply())


def test_a_change_that_got_stuck_and_is_rolled_back_leaves_nothing_behind(site: Site) -> None:
    """Both charons hold the new configuration; the file still says the old one, and so does Git again."""
    site.apply()
    plan = site.preview(change_tunnels(site.fabric, ike__dh_group=15)).plan
    loaded = tuple(
        replace(change, steps=tuple(step for step in change.steps if step.phase <= Phase.CONNECTIONS))
        for change in plan.changes
    )
    apply_plan(replace(plan, changes=loaded), site.fleet)
    rolled_back = site.preview().plan
    assert {str(c.resource) for c in rolled_back.changes} == {
        "paris/tunnel/paris-tokyo",
        "tokyo/tunnel/tokyo-paris",
    }
    assert_converged(site.apply())
    assert site.preview().plan.empty
    # The next negotiation is of the right configuration: charon has forgotten the other one.
    take_down(site.connect("paris").vici, CONNECTION)
    site.verify()  # its packets wake the tunnel
    assert [check for check in site.verify() if not check.passed] == []


@pytest.mark.parametrize(
    "names",
    [
        {"paris-tokyo": "paris-osaka", "tokyo-paris": "osaka-paris"},
        {"paris-tokyo": "a-name-that-comes-first"},
        {"tokyo-paris": "a-name-that-comes-first"},
    ],
    ids=["both", "initiator", "responder"],
)
def test_a_renamed_tunnel_is_replaced_beside_the_old_one(site: Site, names: dict[str, str]) -> None:
    site.apply()
    before = spis(site)
    renamed = rename_tunnels(site.fabric, names)
    plan = site.preview(renamed).plan
    assert {change.reason for change in plan.changes} == {f"renamed from {old}" for old in names}
    assert {change.action for change in plan.changes} == {Action.UPDATE}
    disruptions = {change.disruption for change in plan.changes}
    assert disruptions <= {Disruption.NONE, Disruption.MAKE_BEFORE_BREAK} and len(disruptions) == len(names)
    applied = site.apply(renamed)
    assert_converged(applied)
    for router in ("paris", "tokyo"):
        seen = state(site, router)
        (name,) = (f"tw-{t.name}" for t in renamed.tunnels.values() if t.router == router)
        assert set(seen.connections) == {sa.connection for sa in seen.sas} == {name}
        assert set(seen.files) == {f"{name}.conf"}
        assert len(seen.secret_ids) == len(seen.sas) == 1
    now = {child.spi_in for sa in state(site).sas for child in sa.children}
    assert len(now) == 1 and not now & before
    assert [check for check in site.verify(renamed) if not check.passed] == []


def test_a_reconnect_is_done_once(site: Site) -> None:
    site.apply()
    before = spis(site)
    asked = change_tunnels(site.fabric, reconnect="2026-03-01")
    plan = site.preview(asked).plan
    assert {change.reason for change in plan.changes} == {"a reconnect is requested"}
    assert [s.summary for s in plan.steps if s.disruption is Disruption.INTERRUPTS] == [
        "terminate the SAs of tw-paris-tokyo, then bring it up again"
    ]
    assert_converged(site.apply(asked))
    after = spis(site)
    assert len(after) == 1 and not after & before
    # Neither the same wish nor its end is another one.
    assert_converged(site.apply(asked))
    assert_converged(site.apply())
    assert spis(site) == after


def test_a_reconnect_on_request_needs_no_difference(site: Site) -> None:
    site.apply()
    before = spis(site)
    asked = observed_plan(
        site.fabric, site.store(), site.fleet, asked=Asked(reconnect=frozenset({"tokyo-paris"}))
    )
    assert [str(change.resource) for change in asked.plan.changes] == ["tokyo/tunnel/tokyo-paris"]
    assert_converged(apply(asked, site.fleet))
    assert len(spis(site)) == 1 and not spis(site) & before


def test_a_file_that_was_replaced_by_hand_asks_for_no_reconnect(site: Site) -> None:
    asked = change_tunnels(site.fabric, reconnect="2026-03-01")
    site.apply(asked)
    before = spis(site)
    site.connect("paris").host.write_files({FILE: Secret(b"# nothing of ours\n")})
    assert "reconnect" not in {c.path for change in site.preview(asked).plan.changes for c in change.changes}
    assert_converged(site.apply(asked))
    assert spis(site) == before or len(spis(site)) == 1


def test_nothing_is_found_where_nothing_is_wrong(site: Site) -> None:
    assert_converged(site.apply())
    for rekey in (False, site.kind != "memory"):
        (found,) = diagnose_tunnels(site.fabric, (), site.store(), site.fleet, rekey=rekey)
        assert (sorted(found.tunnels), found.findings) == (["paris-tokyo", "tokyo-paris"], ())
    site.delete_address("tokyo", InterfaceAddress("eth0", "203.0.113.12/24"))
    (found,) = diagnose_tunnels(site.fabric, (), site.store(), site.fleet)
    assert "vip-missing" in {item.code for item in found.findings}


def test_a_foreign_connection_is_taken_over_and_does_not_come_back(site: Site) -> None:
    wanted = by_hand(site)
    plan = site.preview(wanted).plan
    tunnels = [change for change in plan.changes if change.resource.kind == "tunnel"]
    assert {change.reason for change in tunnels} == {f"takes over the connection {FOREIGN}"}
    assert max((step.disruption for step in plan.steps), key=lambda d: d.rank) is Disruption.MAKE_BEFORE_BREAK
    aside = f"rename /etc/swanctl/conf.d/{FOREIGN}.conf to /etc/swanctl/conf.d/{FOREIGN}.conf.adopted"
    summaries = [step.summary for step in plan.steps]
    assert summaries.count(aside) == 2
    assert summaries.count(f"terminate the SAs of {FOREIGN}") == 2, "close_action may have set one up again"
    applied = site.apply(wanted)
    assert_converged(applied)
    for name in ("paris", "tokyo"):
        site.restart_charon(name)
        router = site.connect(name)
        loaded = {conn for event in router.vici.stream("list-conns", "list-conn") for conn in event}
        assert len(loaded) == 1
        assert FOREIGN not in loaded
        assert f"ike-{FOREIGN}" not in router.vici.request("get-shared")["keys"]
    assert not [c for c in site.preview(wanted).plan.changes if c.resource.kind == "tunnel"]


def test_a_file_that_was_set_aside_once_is_not_overwritten(site: Site) -> None:
    host = site.connect("paris").host
    path = f"/etc/swanctl/conf.d/{FOREIGN}.conf"
    host.write_files({f"{FOREIGN}.conf": Secret(b"# first\n")})
    host.set_aside(path)
    assert not host.read_files(path)
    host.write_files({f"{FOREIGN}.conf": Secret(b"# second\n")})
    with pytest.raises(CommandRejected, match="there already"):
        host.set_aside(path)
    host.remove_files([f"{FOREIGN}.conf"])
    found = host.read_files("/etc/swanctl/conf.d/*.adopted")
    assert {name: file.reveal() for name, file in found.items()} == {f"{path}.adopted": b"# first\n"}
