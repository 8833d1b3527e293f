"""What a router lists and Git never had costs it alone; what a commit deletes is judged as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reconciler.facets import files
from reconciler.facets.files import bears_fingerprint
from reconciler.model.absence import AbsenceKind
from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import LiveFile
from reconciler.model.safety import SafetyPolicy
from reconciler.model.secret import Secret, fingerprint
from reconciler.operations.apply import apply
from reconciler.operations.desired import shown_by_files
from reconciler.operations.observed_plan import ObservedPlan, judge_plan, narrowed, observed_plan
from reconciler.policy import Judgement, Override, withholdings
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import SecretStore
from tests.contract.sites import Site, change_tunnels, memory_site
from tests.fabrics import many_tunnels, number_of
from tests.odd import OddRouter, Twists

STRANGER = b"connections {\n    tw-ghost {\n    }\n}\n"
PROTECTED = b"# by hand\n\n# Deletion protection: on\n" + STRANGER


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two routers with twelve tunnels between them, as desired."""
    made = memory_site(tmp_path)
    made = replace(made, fabric=many_tunnels(12))
    assert made.apply().converged
    return made


def without(fabric: Fabric, numbers: set[int]) -> Fabric:
    kept = {name: t for name, t in fabric.tunnels.items() if number_of(name) not in numbers}
    return replace(fabric, tunnels=kept)


def judged(site: Site, fabric: Fabric, *overrides: Override) -> tuple[ObservedPlan, Judgement]:
    before = site.preview(fabric)
    known = shown_by_files(fabric, site.store(), before.observation.states)
    return judge_plan(before, known, frozenset(overrides))


def invent(site: Site, count: int, content: bytes = STRANGER, router: str = "paris") -> None:
    names = (f"tw-ghost{number:03d}.conf" for number in range(count))
    site.connect(router).host.write_files({name: Secret(content) for name in names})


def changing(fabric: Fabric) -> Fabric:
    """Something to do at both routers beside the tunnels between them."""
    return replace(fabric, routers={n: replace(r, mss=1200) for n, r in fabric.routers.items()})


