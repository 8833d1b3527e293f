"""Addresses that nothing asks for any more, and addresses that two routers have."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from reconciler.model.fabric import Fabric, Vip
from reconciler.model.operation import RecordAddress, RemoveAddress
from reconciler.model.plan import Disruption, HeldAddress, Phase, Plan
from reconciler.model.router_config import InterfaceAddress
from tests.contract.sites import Site, memory_site
from tests.converged import assert_converged
from tests.fabrics import HERE, ring

HOSTS = tuple(f"203.0.113.{number}" for number in range(11, 17))
OUT = InterfaceAddress("eth0", "203.0.113.11/24")


def site() -> Site:
    here = memory_site(Path(tempfile.mkdtemp()), fabric=ring(HOSTS))
    here.apply()
    return here


def without(fabric: Fabric, *names: str) -> Fabric:
    """The fabric without some tunnels and the VIPs that they create."""
    return replace(
        fabric,
        tunnels={name: tunnel for name, tunnel in fabric.tunnels.items() if name not in names},
        vips={name: vip for name, vip in fabric.vips.items() if name not in names},
    )


def with_vip(fabric: Fabric, router: str, address: str, *, managed: bool = True) -> Fabric:
    web = Vip("web", address, 24, "internet", router, "eth0", managed=managed, location=HERE)
    return replace(fabric, vips={**fabric.vips, "web": web})


def address_steps(plan: Plan) -> list[tuple[str, Phase, str, Disruption]]:
    return [
        (step.router, step.phase, step.summary, step.disruption)
        for step in plan.steps
        if isinstance(step.operation, RemoveAddress | RecordAddress)
    ]


def test_the_vip_of_a_deleted_tunnel_stays_and_is_listed_as_unused() -> None:
    here = site()
    deleted = without(here.fabric, "ada-out", "bob-in")
    assert_converged(here.apply(deleted))
    plan = here.preview(deleted).plan
    assert plan.empty
    bob = InterfaceAddress("eth0", f"{HOSTS[3]}/24")
    assert plan.unused == (
        HeldAddress("ada", OUT, "IPsecTunnel/ada-out"),
        HeldAddress("bob", bob, "IPsecTunnel/bob-in"),
    )


def test_an_unused_vip_goes_when_its_address_is_wanted_elsewhere() -> None:
    here = site()
    deleted = without(here.fabric, "ada-out", "bob-in")
    here.apply(deleted)
    for managed in (True, False):
        wanted = with_vip(deleted, "cyd", HOSTS[0], managed=managed)
        plan = here.preview(wanted).plan
        assert address_steps(plan) == [
            ("ada", Phase.WITHDRAW, "remove 203.0.113.11/24 from eth0", Disruption.INTERRUPTS)
        ]
        assert [item.host for item in plan.unused] == [HOSTS[3]]
    assert_converged(here.apply(with_vip(deleted, "cyd", HOSTS[0])))
    assert OUT not in here.connect("ada").host.snapshot([]).addresses
    assert OUT in here.connect("cyd").host.snapshot([]).addresses


def test_an_unused_vip_that_a_tunnel_creates_again_is_used_again() -> None:
    here = site()
    here.apply(without(here.fabric, "ada-out", "bob-in"))
    assert_converged(here.apply())
    assert here.preview().plan.unused == ()


def test_what_others_provide_from_now_on_stays_and_is_recorded_no_more() -> None:
    here = site()
    mine, theirs = (
        with_vip(here.fabric, "ada", "203.0.113.77", managed=managed) for managed in (True, False)
    )
    assert_converged(here.apply(mine))
    plan = here.preview(theirs).plan
    assert address_steps(plan) == [
        ("ada", Phase.HOST, "take 203.0.113.77/24 out of /etc/tunnelwright/addresses", Disruption.NONE)
    ]
    assert_converged(here.apply(theirs))
    # Nothing is known of it any more, so it stays when its document goes.
    assert here.preview().plan.empty


def test_a_line_whose_address_is_gone_is_forgotten() -> None:
    here = site()
    here.apply(with_vip(here.fabric, "ada", "203.0.113.77"))
    here.delete_address("ada", InterfaceAddress("eth0", "203.0.113.77/24"))
    plan = here.preview().plan
    assert [phase for _, phase, _, _ in address_steps(plan)] == [Phase.HOST]
    assert_converged(here.apply())


def test_an_address_of_another_prefix_length_is_not_ours() -> None:
    here = site()
    here.apply(with_vip(here.fabric, "ada", "203.0.113.77"))
    host = here.connect("ada").host
    here.delete_address("ada", InterfaceAddress("eth0", "203.0.113.77/24"))
    foreign = InterfaceAddress("eth0", "203.0.113.77/32")
    host.add_address(foreign, "Vip/any")
    host.record_address(foreign, "")
    assert_converged(here.apply())
    assert foreign in host.snapshot([]).addresses


def test_an_address_on_two_routers_is_reported_until_one_loses_it() -> None:
    here = site()
    host = here.connect("bob").host
    host.add_address(OUT, "Vip/any")
    host.record_address(OUT, "")
    plan = here.preview().plan
    assert plan.empty
    (duplicate,) = plan.duplicates
    assert [held.router for held in duplicate.holders] == ["ada", "bob"]
    assert [held.owner for held in duplicate.holders] == ["IPsecTunnel/ada-out", ""]
    host.record_address(OUT, "Vip/gone")
    assert here.preview().plan.duplicates == (), "the plan parts them"
    assert_converged(here.apply())
    assert OUT not in host.snapshot([]).addresses


def test_a_renamed_tunnel_that_gets_another_address_leaves_none_behind() -> None:
    here = site()
    moved = ring(("203.0.113.77", *HOSTS[1:]))
    old = moved.tunnels["ada-out"]
    new = replace(old, name="anew", previous_names=("ada-out",), vip=replace(old.vip, name="anew"))
    tunnels = {name: tunnel for name, tunnel in moved.tunnels.items() if name != "ada-out"}
    tunnels |= {"anew": new, "bob-in": replace(tunnels["bob-in"], other_end="anew")}
    vips = {name: vip for name, vip in moved.vips.items() if name != "ada-out"} | {"anew": new.vip}
    renamed = replace(moved, tunnels=tunnels, vips=vips)
    assert_converged(here.apply(renamed))
    assert here.preview(renamed).plan.unused == ()
    assert OUT not in here.connect("ada").host.snapshot([]).addresses
