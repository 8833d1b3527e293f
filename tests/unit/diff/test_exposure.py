"""What leaves in the clear once guards are gone is said before it does, in every form of a plan."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPNetwork, IPSet

from reconciler.compile.as_applied import as_applied
from reconciler.compile.router import compile_router
from reconciler.diff.exposure import exposed
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Plan
from reconciler.model.record import Result, RunRecord
from reconciler.model.router_config import RouterConfig
from reconciler.model.secret import Secret
from reconciler.operations.observed_plan import everything
from reconciler.plan.events import plan_events
from reconciler.plan.fleet import ChangeFilter, make_plan
from reconciler.plan.targets import targeting
from reconciler.policy import Judgement
from reconciler.report.json.plan import plan_objects
from reconciler.report.markdown import comment
from reconciler.report.plan_text import plan_lines
from reconciler.report.run_text import run_lines
from tests.fabrics import many_tunnels, two_routers

NOW = datetime(2026, 5, 9, tzinfo=UTC)
BOTH = (("paris", ("10.1.0.0/24", "10.2.0.0/24")), ("tokyo", ("10.2.0.0/24", "10.1.0.0/24")))

NETWORKS = st.builds(
    lambda number, length: str(IPNetwork(f"10.0.0.{number}/{length}").cidr),
    st.integers(0, 255),
    st.integers(24, 32),
)
PAIRS = st.lists(
    st.tuples(st.sampled_from(["10.9.0.0/24", "10.9.0.0/25", "10.8.0.0/24"]), NETWORKS), max_size=8
)


def between(before: Fabric, after: Fabric, selected: ChangeFilter = everything) -> Plan:
    def compiled(fabric: Fabric, name: str) -> RouterConfig:
        keys = {tunnel.psk: Secret(b"a key") for tunnel in before.tunnels.values()}
        return compile_router(fabric, name, keys, Secret(b"f"))

    return make_plan(
        {name: compiled(after, name) for name in before.routers},
        {name: as_applied(compiled(before, name)) for name in before.routers},
        selected=selected,
    )


def without(fabric: Fabric, *names: str) -> Fabric:
    return replace(fabric, tunnels={n: t for n, t in fabric.tunnels.items() if n not in names})


def changed(fabric: Fabric, **fields: object) -> Fabric:
    tunnels = {name: replace(tunnel, **fields) for name, tunnel in fabric.tunnels.items()}  # type: ignore[arg-type]
    return replace(fabric, tunnels=tunnels)


def test_a_tunnel_that_is_deleted_is_shown_by_prefix() -> None:
    before = two_routers()
    assert between(before, without(before, "paris-tokyo", "tokyo-paris")).exposed == BOTH


def test_a_network_that_is_taken_off_a_tunnel_is_reported() -> None:
    after = two_routers()
    wide = replace(after.tunnels["paris-tokyo"], peer_cidrs=("10.2.0.0/24", "10.3.0.0/24"))
    before = replace(after, tunnels={**after.tunnels, "paris-tokyo": wide})
    assert between(before, after).exposed == (("paris", ("10.1.0.0/24", "10.3.0.0/24")),)


def test_of_a_network_that_gets_smaller_the_rest_is_reported() -> None:
    after = two_routers()
    wide = replace(after.tunnels["paris-tokyo"], peer_cidrs=("10.2.0.0/22",))
    before = replace(after, tunnels={**after.tunnels, "paris-tokyo": wide})
    assert between(before, after).exposed == (
        ("paris", ("10.1.0.0/24", "10.2.1.0/24")),
        ("paris", ("10.1.0.0/24", "10.2.2.0/23")),
    )


def test_what_another_tunnel_covers_is_not_exposed() -> None:
    base = two_routers()
    other = replace(base.tunnels["paris-tokyo"], name="wide", peer_cidrs=("10.2.0.0/16",), enabled=False)
    after = without(replace(base, tunnels={**base.tunnels, "wide": other}), "paris-tokyo")
    assert between(base, after).exposed == ()


def test_a_disabled_tunnel_stays_guarded() -> None:
    before = two_routers()
    assert between(before, changed(before, enabled=False)).exposed == ()
    gone = without(before, *before.tunnels)
    assert between(changed(before, enabled=False), gone).exposed == BOTH


def test_a_target_keeps_the_guards_until_the_table_goes_with_it() -> None:
    """What is not in Git any more has no router of its own: its connection goes, its guards stay."""
    before = many_tunnels(2)
    after = without(before, "paris-001", "tokyo-001")
    one = between(before, after, targeting(after, ("paris-001", "tokyo-001"), ()))
    assert {change.resource.kind for change in one.changes} == {"tunnel"}
    assert one.exposed == ()
    # A tunnel that waits keeps its guard although the router's table is changed.
    rest = between(before, after, targeting(after, (), ("paris-001",)))
    assert not any(router == "paris" for router, _ in rest.exposed)
    assert {router for router, _ in between(before, after).exposed} == {"paris", "tokyo"}


def test_every_form_of_a_plan_shows_it() -> None:
    before = two_routers()
    plan = between(before, without(before, *before.tunnels))
    text = "\n".join(line.text for line in plan_lines(plan))
    markdown = comment(plan, Judgement(), (), (), base="a", head="b", unchanged="")
    objects = list(plan_objects(plan))
    record = RunRecord(
        NOW, NOW, "commit", "a" * 40, "a" * 40, Result.CHANGED, "", tuple(plan_events(plan, ""))
    )
    recorded = "\n".join(line.text for line in run_lines(record))
    assert "  ! [paris] from 10.1.0.0/24 to 10.2.0.0/24" in text
    assert text.index("in the clear") < text.index("Plan: ")
    assert "- ! `paris`: from `10.1.0.0/24` to `10.2.0.0/24`" in markdown
    assert "at paris from 10.1.0.0/24 to 10.2.0.0/24" in recorded
    shown = [json.loads(json.dumps(item)) for item in objects if item["type"] == "exposed"]
    assert shown == [
        {"type": "exposed", "router": router, "source": source, "destination": destination}
        for router, (source, destination) in BOTH
    ]


def test_what_keeps_its_guard_for_now_is_distinguished() -> None:
    """A tunnel that waits is counted in the plan's summary, and said not to be done now; its traffic stays
    guarded until it is."""
    before = many_tunnels(2)
    after = without(before, *before.tunnels)
    plan = between(before, after)
    # All guards of its router stay with it; the other router's go.
    now = between(before, after, targeting(after, (), ("paris-001",)))
    kept = {pair for pair in plan.exposed if pair not in now.exposed}
    assert now.exposed
    assert kept
    text = "\n".join(line.text for line in plan_lines(plan, now=now))
    markdown = comment(plan, Judgement(), (), (), base="a", head="b", unchanged="", now=now)
    objects = list(plan_objects(plan, now))
    events = tuple(plan_events(plan, "", now))
    record = RunRecord(NOW, NOW, "commit", "a" * 40, "a" * 40, Result.HELD, "", events)
    recorded = "\n".join(line.text for line in run_lines(record))
    for shown in (text, markdown):
        soon, later = shown.split("Once the rest of the plan is applied, no tunnel guards", 1)
        for router, (source, destination) in plan.exposed:
            named = re.compile(rf"! .?{router}.*from .?{source}.? to .?{destination}")
            assert bool(named.search(soon)) == ((router, (source, destination)) not in kept)
            assert bool(named.search(later)) == ((router, (source, destination)) in kept)
        assert "4 to destroy; 3 of these are not done now, see below." in shown
        assert "Disruption: 4 destroys; of what is done now: 3 destroys." in shown
    exposed_later = [item for item in objects if item["type"] == "exposed" and item.get("later")]
    assert {(item["router"], (item["source"], item["destination"])) for item in exposed_later} == kept
    assert objects[-1]["later"] == 3
    for router, (source, destination) in plan.exposed:
        when = "if it is done later" if (router, (source, destination)) in kept else "afterwards"
        assert f"in the clear {when}: at {router} from {source} to {destination}" in recorded


def test_what_is_done_whole_says_nothing_of_later() -> None:
    before = two_routers()
    plan = between(before, without(before, *before.tunnels))
    for now in (None, plan):
        text = "\n".join(line.text for line in plan_lines(plan, now=now))
        assert "2 to destroy." in text
        assert "later" not in text
        assert not any("later" in item for item in plan_objects(plan, now))


def test_a_text_names_a_hundred_and_counts_the_rest() -> None:
    before = many_tunnels(100)
    plan = between(before, without(before, *before.tunnels))
    assert len(plan.exposed) == 200
    assert len(list(plan_objects(plan))) >= 200
    text = [line.text for line in plan_lines(plan)]
    markdown = comment(plan, Judgement(), (), (), base="a", head="b", unchanged="").splitlines()
    assert sum(line.startswith("  ! [") for line in text) == 100
    assert "  ! and 100 more" in text
    assert "- ! and 100 more" in markdown


@given(PAIRS, PAIRS)
def test_exactly_what_is_covered_no_more(
    removed: list[tuple[str, str]], remaining: list[tuple[str, str]]
) -> None:
    found = exposed(removed, remaining)
    shown = {source: IPSet() for source, _ in removed}
    for source, destination in found:
        shown[source].add(destination)
    for source, group in itertools.groupby(sorted(removed), key=lambda pair: pair[0]):
        covering = IPSet(to for other, to in remaining if IPNetwork(source) in IPNetwork(other))
        assert shown[source] == IPSet(to for _, to in group) - covering


@pytest.mark.parametrize("odd", ["", "10.0.0.1-10.0.0.9", "10.0.0.1/24", "x" * 10_000])
def test_an_element_that_is_no_network_is_passed_over(odd: str) -> None:
    assert exposed([(odd, "10.0.0.0/24"), ("10.1.0.1", "10.2.0.1")], [("10.0.0.0/24", odd)]) == (
        ("10.1.0.1/32", "10.2.0.1/32"),
    )
