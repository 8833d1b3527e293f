"""Properties over routers in memory: whatever happens on the way, the next run converges."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.apply import establish
from reconciler.apply.phases import apply_plan
from reconciler.facets import boot
from reconciler.model.errors import RouterUnreachable
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Phase, Plan, Step
from reconciler.model.secret import Secret
from reconciler.operations.desired import compile_fabric
from reconciler.operations.observed_plan import observed
from reconciler.plan.fleet import make_plan
from reconciler.report.json.plan import plan_digest
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from tests.contract.sites import FOREIGN, Site, by_hand, change_tunnels, memory_site, rename_tunnels
from tests.converged import assert_converged
from tests.memory import MemoryRouter

CHANGES: list[dict[str, object]] = [
    {"esp__integrity": "sha512"},
    {"esp__encryption": "aes-128", "esp__pfs_group": None},
    {"ike__dh_group": 15},
    {"ike__integrity": "sha1", "ike__lifetime": 4000},
    {"ike__dpd_action": "trap"},
    {"ike__version": 1},
    {"enabled": False},
]
VARIANTS = st.lists(st.sampled_from(CHANGES), max_size=3)
PLANES = st.sampled_from([[], ["paris"], ["tokyo"], ["paris", "tokyo"]])
"""Which routers have the kernel's data plane."""


@pytest.fixture(autouse=True, scope="module")
def no_overlap() -> Iterator[None]:
    """In memory nothing is ever on its way."""
    before, establish.OVERLAP = establish.OVERLAP, 0.0
    yield
    establish.OVERLAP = before


def altered(fabric: Fabric, changes: list[dict[str, object]]) -> Fabric:
    for change in changes:
        fabric = change_tunnels(fabric, **change)
    return fabric


def site(kernel: Collection[str] = ()) -> Site:
    return memory_site(Path(tempfile.mkdtemp()), kernel)


def only(plan: Plan, kept: list[Step]) -> Plan:
    """The plan with only some of its steps."""
    ids = {id(step) for step in kept}
    changes = [replace(c, steps=tuple(s for s in c.steps if id(s) in ids)) for c in plan.changes]
    return replace(plan, changes=tuple(changes))


@settings(max_examples=30, deadline=None)
@given(VARIANTS, VARIANTS, PLANES)
def test_after_an_apply_there_is_nothing_to_plan(
    first: list[dict[str, object]], then: list[dict[str, object]], kernel: list[str]
) -> None:
    here = site(kernel)
    here.apply(altered(here.fabric, first))
    wanted = altered(here.fabric, then)
    applied = here.apply(wanted)
    assert applied.remaining.empty
    assert here.preview(wanted).plan.empty


@settings(max_examples=40, deadline=None)
@given(VARIANTS, VARIANTS, st.integers(0, 60), PLANES)
def test_a_crash_after_any_step_is_repaired_by_the_next_run(
    first: list[dict[str, object]], then: list[dict[str, object]], crash: int, kernel: list[str]
) -> None:
    here = site(kernel)
    here.apply(altered(here.fabric, first))
    wanted = altered(here.fabric, then)
    plan = here.preview(wanted, psk="rotated after it").plan
    apply_plan(only(plan, list(plan.steps[:crash])), here.fleet, timeout=0.2)
    applied = here.apply(wanted, psk="rotated after it")
    assert_converged(applied)
    for name in ("paris", "tokyo"):
        state = observed(compile_fabric(wanted, here.store("rotated after it")), here.fleet).states[name]
        enabled = all(tunnel.enabled for tunnel in wanted.tunnels.values())
        assert len(state.connections) == len(state.files) == len(state.secret_ids) == int(enabled)


