"""After an apply both ends hold the same SAs, one of each kind, whatever was negotiated beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.engine import until
from reconciler.apply.settle import settle
from reconciler.facets.sas.agreement import carrying, installed, one_sided
from reconciler.model.fabric import Fabric
from reconciler.model.operation import Establish, PairEnd, Scope, Terminate
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Disruption, Phase
from reconciler.model.router_config import Asked, ChildSa, IkeSa
from reconciler.model.swanctl import plain
from reconciler.observe.state import read_sas
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import confirmed, observed_plan
from reconciler.plan import one_sided_sas
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Message
from tests.contract.sites import (
    CHARONS,
    FOREIGN,
    REAL,
    Site,
    by_hand,
    change_tunnels,
    memory_site,
    rename_tunnels,
)
from tests.converged import assert_converged
from tests.memory.charon import Charon
from tests.sas import bring_up, take_down

pytestmark = pytest.mark.one_transport

ENDS = {"paris": "tw-paris-tokyo", "tokyo": "tw-tokyo-paris"}


def held(site: Site, names: dict[str, str] = ENDS) -> tuple[tuple[IkeSa, ...], tuple[IkeSa, ...]]:
    """The SAs at both ends."""
    here, there = (read_sas(site.connect(router).vici, name) for router, name in names.items())
    return here, there


def under_way(sas: tuple[IkeSa, ...]) -> bool:
    """Whether anything is negotiated."""
    return any(sa.state != "ESTABLISHED" or sa.busy for sa in sas)


def assert_at_rest(site: Site, children: int = 1, names: dict[str, str] = ENDS) -> None:
    here, there = held(site, names)
    assert len(installed(here)) == len(carrying(here)) == children, here
    assert len(installed(there)) == len(carrying(there)) == children, there
    assert not one_sided(here, there) and not one_sided(there, here), (here, there)


def set_up_another(site: Site, fabric: Fabric) -> None:
    """A second IKE_SA beside the first, as a negotiation that crosses another one leaves it: charon makes one
    for a configuration that is not equal, which is then what it was before."""
    connection = site.preview(fabric).desired["paris"].connections[ENDS["paris"]]
    vici = site.connect("paris").vici
    vici.request("load-conn", {connection.name: plain({**connection.settings, "over_time": "1234s"})})
    bring_up(vici, connection.name, connection.children[0])
    vici.request("load-conn", {connection.name: plain(connection.settings)})


@pytest.mark.parametrize("version", [2, 1])
def test_a_surplus_sa_is_a_difference_and_is_closed(site: Site, version: int) -> None:
    fabric = change_tunnels(site.fabric, ike__version=version)
    assert_converged(site.apply(fabric))
    set_up_another(site, fabric)
    assert len(installed(held(site)[0])) == 2
    plan = site.preview(fabric).plan
    assert {change.reason for change in plan.changes} == {"there are surplus CHILD_SAs"}
    assert [step.summary for step in plan.steps] == ["close the surplus CHILD_SAs of tw-paris-tokyo"]
    assert {step.disruption for step in plan.steps} == {Disruption.NONE}
    assert [check for check in site.verify(fabric) if not check.passed] == [], "both ends hold all of them"
    applied = site.apply(fabric)
    assert_converged(applied)
    if site.real:
        assert [(loss.sent > 10, loss.lost) for loss in applied.cost.losses] == [(True, 0)]
    assert_at_rest(site)
    assert site.preview(fabric).plan.empty


def test_what_comes_up_when_a_tunnel_is_at_rest_already_is_closed_too(site: Site) -> None:
    """A peer that had tried before, when it got no answer, tries again for minutes."""
    before = site.preview()
    crossing = [site.fabric]

    def cross(outcome: Outcome) -> None:
        if outcome.step.phase is Phase.COMMIT and crossing:
            set_up_another(site, crossing.pop())

    applied = apply(before, site.fleet, progress=cross)
    assert not crossing
    assert_converged(applied)
    assert_at_rest(site)


def test_what_comes_up_while_a_tunnel_is_removed_is_terminated_too(site: Site) -> None:
    """As a charon that has just started brings its tunnels up."""
    assert_converged(site.apply())
    take_down(site.connect("paris").vici, ENDS["paris"])
    gone = replace(site.fabric, tunnels={})
    before = site.preview(gone)
    assert not any(isinstance(step.operation, Terminate) for step in before.plan.steps), "nothing runs"
    bring_up(site.connect("paris").vici, ENDS["paris"], "net")
    applied = apply(before, site.fleet)
    assert_converged(applied)
    assert held(site) == ((), ())


def test_what_the_end_of_a_former_connection_leaves_is_closed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its IKE_SA takes CHILD_SAs of the tunnel along at one end, when the tunnel has come to rest already."""
    site = memory_site(tmp_path)
    wanted = by_hand(site)
    charon = site.connect("tokyo").vici
    assert isinstance(charon, Charon)
    as_before = charon.stream

    def stream(command: str, event: str, message: Message | None = None) -> Iterator[Message]:
        if command == "terminate" and (message or {}).get("ike") == FOREIGN:
            [sa] = charon.sas
            child = replace(sa.children[0], number=sa.children[0].number + 1000, peer=None, state="REKEYED")
            sa.children.append(child)
        return as_before(command, event, message)

    monkeypatch.setattr(charon, "stream", stream)
    assert_converged(site.apply(wanted))
    assert_at_rest(site)


