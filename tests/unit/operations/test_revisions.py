"""The plan between two revisions is that of routers that hold the first."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.load import Source, load_tree
from reconciler.load.reading import read
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import Fabric, PskRef
from reconciler.model.plan import Plan
from reconciler.model.router_config import InterfaceAddress
from reconciler.model.swanctl import Change
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import everything, judge_plan, observed_plan
from reconciler.operations.revisions import between
from reconciler.report.plan_text import plan_lines
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore
from reconciler.validate import validate
from schemas.keys import KeySource
from tests.allowed import ALLOWED
from tests.fabrics import many_tunnels
from tests.memory import MemoryRouter, Network

NOW = datetime(2026, 5, 9, 12, tzinfo=UTC)
GOLDEN = Path(__file__).parents[2] / "golden"
CASES = sorted(
    path.parent.name for path in GOLDEN.glob("*/desired.yaml") if (path.parent / "live.yaml").exists()
)


def fabric_of(case: str, name: str, folder: Path) -> Fabric:
    tree = folder / name
    tree.mkdir()
    shutil.copy(GOLDEN / case / f"{name}.yaml", tree)
    fabric, found = validate(load_tree(tree))
    assert found.errors == ()
    return fabric


def memory_routers(base: Fabric, head: Fabric) -> dict[str, MemoryRouter]:
    """The routers of both revisions, bare."""
    network = Network()
    return {
        name: MemoryRouter(
            name,
            network,
            [InterfaceAddress(a.interface, f"{a.address}/24") for a in (*router.public, *router.vpc)],
        )
        for name, router in {**head.routers, **base.routers}.items()
    }


def shown(plan: Plan) -> set[tuple[str, ...]]:
    """What is compared: all that a person decides by. Kernel settings of a router in memory are its own."""
    return {
        (str(change.resource), change.action, change.disruption, *(step.summary for step in change.steps))
        for change in plan.changes
        if change.resource.kind in {"tunnel", "vip"}
    }


def without_keys(found: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """A key's fingerprint is part of the name of its step."""
    return {tuple(part.rpartition("-")[0] if " key ike-" in part else part for part in row) for row in found}


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_plan_of_routers_that_hold_the_base(case: str, tmp_path: Path) -> None:
    base, head = (fabric_of(case, name, tmp_path) for name in ("live", "desired"))
    routers = memory_routers(base, head)
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    store = SecretStore(keys, {"KEY": "a golden key", "NEW_KEY": "another golden key", **ALLOWED})
    apply(observed_plan(base, store, Fleet(routers.__getitem__)), Fleet(routers.__getitem__), timeout=0.1)
    planned = observed_plan(head, store, Fleet(routers.__getitem__)).plan
    foreseen = between(base, head, NOW).plan
    assert shown(foreseen) == without_keys(shown(planned))


def test_what_is_equal_in_both_is_left_out_and_the_rest_is_as_before(tmp_path: Path) -> None:
    """Of five tunnels one is changed, one disabled, one removed, one new, and one as it was."""
    whole = many_tunnels(5)
    base = replace(whole, tunnels={n: t for n, t in whole.tunnels.items() if not n.endswith("4")})
    tunnels = {name: tunnel for name, tunnel in whole.tunnels.items() if not name.endswith("2")}
    for name, tunnel in tunnels.items():
        if name.endswith("0"):
            tunnels[name] = replace(tunnel, esp=replace(tunnel.esp, pfs_group=19))
        elif name.endswith("1"):
            tunnels[name] = replace(tunnel, enabled=False)
    head = replace(whole, tunnels=tunnels)
    routers = memory_routers(base, head)
    (tmp_path / "keys").mkdir(mode=0o700)
    store = SecretStore(tmp_path / "keys", {"TUNNELWRIGHT_KEY_LAB": "a key of the lab"})
    apply(observed_plan(base, store, Fleet(routers.__getitem__)), Fleet(routers.__getitem__), timeout=0.1)
    planned, foreseen = (
        observed_plan(head, store, Fleet(routers.__getitem__)).plan,
        between(base, head, NOW).plan,
    )
    assert shown(foreseen) == without_keys(shown(planned))
    assert not any(resource.endswith("3") for resource, *_ in shown(foreseen))
    assert firewall(foreseen) == firewall(planned)


def firewall(plan: Plan) -> dict[str, set[tuple[str, object, object]]]:
    """What changes of each router's table."""
    return {
        change.resource.router: {(field.path, field.before, field.after) for field in change.changes}
        for change in plan.changes
        if change.resource.kind == "firewall"
    }


@pytest.mark.parametrize("case", CASES)
def test_a_revision_against_itself_changes_nothing(case: str, tmp_path: Path) -> None:
    fabric = fabric_of(case, "live", tmp_path)
    assert between(fabric, fabric, NOW).plan.empty


def test_a_key_is_shown_by_its_reference_and_nothing_made_up(tmp_path: Path) -> None:
    base, head = (fabric_of("key-rotation", name, tmp_path) for name in ("live", "desired"))
    changes = [field for change in between(base, head, NOW).plan.changes for field in change.changes]
    assert {(field.path, field.before, field.after) for field in changes} == {
        ("psk", "env:KEY", "env:NEW_KEY")
    }
    assert {field.source for field in changes} == {"base"}


