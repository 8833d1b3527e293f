"""Which routers a plan arms, and what each of them saves."""

from __future__ import annotations

from pathlib import Path

from reconciler.model.operation import Arm, Confirm, SetAside
from reconciler.model.plan import Disruption, Phase, Plan, Step
from reconciler.model.way_back import Arming
from reconciler.plan.way_back import duration, saved, with_way_back
from tests.contract.sites import change_tunnels, memory_site, rename_tunnels

ARMING = Arming("0" * 16, "me@here", "d" * 64, "", 300)
BOTH = ["paris", "tokyo"]


def test_every_router_that_is_touched_is_armed_and_confirmed(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    found = site.preview()
    plan = with_way_back(found.plan, ARMING, found.desired)
    assert [step.router for step in plan.arming] == BOTH
    assert [step.router for step in plan.confirming] == BOTH
    assert {type(step.operation) for step in plan.arming} == {Arm}
    assert {step.operation for step in plan.confirming} == {Confirm("0" * 16)}
    phases = [step.phase for step in plan.listed_steps]
    assert phases == sorted(phases)
    assert (phases[0], phases[-1]) == (Phase.ARM, Phase.CONFIRM)
    assert plan.steps == found.plan.steps
    assert with_way_back(plan, None, found.desired) == found.plan


def test_the_other_end_of_a_pair_is_armed_although_it_has_no_steps(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    site.apply()
    wanted = change_tunnels(site.fabric, esp__integrity="sha512")
    found = site.preview(wanted)
    [own] = [change for change in found.plan.changes if change.resource.router == "paris"]
    switching = Plan((own,))
    assert {step.router for step in switching.steps} == {"paris"}
    plan = with_way_back(switching, ARMING, found.desired)
    assert [step.router for step in plan.arming] == BOTH
    assert saved(switching, "tokyo", found.desired).connections == ("tw-tokyo-paris",)


def test_with_nothing_to_do_nothing_is_armed(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    site.apply()
    found = site.preview()
    assert with_way_back(found.plan, ARMING, found.desired).listed_steps == ()


def test_what_is_saved(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    site.apply()
    found = site.preview(rename_tunnels(site.fabric, {"paris-tokyo": "new"}))
    here = saved(found.plan, "paris", found.desired)
    assert here.connections == ("tw-new", "tw-paris-tokyo"), "the former connection too"
    assert set(here.sysctls) == set(found.desired["paris"].sysctls)
    assert here.aside == ()


def test_a_file_that_is_set_aside_is_saved(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    found = site.preview()
    [change, *rest] = found.plan.changes
    aside = SetAside("/etc/swanctl/conf.d/office.conf")
    step = Step(change.resource.router, Phase.RETIRE, "", "set aside", Disruption.NONE, aside)
    plan = Plan((type(change)(change.resource, change.action, "", (), (*change.steps, step)), *rest))
    assert saved(plan, change.resource.router, found.desired).aside == (aside.path,)


def test_a_time_for_people() -> None:
    assert (duration(300), duration(90)) == ("5 min", "90 s")
