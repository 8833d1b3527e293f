"""Two routers, one of which answers nonsense or fails in an unforeseen way: what is done of each
operation all the same."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.absence import AbsenceKind
from reconciler.model.errors import AnswerNotUnderstood, CommandRejected
from reconciler.model.outcome import Status
from reconciler.operations.apply import apply
from reconciler.operations.desired import compile_fabric
from reconciler.operations.diagnose import diagnose_tunnels
from reconciler.operations.observed_plan import observed, observed_plan
from reconciler.operations.verify import verify
from reconciler.plan.fleet import make_plan
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Connect, Router
from tests.contract.sites import PSK, Site, change_tunnels, memory_site
from tests.converged import assert_converged
from tests.odd import OddRouter, Twists, answers, changed, fails

PUZZLE = AnswerNotUnderstood("'x' is not a whole number", where="ping")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two routers in memory with a tunnel that is up."""
    found = memory_site(tmp_path)
    assert_converged(found.apply())
    return found


def odd(site: Site, twists: Twists) -> Connect:
    """The same routers, paris with twisted answers."""

    def connect(name: str) -> Router:
        return OddRouter(site.connect(name), twists if name == "paris" else {})

    return connect


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PUZZLE, "its answer was not understood: ping: 'x' is not a whole number"),
        (CommandRejected("sh: ping: not found"), "sh: ping: not found"),
        (IndexError("tuple index out of range"), "an unforeseen error: IndexError: tuple index out of range"),
    ],
)
def test_tunnels_that_could_not_be_probed_fail_their_check_with_the_reason(
    site: Site, error: Exception, reason: str
) -> None:
    checks, _ = verify(site.fabric, site.store(), Fleet(odd(site, {"probe": fails(error)})))
    traffic = {check.name: (check.passed, check.evidence) for check in checks if "traffic" in check.name}
    assert traffic["paris-tokyo: traffic"] == (False, f"not probed from paris: {reason}")
    assert traffic["tokyo-paris: traffic"][0]


def test_a_router_whose_answer_is_not_understood_is_named_by_its_checks(site: Site) -> None:
    checks, drift = verify(
        site.fabric, site.store(), Fleet(odd(site, {"stats": answers({"plugins": "vici"})}))
    )
    evidence = {check.name: check.evidence for check in checks if not check.passed}
    reason = "its answer was not understood: stats: plugins: 'vici' is not a list"
    assert evidence == {"paris-tokyo: up": f"paris: {reason}"}
    assert str(drift.unreachable["paris"]) == reason


def test_an_unforeseen_failure_of_a_step_is_an_outcome(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Keys that stand in the traceback are not in the log."""
    wanted = change_tunnels(site.fabric, esp__encryption="aes-128")
    for name in ("paris", "tokyo"):
        host = site.connect(name).host
        assert hasattr(host, "sysctls")
        host.sysctls["net/ipv4/ip_forward"] = "0"
    connect = odd(site, {"set_sysctls": fails(ValueError(PSK)), "start_stream": fails(ValueError("x"))})
    before = observed_plan(wanted, site.store(), Fleet(connect))
    with caplog.at_level(logging.ERROR, "tunnelwright.unforeseen"):
        applied = apply(before, Fleet(connect), timeout=0.1)
    assert len(applied.outcomes) == len(before.plan.steps)
    assert {o.status for o in applied.outcomes if o.step.router == "paris"} <= {
        Status.FAILED,
        Status.NOT_ATTEMPTED,
    }
    settings = site.connect("tokyo").host.snapshot(["net/ipv4/ip_forward"]).sysctls
    assert settings["net/ipv4/ip_forward"] == "1"
    [failed] = [o for o in applied.outcomes if o.step.router == "paris" and o.status is Status.FAILED]
    assert failed.message.startswith("an unforeseen error: ValueError: ")
    assert "Traceback" in caplog.text
    assert "set_sysctls" in caplog.text
    assert PSK not in caplog.text + failed.message
    assert applied.cost.losses == ()
    assert_converged(site.apply(wanted))  # the next run makes up for it


@pytest.mark.parametrize(
    ("twists", "reason"),
    [
        ({"inspect": changed(ruleset="{}")}, "nft list ruleset: nftables: is missing"),
        ({"inspect": changed(routes='[{"dst": "10.2.0.0/99"}]')}, "'10.2.0.0/99' is not an IPv4 network"),
        ({"route": answers(())}, "0 answers to 1 question"),
        ({"version": answers([])}, "version: a list is not a section"),
    ],
)
def test_a_diagnosis_says_which_router_was_not_understood(site: Site, twists: Twists, reason: str) -> None:
    [diagnosis] = diagnose_tunnels(site.fabric, (), site.store(), Fleet(odd(site, twists)))
    [finding] = [item for item in diagnosis.findings if item.code == "router-unreachable"]
    assert finding.tunnel == "paris-tokyo"
    assert finding.message.startswith("paris could not be examined: its answer was not understood: ")
    assert reason in finding.message


def test_a_router_whose_state_cannot_be_compared_is_left_out_of_the_plan(site: Site) -> None:
    """No decoder gives such a state: this is an unforeseen error."""
    wanted = change_tunnels(site.fabric, peer_cidrs=("10.77.0.0/24",), other_end=None)
    desired = compile_fabric(wanted, site.store())
    states = dict(observed(desired, site.fleet).states)
    table = states["paris"].firewall
    assert table is not None
    nonsense = replace(table, guarded=frozenset({("somewhere", "elsewhere")}))
    states["paris"] = replace(states["paris"], firewall=nonsense)
    plan = make_plan(desired, states)
    assert plan.unreachable["paris"].kind is AbsenceKind.UNFORESEEN
    assert {change.resource.router for change in plan.changes} == {"tokyo"}


def test_lists_that_multiply_cost_a_router_itself(site: Site) -> None:
    """A short answer may stand for any number of pairs."""
    site.apply()
    loaded = site.connect("paris").vici.connections  # type: ignore[attr-defined]
    many = [f"10.{number // 256}.{number % 256}.1" for number in range(1_000)]
    [(name, body)] = loaded.items()
    loaded[name] = {**body, "local_addrs": many, "remote_addrs": many}
    plan = site.preview().plan
    assert plan.unreachable["paris"].kind is AbsenceKind.NOT_UNDERSTOOD
    assert "1,000,0" in plan.unreachable["paris"].reason
    assert "at most 200,000" in plan.unreachable["paris"].reason