@pytest.mark.parametrize("field", ["", "a--b"])
def test_a_key_that_is_encrypted_anew_is_a_changed_key_of_its_tunnels_alone(field: str) -> None:
    """Whether it is another one, only its recipients know; and what the file holds is in no field."""
    source: KeySource = "sops" if field else "age"

    def fabric(written: str) -> Fabric:
        whole = many_tunnels(2)
        key = PskRef(source, "keys/a--b.age", field, written, b"sealed bytes")
        ends = {name: replace(end, psk=key) for name, end in whole.tunnels.items() if name.endswith("1")}
        return replace(whole, tunnels={**whole.tunnels, **ends})

    step = between(fabric("0123456789abcdef"), fabric("fedcba9876543210"), NOW)
    name = f"{source}:keys/a--b.age{'#a--b' if field else ''}"
    assert {
        change.resource.name: list(map(str, map(shown_field, change.changes))) for change in step.plan.changes
    } == {end: [f"psk: {name} -> {name} (written again)"] for end in ("paris-001", "tokyo-001")}
    shown = "\n".join(line.text for line in plan_lines(step.plan))
    assert "0123456789abcdef" not in shown
    assert "sealed bytes" not in shown


def shown_field(field: Change) -> str:
    return f"{field.path}: {field.before} -> {field.after}"


def test_what_is_not_seen_of_keys_is_said_where_there_are_such_keys() -> None:
    whole = many_tunnels(1)
    sealed = {
        name: replace(end, psk=PskRef("age", "keys/a.age", written="ab"))
        for name, end in whole.tunnels.items()
    }
    encrypted = replace(whole, tunnels=sealed)
    other = replace(encrypted, fingerprint_key=PskRef("age", "keys/f.age", written="cd"))
    assert ["by their references" in note for note in between(whole, whole, NOW).notes] == [True]
    assert between(encrypted, encrypted, NOW).notes == ()
    assert ["fingerprintKey" in note for note in between(encrypted, other, NOW).notes] == [True]


def two_sites(*sites: str, managed: bool | None = None) -> Fabric:
    """Sites of one router each, with a tunnel between the routers' own addresses; validated."""
    documents = []
    numbers = {"near": 1, "far": 2}
    header = "apiVersion: tunnelwright/v1\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n"
    documents.append(header.format("PublicNetwork", "wan", "{cidr: 203.0.113.0/24}"))
    for name in sites:
        me, other = numbers[name], 3 - numbers[name]
        says = "" if managed is None else f", managed: {str(managed).lower()}"
        documents += [
            header.format("VpcNetwork", f"{name}-lan", f"{{cidr: 10.{me}.0.0/24}}"),
            header.format(
                "VpcRouter",
                name,
                f"{{publicNetworks: [{{network: wan, interface: wan0, address: 203.0.113.{me}}}], "
                f"vpcNetworks: [{{network: {name}-lan, interface: lan0, address: 10.{me}.0.1}}]}}",
            ),
            header.format(
                "IPsecTunnel",
                f"from-{name}",
                f"{{router: {name}, vip: {{system: true}}, peer: {{address: 203.0.113.{other}, "
                f"cidrs: [10.{other}.0.0/24]{says}}}, "
                "authentication: {mode: psk, key: {env: TUNNELWRIGHT_KEY_LAB}}}",
            ),
        ]
    content = "---\n".join(documents).encode()
    fabric, found = validate(read({"all.yaml": content}, Source("", ""), Diagnostics()))
    assert found.errors == ()
    return fabric


def test_a_site_that_goes_with_its_router_does_not_leave_the_other_end_alone(tmp_path: Path) -> None:
    """Its address has no owner then, so that `validate` cannot know; the revision before and the file on the
    router that stays do."""
    base, head = two_sites("near", "far"), two_sites("near")
    handed_over, gone = two_sites("near", managed=False), replace(head, tunnels={})
    routers = memory_routers(base, head)
    (tmp_path / "keys").mkdir(mode=0o700)
    store = SecretStore(tmp_path / "keys", {"TUNNELWRIGHT_KEY_LAB": "a key of the lab"})
    apply(observed_plan(base, store, Fleet(routers.__getitem__)), Fleet(routers.__getitem__), timeout=0.1)

    def reasons(to: Fabric) -> list[list[str]]:
        _, live = judge_plan(observed_plan(to, store, Fleet(routers.__getitem__)), everything)
        assert live.refusals == (), "what a router says of its own files costs that tunnel alone"
        refused = [item.reason for item in between(base, to, NOW).judgement.refusals]
        return [refused, [item.reason.partition(" (")[0] for item in live.deferrals]]

    said = "from-near loses its managed other end, and its peer 203.0.113.2 would become unmanaged"
    assert reasons(head) == [[said], [said]]
    disabled = {name: replace(tunnel, enabled=False) for name, tunnel in head.tunnels.items()}
    assert reasons(replace(head, tunnels=disabled)) == [[], []]
    assert reasons(base) == reasons(handed_over) == reasons(gone) == [[], []]
    apply(
        observed_plan(handed_over, store, Fleet(routers.__getitem__)), Fleet(routers.__getitem__), timeout=0.1
    )
    assert observed_plan(handed_over, store, Fleet(routers.__getitem__)).plan.empty
    assert reasons(head)[1] == [], "the router knows it"


def test_an_end_that_is_given_another_peer_loses_nothing() -> None:
    base = many_tunnels(2)
    alone = replace(base.tunnels["paris-001"], other_end=None)
    tunnels = {name: tunnel for name, tunnel in base.tunnels.items() if name != "tokyo-001"}
    left = replace(base, tunnels={**tunnels, "paris-001": alone})
    moved = replace(base, tunnels={**tunnels, "paris-001": replace(alone, peer_address="198.51.100.77")})
    assert len(between(base, left, NOW).judgement.refusals) == 1
    assert between(base, moved, NOW).judgement.refusals == ()