@settings(max_examples=40, deadline=None)
@given(VARIANTS, st.sampled_from(["paris-tokyo", "tokyo-paris"]), st.integers(0, 60))
@example([], "paris-tokyo", 4)  # switched, and nothing tidied up
@example([{"esp__integrity": "sha512"}], "paris-tokyo", 6)
@example([{"esp__integrity": "sha512"}], "tokyo-paris", 1)  # the other end is marked as changing
def test_a_rename_that_is_cut_short_is_finished_by_the_next_run(
    then: list[dict[str, object]], renamed: str, crash: int
) -> None:
    here = site()
    here.apply()
    wanted = rename_tunnels(altered(here.fabric, then), {renamed: "anew"})
    plan = here.preview(wanted).plan
    apply_plan(only(plan, list(plan.steps[:crash])), here.fleet, timeout=0.2)
    applied = here.apply(wanted)
    assert_converged(applied)
    seen = observed(compile_fabric(wanted, here.store()), here.fleet)
    for name, state in seen.states.items():
        enabled = [f"tw-{t.name}" for t in wanted.tunnels.values() if t.enabled and t.router == name]
        assert sorted(state.connections) == sorted({sa.connection for sa in state.sas}) == enabled
        assert [path.removesuffix(".conf") for path in state.files] == enabled
        assert len(state.secret_ids) == len(enabled)


@settings(max_examples=40, deadline=None)
@given(VARIANTS, st.integers(0, 60), st.booleans())
@example([], 6, True)  # charon restarts after the old connection is unloaded
@example([], 15, True)  # between the key and the file
def test_an_adoption_that_is_cut_short_is_finished_by_the_next_run(
    then: list[dict[str, object]], crash: int, restarts: bool
) -> None:
    here = site()
    wanted = altered(by_hand(here), then)
    plan = here.preview(wanted).plan
    apply_plan(only(plan, list(plan.steps[:crash])), here.fleet, timeout=0.2)
    if restarts:
        for name in ("paris", "tokyo"):
            here.restart_charon(name)
    applied = here.apply(wanted)
    assert_converged(applied)
    if all(tunnel.enabled for tunnel in wanted.tunnels.values()):
        for name in ("paris", "tokyo"):
            here.restart_charon(name)
        seen = observed(compile_fabric(wanted, here.store()), here.fleet)
        for name, state in seen.states.items():
            [tunnel] = [t.name for t in wanted.tunnels.values() if t.router == name]
            assert list(state.connections) == [f"tw-{tunnel}"]
            assert len(state.secret_ids) == 1


def test_a_file_of_several_goes_with_the_last_that_is_taken_over() -> None:
    here = site()
    wanted = by_hand(here)
    host = here.connect("paris").host
    [(path, content)] = host.read_files(f"/etc/swanctl/conf.d/{FOREIGN}.conf").items()
    text = content.reveal().decode()
    other = text.replace(f"{FOREIGN} {{", "second {").replace("203.0.113.12", "203.0.113.13")
    host.write_files({f"{FOREIGN}.conf": Secret((text + other).encode())})
    here.restart_charon("paris")
    steps = here.preview(wanted).plan.steps
    assert not any("rename" in step.summary for step in steps if step.router == "paris")
    vip = replace(wanted.tunnels["paris-tokyo"].vip, name="v", address="203.0.113.21")
    second = replace(
        wanted.tunnels["paris-tokyo"],
        name="paris-second",
        adopts="second",
        peer_address="203.0.113.13",
        peer_cidrs=("10.3.0.0/24",),
        other_end=None,
        vip=vip,
    )
    both = replace(
        wanted, tunnels={**wanted.tunnels, second.name: second}, vips={**wanted.vips, vip.name: vip}
    )
    steps = here.preview(both).plan.steps
    assert not any("rename" in step.summary for step in steps if step.router == "paris")
    done = here.apply(both, timeout=0.2)
    assert [outcome.step.summary for outcome in done.outcomes][-3:] == [
        "unload key ike-office",
        "unload key ike-second",
        f"rename {path} to {path}.adopted",
    ], "at the end of the apply that takes over the last of them"
    assert done.remaining.empty
    assert list(host.read_files("/etc/swanctl/conf.d/*.adopted")) == [f"{path}.adopted"]