@REAL
def test_traffic_that_wakes_the_tunnel_while_it_is_reconnected_leaves_no_second_one(site: Site) -> None:
    """The measurement's packets find no SA at the other end, so that one negotiates as well."""
    site.apply()
    for _ in range(5):
        asked = observed_plan(
            site.fabric, site.store(), site.fleet, asked=Asked(reconnect=frozenset({"tokyo-paris"}))
        )
        assert_converged(apply(asked, site.fleet))
        assert_at_rest(site)


@REAL
@pytest.mark.parametrize("eager", [False, True], ids=["trap", "start"])
def test_a_connection_of_ikev1_is_taken_over_while_packets_flow(site: Site, eager: bool) -> None:
    """A packet that finds no SA makes for a second quick mode; `start` for one more under the old name."""
    first = replace(site, fabric=change_tunnels(site.fabric, ike__version=1))
    wanted = by_hand(first, eager=eager)
    inside = {"paris": "10.1.0.1", "tokyo": "10.2.0.1"}
    streams = []
    for here, there in (("paris", "tokyo"), ("tokyo", "paris")):
        host = site.connect(here).host
        streams.append((host, host.start_stream(inside[here], inside[there], 0.1, 120)))
    try:
        assert_converged(site.apply(wanted))
    finally:
        received = [
            stream.sent - stream.lost for host, token in streams for stream in [host.stop_stream(token)]
        ]
    assert all(received), "packets did flow"
    assert_at_rest(site)
    assert held(site, dict.fromkeys(ENDS, FOREIGN)) == ((), ())
    assert [check for check in site.verify(wanted) if not check.passed] == []


def test_an_sa_that_the_other_end_has_lost_is_replaced(site: Site) -> None:
    """It carries nothing, and DPD would find that out within minutes."""
    site.apply()
    lost = {child.spi_in for child in installed(held(site)[0])}
    site.restart_charon("tokyo")
    item = Establish(ENDS["paris"], ("net",), Scope.FIRST, other_end=PairEnd("tokyo", ENDS["tokyo"]))
    with Fleet(site.connect).kept() as fleet:
        assert settle(fleet, [("paris", item)], ()) == [""]
    assert_at_rest(site)
    assert not lost & {child.spi_in for child in installed(held(site)[0])}


def test_both_ends_belong_to_the_plan_of_one(tmp_path: Path) -> None:
    """So both are locked, and looked at again under the lock."""
    site = memory_site(tmp_path)
    site.apply()
    asked = observed_plan(
        site.fabric, site.store(), site.fleet, asked=Asked(reconnect=frozenset({"tokyo-paris"}))
    )
    assert {step.router for step in asked.plan.steps} == {"tokyo"}
    assert asked.plan.routers == {"paris", "tokyo"}
    again, moved = confirmed(asked, site.fleet)
    assert (again.plan.changes, moved) == (asked.plan.changes, {})


