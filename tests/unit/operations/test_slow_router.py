"""Two routers, every answer of one of which takes nearly as long as an answer may: what that costs a look, an
apply and a proof. The clock is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.diagnosis.evidence import Evidence
from reconciler.model import bounds
from reconciler.model.absence import AbsenceKind
from reconciler.model.errors import RouterUnreachable
from reconciler.model.operation import SetSysctls
from reconciler.model.outcome import Status
from reconciler.observe.evidence import examine
from reconciler.observe.state import observe
from reconciler.operations.apply import apply, within_one_apply
from reconciler.operations.desired import compile_fabric
from reconciler.operations.observed_plan import observed_plan
from reconciler.operations.verify import verify
from reconciler.routers import allowance
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Connect
from tests.contract.sites import Site, change_tunnels, memory_site
from tests.slow import Clock, slowly

SECONDS = 50.0
LOOK = bounds.ROUTER_OBSERVATION_SECONDS_IN_ALL
APPLY = bounds.ROUTER_APPLY_SECONDS_IN_ALL


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(allowance, "monotonic", found)
    return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two routers in memory with a tunnel that is up."""
    found = memory_site(tmp_path)
    assert found.apply().converged
    return found


def _drifted(site: Site) -> None:
    for name in site.fabric.routers:
        site.connect(name).host.set_sysctls({"net/ipv4/ip_forward": "0"})


def slow(site: Site, clock: Clock, seconds: Callable[[str], float] | float = SECONDS) -> Connect:
    """The same routers, paris with slow answers."""
    return slowly(site.connect, clock, {"paris": seconds})


def test_a_look_ends_when_the_time_of_one_router_is_used_up(site: Site, clock: Clock) -> None:
    _drifted(site)
    found = observed_plan(site.fabric, site.store(), Fleet(slow(site, clock)))
    assert clock.now == LOOK
    assert set(found.observation.states) == {"tokyo"}
    absence = found.plan.unreachable["paris"]
    assert absence.kind is AbsenceKind.UNREACHABLE
    assert "longer than 120 s, the limit for one observation; the last one is to list-conns" in str(absence)
    assert [str(change.resource) for change in found.plan.changes] == ["tokyo/sysctl/forwarding"]


def test_a_look_that_is_slow_and_ends_in_time_is_one(site: Site, clock: Clock) -> None:
    assert observed_plan(site.fabric, site.store(), Fleet(slow(site, clock, LOOK / 7))).plan.empty
    assert clock.now > LOOK / 2


@pytest.mark.parametrize("operation", ["set_sysctls", "load-conn", "initiate", "list-sas", "write_files"])
def test_an_apply_ends_when_the_time_of_one_router_is_used_up(
    site: Site, clock: Clock, operation: str
) -> None:
    """Slow from the first command of this kind on: each outcome is reported, and the
    next run converges."""
    wanted = change_tunnels(site.fabric, esp__encryption="aes-128")
    _drifted(site)
    before = observed_plan(wanted, site.store(), site.fleet)
    steps = [step for step in before.plan.steps if step.router == "paris"]

    began: list[str] = []

    def seconds(asked: str) -> float:
        began.extend([asked] if asked == operation else [])
        return 99.0 if began else 1.0

    connect = within_one_apply(Fleet(slow(site, clock, seconds)), before.plan)
    applied = apply(before, connect, timeout=0.1)
    assert clock.now == APPLY + bounds.ROUTER_STEP_SECONDS * len(steps)
    assert len(applied.outcomes) == len(before.plan.steps)
    found = {name: [o for o in applied.outcomes if o.step.router == name] for name in ("paris", "tokyo")}
    undone = [outcome for outcome in found["paris"] if outcome.status is not Status.DONE]
    assert any("s, the limit for one apply" in outcome.message for outcome in undone)
    assert all(outcome.message for outcome in undone)
    assert {o.status for o in found["tokyo"] if isinstance(o.step.operation, SetSysctls)} == {Status.DONE}
    assert isinstance(applied.after.failures["paris"], RouterUnreachable)
    assert not applied.converged
    assert site.apply(wanted).converged, "the next run makes up for it"


def test_a_proof_ends_when_the_time_of_one_router_is_used_up(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "ROUTER_APPLY_SECONDS_IN_ALL", 150.0)

    def seconds(asked: str) -> float:
        return 99.0 if asked == "probe" else 1.0

    checks, _ = verify(site.fabric, site.store(), Fleet(slow(site, clock, seconds)))
    evidence = {check.name: (check.passed, check.evidence) for check in checks if "traffic" in check.name}
    assert not evidence["paris-tokyo: traffic"][0]
    assert "150 s, the limit for one proof" in evidence["paris-tokyo: traffic"][1]
    assert evidence["tokyo-paris: traffic"][0]
    assert 150.0 <= clock.now <= 150.0 + 2 * LOOK


def test_a_diagnosis_ends_when_the_time_of_one_router_is_used_up(site: Site, clock: Clock) -> None:
    def seconds(_: str) -> float:
        return 10.0 if clock.now < LOOK / 2 else 99.0

    desired = compile_fabric(site.fabric, site.store())
    [found] = examine(site.fabric, desired, Fleet(slow(site, clock, seconds)), ["paris-tokyo"])
    assert isinstance(found, Evidence)
    [paris] = [end for end in found.ends if end.tunnel.router == "paris"]
    assert "s, the limit for one diagnosis" in paris.unreachable
    assert clock.now <= 2 * LOOK + bounds.DIAGNOSE_SECONDS


def test_a_look_at_several_slow_routers_takes_as_long_as_one(site: Site, clock: Clock) -> None:
    """Side by side: each has its own time."""
    connect = slowly(site.connect, clock, {"paris": SECONDS, "tokyo": SECONDS})
    found = observe(Fleet(connect), {"paris": (), "tokyo": ()})
    assert set(found.failures) == {"paris", "tokyo"}
    assert clock.now <= 2 * LOOK