@settings(max_examples=30, deadline=None)
@given(VARIANTS, st.sampled_from(["10.2.0.0/24", "10.9.0.0/24", "10.2.0.0/16"]))
def test_a_boot_at_any_step_guards_what_any_tunnel_carries(
    then: list[dict[str, object]], peer_cidr: str
) -> None:
    """From the file of the guards alone: it is never behind what charon holds."""
    here = site()
    here.apply()
    wanted = change_tunnels(altered(here.fabric, then), peer_cidrs=(peer_cidr,), other_end=None)

    def check(outcome: Outcome) -> None:
        if outcome.step.phase <= Phase.GUARD:
            return
        router = here.connect(outcome.step.router)
        assert isinstance(router, MemoryRouter)
        listed = re.findall(r"([0-9./]+) \. ([0-9./]+)", router.host.owned[boot.GUARD].content)
        guarded = {(IPv4Network(first), IPv4Network(last)) for first, last in listed}
        for body in router.vici.connections.values():
            for child in body["children"].values():
                for local, remote in product(child["local_ts"], child["remote_ts"]):
                    here_to_there = IPv4Network(local), IPv4Network(remote)
                    covers = [all(map(IPv4Network.subnet_of, here_to_there, pair)) for pair in guarded]
                    assert any(covers), outcome.step.summary

    outcomes = apply_plan(here.preview(wanted).plan, here.fleet, timeout=0.2, progress=check)
    assert outcomes


def test_no_step_can_be_left_out() -> None:
    here = site()
    plan = here.preview().plan
    for left_out in plan.steps:
        if left_out.phase is Phase.SWITCH:
            continue  # its absence is a tunnel that comes up with the first packet
        bare = site()
        # The plan of equal routers is equal, so its steps can be recognized by their place.
        index = plan.steps.index(left_out)
        theirs = bare.preview().plan
        apply_plan(only(theirs, [s for i, s in enumerate(theirs.steps) if i != index]), bare.fleet, timeout=1)
        assert not bare.preview().plan.empty, left_out.summary


def test_the_order_of_input_does_not_matter() -> None:
    here = site()
    desired = compile_fabric(here.fabric, here.store())
    seen = observed(desired, here.fleet)
    turned = dict(reversed(list(desired.items())))
    states = dict(reversed(list(seen.states.items())))
    assert plan_digest(make_plan(desired, seen.states)) == plan_digest(make_plan(turned, states))


def test_a_dead_router_withholds_its_pairs_and_nothing_else() -> None:
    here = site()
    tokyo = here.connect("tokyo")
    assert hasattr(tokyo, "power")
    tokyo.power(on=False)
    plan = here.preview().plan
    assert set(plan.unreachable) == {"tokyo"}
    assert set(plan.withheld) == {"paris-tokyo"}
    # A VIP waits with the tunnels that need it: the router that is away may have it.
    assert {change.resource.kind for change in plan.changes} == {"sysctl", "firewall", "boot"}
    here.apply()
    tokyo.power(on=True)
    assert_converged(here.apply())


@pytest.mark.parametrize(
    "dies_at",
    [Phase.HOST, Phase.GUARD, Phase.SECRETS, Phase.CONNECTIONS, Phase.SWITCH, Phase.COMMIT],
)
def test_a_router_that_dies_in_the_middle_is_reported_step_by_step(dies_at: Phase) -> None:
    here = site()
    tokyo = here.connect("tokyo")
    assert hasattr(tokyo, "power")
    plan = here.preview().plan

    phases = sorted({step.phase for step in plan.steps})

    def kill(outcome: Outcome) -> None:
        if outcome.step.phase >= phases[phases.index(dies_at) - 1]:
            tokyo.power(on=False)

    if dies_at is Phase.HOST:
        tokyo.power(on=False)
    outcomes = apply_plan(plan, here.fleet, timeout=0.2, progress=kill)
    assert len(outcomes) == len(plan.steps)
    after = [o for o in outcomes if o.step.router == "tokyo" and o.step.phase >= dies_at]
    assert {o.status for o in after} <= {Status.FAILED, Status.NOT_ATTEMPTED}
    assert all(o.message for o in outcomes if o.status is not Status.DONE)
    tokyo.power(on=True)
    assert_converged(here.apply())


def test_a_connection_that_cannot_be_made_is_an_outcome() -> None:
    here = site()
    plan = here.preview().plan

    def connect(name: str) -> Router:
        if name == "tokyo":
            raise RouterUnreachable("no route", router=name)
        return here.connect(name)

    outcomes = apply_plan(plan, Fleet(connect), timeout=0.2)
    assert {o.message for o in outcomes if o.step.router == "tokyo" and o.status is Status.FAILED} == {
        "no route"
    }
    assert any(o.status is Status.NOT_ATTEMPTED for o in outcomes if o.step.router == "paris")