@pytest.mark.parametrize("version", [2, 1])
@pytest.mark.parametrize(("old", "new"), [("tokyo-paris", "zz-tokyo"), ("paris-tokyo", "zz-paris")])
def test_a_name_and_a_setting_of_the_child_change_together(
    site: Site, old: str, new: str, version: int
) -> None:
    """The end whose name stays would put the new CHILD_SA into the running IKE_SA, which the other end knows
    by the old name."""
    fabric = change_tunnels(site.fabric, ike__version=version)
    assert_converged(site.apply(fabric))
    changed = change_tunnels(rename_tunnels(fabric, {old: new}), esp__lifetime=1800)
    applied = site.apply(changed)
    assert_converged(applied)
    names = {tunnel.router: f"tw-{tunnel.name}" for tunnel in changed.tunnels.values()}
    assert_at_rest(site, names=dict(sorted(names.items())))


def many_pairs(fabric: Fabric) -> Fabric:
    """IKEv1, two networks at one end and three at the other: six CHILD_SAs."""
    paris, tokyo = ("10.1.0.0/25", "10.1.0.128/25"), ("10.2.0.0/26", "10.2.0.64/26", "10.2.0.128/25")
    tunnels: dict[str, Any] = {
        "paris-tokyo": replace(fabric.tunnels["paris-tokyo"], local_cidrs=paris, peer_cidrs=tokyo),
        "tokyo-paris": replace(fabric.tunnels["tokyo-paris"], local_cidrs=tokyo, peer_cidrs=paris),
    }
    return change_tunnels(replace(fabric, tunnels=tunnels), ike__version=1)


def test_children_that_the_other_end_took_along_are_closed_there(site: Site) -> None:
    """The answering end of IKEv1 moves CHILD_SAs into the IKE_SA that follows theirs."""
    fabric = many_pairs(site.fabric)
    assert_converged(site.apply(fabric))
    changed = change_tunnels(fabric, ike__encryption="aes-128", esp__encryption="aes-128")
    applied = site.apply(changed)
    assert_converged(applied)
    assert_at_rest(site, 6)


@CHARONS
def test_what_one_end_alone_holds_is_a_difference_and_is_closed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two negotiations leave it that cross: verify fails, and no document differs."""
    monkeypatch.setattr(one_sided_sas, "ONE_SIDED_SECONDS", 0)
    site.apply()
    lost = {child.spi_in for child in installed(held(site)[0])}
    site.restart_charon("tokyo")
    plan = site.preview().plan
    assert [change.reason for change in plan.changes] == [
        "tokyo, its other end, does not hold all of its CHILD_SAs"
    ]
    assert_converged(site.apply())
    assert not lost & {child.spi_in for child in installed(held(site)[0])}
    site.verify()  # its packets wake the tunnel
    assert [check for check in site.verify() if not check.passed] == []
    assert_at_rest(site)


def alone(site: Site) -> list[ChildSa]:
    """What one end holds for current and the other one does not hold. IKEv1 keeps what another has followed
    until it expires."""
    here, there = held(site)
    found = (*one_sided(here, there), *one_sided(there, here))
    return [child for child in found if child.state == "INSTALLED"]


@CHARONS
@pytest.mark.parametrize("version", [2, 1])
def test_both_ends_initiate_from_nothing_and_one_apply_is_enough(
    site: Site, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes of it is a matter of microseconds: nothing is left over, or the plan says what."""
    monkeypatch.setattr(one_sided_sas, "ONE_SIDED_SECONDS", 0)
    fabric = change_tunnels(site.fabric, ike__version=version)
    site.apply(fabric)
    ends = [(site.connect(router).vici, name) for router, name in ENDS.items()]
    desired = site.preview(fabric).desired
    children = [desired[router].connections[name].children[0] for router, name in ENDS.items()]
    for _ in range(2):
        for vici, name in ends:
            take_down(vici, name)
        for (vici, name), child in zip(ends, children, strict=True):
            list(vici.stream("initiate", "control-log", {"ike": name, "child": child, "timeout": "-1"}))
        assert until(lambda: not any(map(under_way, held(site))) and all(map(installed, held(site))), 20)
        assert not (alone(site) and site.preview(fabric).plan.empty), held(site)
        assert_converged(site.apply(fabric))
        assert [len(installed(end)) for end in held(site)] == [1, 1], held(site)
        assert not alone(site)
        assert [check for check in site.verify(fabric) if not check.passed] == []
