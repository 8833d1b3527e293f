"""VIPs that come, move and go, on routers in memory and real ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.session import Lab
from lab.topology import Role
from reconciler.model.errors import CommandRejected
from reconciler.model.fabric import Fabric, IdType, IkeId, Vip
from reconciler.model.operation import RemoveAddress
from reconciler.model.plan import Disruption
from reconciler.model.router_config import InterfaceAddress
from tests.contract.sites import Site
from tests.converged import assert_converged
from tests.fabrics import HERE

EITHER = pytest.mark.parametrize(
    "site", ["memory", pytest.param("real", marks=pytest.mark.engine)], indirect=True
)
ALIVE = pytest.mark.parametrize("site", [pytest.param("real", marks=pytest.mark.engine)], indirect=True)
WEB = "203.0.113.13"


def with_addresses(fabric: Fabric, paris: str, tokyo: str) -> Fabric:
    """The two routers, whose VIPs have these addresses."""
    hosts = {"paris": paris, "tokyo": tokyo}
    vips = {name: replace(vip, address=hosts[vip.router]) for name, vip in fabric.vips.items()}
    tunnels = {}
    for name, tunnel in fabric.tunnels.items():
        own = hosts[tunnel.router]
        peer = next(host for router, host in hosts.items() if router != tunnel.router)
        tunnels[name] = replace(
            tunnel,
            vip=vips[tunnel.vip.name],
            peer_address=peer,
            local_id=IkeId(IdType.IP, own),
            peer_id=IkeId(IdType.IP, peer),
        )
    return replace(fabric, vips=vips, tunnels=tunnels)


def with_web(fabric: Fabric, router: str) -> Fabric:
    """The fabric with a VIP that no tunnel uses, on one of its routers."""
    web = Vip("web", WEB, 24, "internet", router, "eth0", managed=True, location=HERE)
    return replace(fabric, vips={**fabric.vips, "web": web})


def holders(site: Site, host: str) -> set[str]:
    return {
        router
        for router in site.fabric.routers
        if f"{host}/24" in {a.cidr for a in site.connect(router).host.snapshot([]).addresses}
    }


def assert_carries(site: Site, fabric: Fabric) -> None:
    """Every check holds, and no packet of ten is lost in either direction, once what the change itself has
    cost is behind, and what a busy machine answers too late."""
    assert [check for check in site.verify(fabric) if not check.passed] == []
    for router, (near, far) in {"paris": ("10.1.0.1", "10.2.0.1"), "tokyo": ("10.2.0.1", "10.1.0.1")}.items():
        host = site.connect(router).host
        tries = (host.ping(near, far, 10) for _ in range(3))
        assert any((echoes.sent, echoes.received) == (10, 10) for echoes in tries), router


@EITHER
def test_two_routers_swap_their_vips_and_swap_them_back(site: Site) -> None:
    site.apply()
    swapped = with_addresses(site.fabric, "203.0.113.12", "203.0.113.11")
    for fabric in (swapped, site.fabric):
        assert_converged(site.apply(fabric))
        for vip in fabric.vips.values():
            assert holders(site, vip.address) == {vip.router}
        assert_carries(site, fabric)
        assert site.preview(fabric).plan.empty


@EITHER
def test_a_vip_that_moves_on_its_router_loses_nothing(site: Site) -> None:
    site.apply()
    site.verify()
    for fabric in (with_addresses(site.fabric, "203.0.113.19", "203.0.113.12"), site.fabric):
        applied = site.apply(fabric)
        assert_converged(applied)
        (loss,) = applied.cost.losses
        assert loss.predicted is Disruption.MAKE_BEFORE_BREAK
        assert loss.lost <= 1
        assert holders(site, "203.0.113.19") ^ holders(site, "203.0.113.11") == {"paris"}
        assert_carries(site, fabric)


@EITHER
def test_a_vip_goes_with_its_document(site: Site) -> None:
    assert_converged(site.apply(with_web(site.fabric, "paris")))
    assert holders(site, WEB) == {"paris"}
    plan = site.preview().plan
    (removal,) = [step for step in plan.steps if isinstance(step.operation, RemoveAddress)]
    assert removal.disruption is Disruption.INTERRUPTS
    assert_converged(site.apply())
    assert holders(site, WEB) == set()


@EITHER
def test_a_vip_without_a_record_stays_until_its_line_is_written(site: Site) -> None:
    """An early version added it without one: it may as well have been configured by hand."""
    address = InterfaceAddress("eth0", f"{WEB}/24")
    wanted = with_web(site.fabric, "paris")
    assert_converged(site.apply(wanted))
    site.connect("paris").host.record_address(address, "")
    assert site.preview(wanted).plan.empty
    assert_converged(site.apply())
    assert holders(site, WEB) == {"paris"}
    site.connect("paris").host.record_address(address, "Vip/web")
    assert_converged(site.apply())
    assert holders(site, WEB) == set()


@ALIVE
def test_a_vip_that_moves_answers_hosts_that_knew_it_elsewhere(site: Site, contract_lab: Lab) -> None:
    def received() -> str:
        return contract_lab.run(Role.BYSTANDER, "internet", ["ping", "-n", "-c10", "-i0.05", "-W1", WEB])

    site.apply(with_web(site.fabric, "paris"))
    for router in ("tokyo", "paris"):
        assert "10 received" in received()
        assert_converged(site.apply(with_web(site.fabric, router)))
        assert holders(site, WEB) == {router}
        assert "10 received" in received()
    site.apply()


@ALIVE
def test_an_address_for_which_another_host_answers_is_not_added(site: Site, contract_lab: Lab) -> None:
    address = InterfaceAddress("eth0", f"{WEB}/24")
    paris, tokyo = (site.connect(name).host for name in ("paris", "tokyo"))
    tokyo.add_address(address, "Vip/web")
    link = contract_lab.run(Role.ROUTER, "tokyo", ["cat", "/sys/class/net/eth0/address"]).strip()
    with pytest.raises(CommandRejected, match=f"{link} answers for {WEB} on eth0: .*proxy ARP"):
        paris.add_address(address, "Vip/web")
    seen = paris.snapshot([])
    assert address not in seen.addresses
    assert WEB not in seen.record
    tokyo.remove_address(address)
    paris.add_address(address, "Vip/web")
    assert address in paris.snapshot([]).addresses
    paris.remove_address(address)