def given_again(true: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Each of a listing, then the first one under thirty more names."""
    given = list(true())
    yield from given
    (body,) = given[0].values()
    yield from ({f"tw-ghost{number:03d}": body} for number in range(30))


def tar_of_files(true: Callable[[], Any]) -> Any:
    found = true()
    strangers = {f"tw-ghost{number:03d}.conf": LiveFile(Secret(STRANGER), 0o600) for number in range(30)}
    return replace(found, files={**found.files, **strangers})


@pytest.mark.parametrize(
    "twist",
    [{"list-conns": given_again}, {"list-sas": given_again}, {"snapshot": tar_of_files}],
    ids=["connections", "sas", "files"],
)
def test_a_router_that_invents_tunnels_costs_itself_alone(site: Site, twist: Twists) -> None:
    wanted = changing(site.fabric)

    def connect(name: str) -> Router:
        router = site.connect(name)
        return OddRouter(router, twist) if name == "paris" else router

    seen = observed_plan(wanted, site.store(), Fleet(connect))
    before, found = judge_plan(seen, shown_by_files(wanted, site.store(), seen.observation.states))
    assert not found.refusals
    assert {change.resource.router for change in before.plan.changes} == {"tokyo"}
    absence = before.plan.unreachable["paris"]
    assert absence.kind is AbsenceKind.WITHHELD
    assert absence.reason.startswith(
        "30 of the 42 tunnel ends on it would be destroyed, more than 30%, and there is no evidence that "
        "Git ever had: ghost000, ghost001"
    )
    assert apply(narrowed(before, found.allows), Fleet(connect), timeout=1).converged
    assert judged(site, wanted)[0].plan.routers == {"paris"}


def test_the_operator_may_have_it_destroyed(site: Site) -> None:
    invent(site, 30)
    before, found = judged(site, site.fabric, Override.DELETIONS)
    assert not before.plan.unreachable
    assert not found.refusals
    [overridden] = found.overridden
    assert len(overridden.resources) == 30
    assert apply(before, site.fleet, timeout=1).converged
    assert site.preview().plan.empty


def test_a_commit_that_deletes_too_much_is_refused_as_a_whole(site: Site) -> None:
    _, found = judged(site, without(site.fabric, {0, 1, 2, 3}))
    whole = "8 of the 24 tunnel ends on all routers would be destroyed, more than 30%"
    assert [refusal.reason for refusal in found.refusals][2:] == [whole]
    # Nothing of Git's is left, so no key is needed for anything else.
    assert len(judged(site, replace(site.fabric, tunnels={}))[1].refusals) == 3
    disabled = change_tunnels(site.fabric, enabled=False)
    assert len(judged(site, disabled)[1].refusals) == 3


def test_what_a_router_invents_makes_no_share_smaller(site: Site) -> None:
    """Not even where it is not withheld: below its own limit, or when what it invents is not planned."""
    invent(site, 4)
    before, found = judged(site, without(site.fabric, {0, 1, 2, 3}))
    assert not before.plan.unreachable
    assert [refusal.reason.partition(" would")[0] for refusal in found.refusals] == [
        "4 of the 12 tunnel ends on paris",
        "4 of the 12 tunnel ends on tokyo",
        "8 of the 24 tunnel ends on all routers",
    ]
    invent(site, 100)
    seen = site.preview(without(site.fabric, {0, 1, 2, 3}))
    targeted = narrowed(seen, lambda change: "ghost" not in change.resource.name)
    known = shown_by_files(seen.fabric, site.store(), seen.observation.states)
    assert len(judge_plan(targeted, known)[1].refusals) == 3


def test_a_deletion_of_few_and_what_a_router_invents_do_not_add_up(site: Site) -> None:
    invent(site, 4)
    before, found = judged(site, without(site.fabric, {0, 1}))
    assert (before.plan.unreachable, found.refusals) == ({}, ())
    assert apply(before, site.fleet, timeout=1).converged


def test_what_a_router_invents_joins_no_tunnel_of_others_and_uses_up_no_budget(site: Site) -> None:
    """It is called as a tunnel of others is, names its addresses, and comes first by name."""
    tunnels = {n: replace(t, reconnect="now" * (n[-1] == "5")) for n, t in site.fabric.tunnels.items()}
    wanted = replace(site.fabric, tunnels=tunnels, safety=SafetyPolicy(max_interrupted=1))

    def connect(name: str) -> Router:
        router = site.connect(name)

        def lied(true: Callable[[], Iterator[Any]]) -> Iterator[Any]:
            given = list(true())
            yield from given
            [(body,)] = [item.values() for item in given if "tw-paris-005" in item]
            for number, ghost in enumerate(("aa", "tokyo-005")):
                own = {"local-ts": ["172.16.0.0/24"], "remote-ts": [f"172.17.{number}.0/24"]}
                children = {name: {**child, **own} for name, child in body["child-sas"].items()}
                yield {f"tw-{ghost}": {**body, "child-sas": children}}

        return OddRouter(router, {"list-sas": lied}) if name == "paris" else router

    seen = observed_plan(wanted, site.store(), Fleet(connect))
    known = shown_by_files(wanted, site.store(), seen.observation.states)
    before, found = judge_plan(seen, known)
    assert not before.plan.unreachable
    assert {str(resource) for resource in found.deferred} == {"paris/tunnel/aa", "paris/tunnel/tokyo-005"}
    allowed = {str(change.resource) for change in narrowed(before, found.allows).plan.changes}
    assert {"paris/tunnel/paris-005", "tokyo/tunnel/tokyo-005"} <= allowed


@pytest.mark.parametrize("count", [1, 30])
def test_what_is_protected_and_was_never_gits_costs_its_router_alone(site: Site, count: int) -> None:
    invent(site, count, PROTECTED)
    wanted = changing(site.fabric)
    for overrides in ((), tuple(Override)):
        before, found = judged(site, wanted, *overrides)
        assert not found.refusals
        assert {change.resource.router for change in before.plan.changes} == {"tokyo"}
        assert "protected from deletion" in before.plan.unreachable["paris"].reason


def test_a_tunnel_of_gits_that_is_protected_stays_and_the_others_go(tmp_path: Path) -> None:
    """Whether its router's file is true or not."""
    made = memory_site(tmp_path)
    fabric = many_tunnels(4)
    tunnels = {n: replace(t, protected=n == "paris-000") for n, t in fabric.tunnels.items()}
    assert made.apply(replace(fabric, tunnels=tunnels)).converged
    wanted = without(fabric, {0, 1})
    before, found = judged(made, wanted, *Override)
    assert not found.refusals
    assert {resource.name for resource in found.deferred} == {"paris-000", "tokyo-000"}
    assert apply(narrowed(before, found.allows), made.fleet, timeout=1).converged
    assert "tw-tokyo-001" not in made.connect("tokyo").vici.connections  # type: ignore[attr-defined]  # memory
    assert "tw-tokyo-000" in made.connect("tokyo").vici.connections  # type: ignore[attr-defined]  # memory


@pytest.mark.parametrize("shown", [10, 4])
def test_a_router_that_hides_what_it_has_costs_itself_alone(shown: int, tmp_path: Path) -> None:
    """Of twenty tunnels it shows so many, so that the four that a commit deletes seem to be a large share of
    them, or of those on all routers."""
    made = memory_site(tmp_path)
    pairs = many_tunnels(40).tunnels
    ends = {n: t for n, t in pairs.items() if (t.router == "paris") == (number_of(n) < 20)}
    fabric = change_tunnels(replace(many_tunnels(40), tunnels=ends), other_end=None, unmanaged=True)
    made.apply(fabric)
    doomed = {0, 1, 2, 3, 20, 21, 22, 23, 24}
    seen = {f"tw-paris-{number:03d}" for number in range(shown)}

    def listed(true: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        return (item for item in list(true()) if seen.issuperset(item))

    def filed(true: Callable[[], Any]) -> Any:
        found = true()
        kept = {name: file for name, file in found.files.items() if name.removesuffix(".conf") in seen}
        return replace(found, files=kept)

    def connect(name: str) -> Router:
        twists = {"list-conns": listed, "list-sas": listed, "snapshot": filed}
        return OddRouter(made.connect(name), twists if name == "paris" else {})

    wanted = without(fabric, doomed)
    looked = observed_plan(wanted, made.store(), Fleet(connect))
    known = shown_by_files(wanted, made.store(), looked.observation.states)
    before, found = judge_plan(looked, known)
    assert not found.refusals
    assert {str(resource) for resource in found.deferred} == {f"paris/tunnel/paris-00{n}" for n in range(4)}
    assert {item.override for item in found.deferrals} == {Override.DELETIONS}
    going = {str(change.resource) for change in narrowed(before, found.allows).plan.changes}
    assert {f"tokyo/tunnel/tokyo-0{n}" for n in range(20, 25)} <= going


def test_small_routers_that_lost_all_their_proofs_are_not_emptied(tmp_path: Path) -> None:
    """Each is below the minimum; together they are not. The one with the most goes first."""
    made = memory_site(tmp_path)
    fabric = many_tunnels(6)
    assert made.apply(fabric).converged
    made.connect("paris").host.remove_files(["tw-paris-000.conf"])
    invent(made, 3)
    # Another key of fingerprints: no file shows anything.
    wanted = without(fabric, {1, 2, 3})
    seen = made.preview(wanted)
    known = shown_by_files(wanted, memory_site(Path(tempfile.mkdtemp())).store(), seen.observation.states)
    before, found = judge_plan(seen, known)
    assert not found.refusals
    assert [(name, absence.kind) for name, absence in before.plan.unreachable.items()] == [
        ("paris", AbsenceKind.WITHHELD)
    ]
    assert "9 of the 15 tunnel ends on all routers" in before.plan.unreachable["paris"].reason
    all_gone = replace(fabric, safety=SafetyPolicy(deletions_minimum=3), tunnels={})
    seen = made.preview(all_gone)
    before, _ = judge_plan(seen, known)
    assert set(before.plan.unreachable) == {"paris", "tokyo"}, "nothing is destroyed"


def without_fingerprint_key(site: Site) -> SecretStore:
    folder = Path(tempfile.mkdtemp()) / "is a file"
    folder.write_text("")
    return replace(site, folder=folder).store()


def test_a_key_of_fingerprints_that_cannot_be_had_is_reported(site: Site) -> None:
    """It is no reason to take a router's word for what was Git's, which would refuse all that is planned."""
    invent(site, 30)
    seen = site.preview()
    known = shown_by_files(site.fabric, without_fingerprint_key(site), seen.observation.states)
    with pytest.raises(SecretUnavailable, match="cannot create"):
        judge_plan(seen, known)


def test_no_key_of_fingerprints_is_needed_to_take_the_last_tunnels_away(site: Site) -> None:
    """All counts as Git's then: too many are refused as a whole, and the operator may have them
    destroyed."""
    invent(site, 30)
    seen = site.preview(replace(site.fabric, tunnels={}))
    known = shown_by_files(seen.fabric, without_fingerprint_key(site), seen.observation.states)
    assert withholdings(seen.plan, seen.fabric, seen.observation.states, known) == ()
    assert judge_plan(seen, known)[1].refusals
    before, found = judge_plan(seen, known, frozenset({Override.DELETIONS}))
    assert not found.refusals
    assert before.plan.routers == {"paris", "tokyo"}


def test_only_a_controller_can_write_a_fingerprint(site: Site) -> None:
    """Another tunnel's file, or a copy with another key or digest, shows nothing."""
    key = site.store().fingerprint_key()
    held = site.preview().observation.states["paris"].files
    shows: Callable[[LiveFile | None, str], bool] = partial(bears_fingerprint, fingerprint_key=key)
    own = held["tw-paris-003.conf"]
    assert shows(own, "paris-003")
    assert shows(replace(own, content=files.WrittenFile(own).marked() or own.content), "paris-003")
    assert not shows(own, "paris-004")
    assert not shows(None, "paris-003")
    assert not bears_fingerprint(own, "paris-003", Secret(b"another"))
    text = own.content.reveal()
    changes: Mapping[str, bytes] = {
        "key": text.replace(b"secret = 0s", b"secret = 0sAAAA"),
        "no key": text.replace(b"secret = 0s", b"secret = "),
        "digest": text.replace(b"-003-", b"-003-0"),
        "half": text[: text.index(b"secret = 0s") + 20],
        "odd": text.replace(b"secret = 0s", b"secret = 0s=A="),
    }
    for name, content in changes.items():
        assert not shows(LiveFile(Secret(content), 0o600), "paris-003"), name
    digest = fingerprint(Secret(b"mine"), key=Secret(b"router's own"), context="ghost")
    forged = f"secrets {{\n    ike-tw-ghost-{digest} {{\n        secret = 0sbWluZQ==\n    }}\n}}\n"
    assert not shows(LiveFile(Secret(forged.encode()), 0o600), "ghost")


def test_a_file_of_many_beginnings_is_read_once() -> None:
    """Linear in its size, whatever stands in it: 1 MiB of what could begin a key."""
    line = b"    ike-tw-ghost-0123456789ab {\n"
    content = line * (2**20 // len(line))
    found = [*files._KEY.finditer(content)]
    assert len(found) == content.count(b"\n")
    assert not bears_fingerprint(LiveFile(Secret(content), 0o600), "ghost", Secret(b"k"))
