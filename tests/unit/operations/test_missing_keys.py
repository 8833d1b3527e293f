"""A key that cannot be had costs its tunnel, at both ends, and no other one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.apply import establish
from reconciler.model.errors import KeysDiffer, SecretUnavailable
from reconciler.model.fabric import Fabric, PskRef
from reconciler.operations.apply import apply
from reconciler.operations.desired import compile_fabric
from reconciler.operations.diagnose import diagnose_tunnels
from reconciler.operations.observed_plan import ObservedPlan, observed_plan
from reconciler.operations.verify import verify
from reconciler.report.json.plan import plan_objects
from reconciler.report.plan_text import plan_lines
from reconciler.secrets import SecretStore
from tests.contract.sites import PSK, PSK_VARIABLE, Site, change_tunnels, memory_site, rename_tunnels
from tests.fabrics import many_tunnels, number_of

OTHER = "TUNNELWRIGHT_KEY_OTHER"


@pytest.fixture(autouse=True, scope="module")
def no_overlap() -> Iterator[None]:
    """In memory nothing is ever on its way."""
    before, establish.OVERLAP = establish.OVERLAP, 0.0
    yield
    establish.OVERLAP = before


def keyed(fabric: Fabric, numbers: set[int], router: str = "") -> Fabric:
    """Tunnels (or their ends at one router) that refer to a key of their own, which is the same."""
    tunnels = {
        name: replace(tunnel, psk=PskRef("env", OTHER))
        if number_of(name) in numbers and tunnel.router.startswith(router)
        else tunnel
        for name, tunnel in fabric.tunnels.items()
    }
    return replace(fabric, tunnels=tunnels)


def store(site: Site, *, whole: bool) -> SecretStore:
    return SecretStore(site.folder, {PSK_VARIABLE: PSK, **({OTHER: PSK} if whole else {})})


def seen(site: Site, fabric: Fabric, *, whole: bool = False) -> ObservedPlan:
    return observed_plan(fabric, store(site, whole=whole), site.fleet)


def held(site: Site, numbers: set[int]) -> dict[str, object]:
    """All that routers hold of some tunnels."""
    found: dict[str, object] = {}
    for name in ("paris", "tokyo"):
        router = site.connect(name)
        for number in numbers:
            tunnel = f"tw-{name}-{number:03d}"
            found[tunnel] = (
                router.vici.connections.get(tunnel),  # type: ignore[attr-defined]
                {i: key for i, key in router.vici.shared.items() if tunnel in i},  # type: ignore[attr-defined]
                router.host.files.get(f"{tunnel}.conf"),  # type: ignore[attr-defined]
                [sa.listed() for sa in router.vici.sas if sa.connection == tunnel],  # type: ignore[attr-defined]
            )
    return found


@pytest.mark.parametrize("router", ["", "paris", "tokyo"])
@pytest.mark.parametrize("new", [False, True])
def test_a_missing_key_costs_its_tunnel_at_both_ends_alone(tmp_path: Path, router: str, *, new: bool) -> None:
    site, fabric = memory_site(tmp_path), keyed(many_tunnels(3), {1}, router)
    if not new:
        assert apply(seen(site, fabric, whole=True), site.fleet, timeout=1).converged
    wanted = change_tunnels(fabric, esp__lifetime=1800)
    before = held(site, {1})
    plan = seen(site, wanted).plan
    assert {number_of(c.resource.name) for c in plan.changes if c.resource.kind == "tunnel"} == {0, 2}
    assert set(plan.withheld) == plan.keyless == {"paris-001", "tokyo-001"}
    reason = f"its key cannot be read: env:{OTHER}: the environment variable is not set"
    assert set(plan.withheld.values()) == {reason}
    assert apply(seen(site, wanted), site.fleet, timeout=1).converged
    assert held(site, {1}) == before
    assert not seen(site, wanted).plan.changes
    assert apply(seen(site, wanted, whole=True), site.fleet, timeout=1).converged
    assert seen(site, wanted, whole=True).plan.empty
    assert seen(site, wanted, whole=True).plan.withheld == {}


def test_one_that_is_as_desired_but_for_its_key_is_reported_all_the_same(tmp_path: Path) -> None:
    """Whether it is cannot be known."""
    site, fabric = memory_site(tmp_path), keyed(many_tunnels(2), {1})
    assert apply(seen(site, fabric, whole=True), site.fleet, timeout=1).converged
    found = seen(site, fabric)
    assert not found.plan.changes
    assert [line.text for line in plan_lines(found.plan)] == [
        f"! paris-001, tokyo-001: withheld, its key cannot be read: env:{OTHER}: "
        "the environment variable is not set"
    ]
    withheld = [item for item in plan_objects(found.plan) if item["type"] == "withheld"]
    assert [(item["tunnel"], item["cause"]) for item in withheld] == [
        ("paris-001", "key"),
        ("tokyo-001", "key"),
    ]
    checks, drift = verify(fabric, store(site, whole=False), site.fleet)
    assert [check for check in checks if not check.passed] == []
    assert drift.empty
    assert drift.keyless == {"paris-001", "tokyo-001"}


def test_a_rename_without_a_key_leaves_the_old_one_running(tmp_path: Path) -> None:
    site, fabric = memory_site(tmp_path), keyed(many_tunnels(2), {1})
    assert apply(seen(site, fabric, whole=True), site.fleet, timeout=1).converged
    before = held(site, {1})
    renamed = rename_tunnels(fabric, {"paris-001": "paris-009", "tokyo-001": "tokyo-009"})
    assert set(seen(site, renamed).plan.withheld) == {"paris-009", "tokyo-009"}
    assert not seen(site, renamed).plan.changes
    assert apply(seen(site, change_tunnels(renamed, esp__lifetime=1800)), site.fleet, timeout=1).converged
    assert held(site, {1}) == before


def test_one_without_a_key_can_still_be_deleted_and_disabled(tmp_path: Path) -> None:
    site, fabric = memory_site(tmp_path), keyed(many_tunnels(2), {1})
    assert apply(seen(site, fabric, whole=True), site.fleet, timeout=1).converged
    tunnels = {n: replace(t, enabled=number_of(n) != 1) for n, t in fabric.tunnels.items()}
    assert apply(seen(site, replace(fabric, tunnels=tunnels)), site.fleet, timeout=1).converged
    assert not any(value for entry in held(site, {1}).values() for value in entry)  # type: ignore[attr-defined]


def test_a_store_that_has_no_key_at_all_is_reported_once(tmp_path: Path) -> None:
    site, fabric = memory_site(tmp_path), keyed(many_tunnels(3), {0, 1, 2})
    with pytest.raises(SecretUnavailable, match="keys are missing") as caught:
        seen(site, fabric)
    assert str(caught.value).count(OTHER) == 1


def test_many_reasons_are_reported_in_few_lines(tmp_path: Path) -> None:
    site, fabric = memory_site(tmp_path), many_tunnels(80)
    tunnels = {
        name: replace(t, psk=PskRef("env", f"TUNNELWRIGHT_KEY_{number_of(name)}")) if number_of(name) else t
        for name, t in fabric.tunnels.items()
    }
    found = seen(site, replace(fabric, tunnels=tunnels))
    assert len(found.plan.keyless) == 2 * 79
    lines = [line.text for line in plan_lines(found.plan) if "withheld" in line.text]
    assert len(lines) == 51
    assert lines[-1] == f"! and {2 * 29} more tunnel ends are withheld"


def test_two_keys_that_differ_are_refused_though_another_is_missing(tmp_path: Path) -> None:
    site, fabric = memory_site(tmp_path), keyed(many_tunnels(3), {1}, "paris")
    missing = {"paris-002": replace(fabric.tunnels["paris-002"], psk=PskRef("file", "nowhere.psk"))}
    wanted = replace(fabric, tunnels={**fabric.tunnels, **missing})
    with pytest.raises(KeysDiffer, match="OTHER"):
        compile_fabric(wanted, SecretStore(tmp_path, {PSK_VARIABLE: PSK, OTHER: "another"}))
    assert set(seen(site, wanted, whole=True).plan.keyless) == {"paris-002", "tokyo-002"}


def test_a_diagnosis_asks_for_the_keys_of_what_it_looks_at(tmp_path: Path) -> None:
    site, fabric = memory_site(tmp_path), keyed(many_tunnels(2), {1}, "tokyo")
    assert apply(seen(site, fabric, whole=True), site.fleet, timeout=1).converged
    some = store(site, whole=False)
    (found,) = diagnose_tunnels(fabric, (), some, site.fleet, ("paris-000",))
    assert set(found.tunnels) == {"paris-000", "tokyo-000"}
    for names in (("paris-001",), ()):
        with pytest.raises(SecretUnavailable, match=f"tokyo-001: its key cannot be read: env:{OTHER}"):
            diagnose_tunnels(fabric, (), some, site.fleet, names)


NUMBERS = st.sets(st.integers(0, 3))


@settings(max_examples=20, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["", "paris", "tokyo"]))
def test_whatever_changes_nothing_of_a_tunnel_without_a_key_is_touched(
    missing: set[int], changed: set[int], there: set[int], router: str
) -> None:
    site = memory_site(Path(tempfile.mkdtemp()))
    fabric = keyed(many_tunnels(5), missing, router)
    some = {n: t for n, t in fabric.tunnels.items() if number_of(n) in there | {4}}
    assert apply(seen(site, replace(fabric, tunnels=some), whole=True), site.fleet, timeout=1).converged
    tunnels = {
        n: replace(t, esp=replace(t.esp, lifetime=1800), local_cidrs=(f"10.{150 + number_of(n)}.0.0/24",))
        if number_of(n) in changed and t.router == "paris"
        else t
        for n, t in fabric.tunnels.items()
    }
    wanted = replace(fabric, tunnels=tunnels)
    before = held(site, missing)
    found = seen(site, wanted)
    assert {number_of(name) for name in found.plan.keyless} == missing
    apply(found, site.fleet, timeout=0)
    assert held(site, missing) == before
