"""One end of a switch holds back: which one, by which number, and what Git and the routers see of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import establish
from reconciler.facets import files
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Phase, Plan
from reconciler.operations.observed_plan import narrowed
from tests.contract.sites import Site, change_tunnels, memory_site, rename_tunnels
from tests.converged import assert_converged
from tests.memory import Charon

OWN = 375_423
"""charon's own number for the networks of paris and tokyo."""
BOTH = ("paris", "tokyo")


@pytest.fixture(autouse=True)
def no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory nothing is ever on its way."""
    monkeypatch.setattr(establish, "OVERLAP", 0.0)


def numbers(site: Site) -> dict[str, list[int | None]]:
    """The priority of each child, in the files and in charon, which agree."""
    found = {}
    for name in BOTH:
        router: Any = site.connect(name)
        written = [files.parse(file.content.reveal()) for file in router.host.files.values()]
        sections: list[Any] = [item for file in written for item in (file or {})["connections"].values()]  # type: ignore[union-attr]
        loaded = list(router.vici.connections.values())
        in_files, in_charon = (
            [child.get("priority") for item in items for _, child in sorted(item["children"].items())]
            for items in (sections, loaded)
        )
        assert in_files == in_charon
        found[name] = [None if number is None else int(number) for number in in_files]
    return found


def changed(site: Site, fabric: Fabric | None = None, **values: Any) -> Plan:
    """Apply a change; the plan that did it."""
    wanted = change_tunnels(fabric or site.fabric, **values)
    plan = site.preview(wanted).plan
    assert_converged(site.apply(wanted))
    assert site.preview(wanted).plan.empty
    return plan


def switching(plan: Plan) -> list[str]:
    return [step.router for step in plan.steps if step.phase is Phase.SWITCH]


@pytest.mark.parametrize(("version", "holder"), [(2, "tokyo"), (1, "paris")])
def test_the_end_that_would_send_too_early_holds_back(tmp_path: Path, version: int, holder: str) -> None:
    site = memory_site(tmp_path, BOTH)
    changed(site, ike__version=version)
    steps: list[dict[str, Any]] = [{"esp__integrity": "sha512"}, {"ike__dh_group": 15}, {}]
    for count, values in enumerate(steps, start=1):
        assert switching(changed(site, ike__version=version, **values)) == ["paris"]
        expected: dict[str, list[int | None]] = {name: [None] for name in BOTH}
        assert numbers(site) == {**expected, holder: [OWN + count]}


@pytest.mark.parametrize(("kernel", "held"), [((), {}), (("paris",), {}), (("tokyo",), {"tokyo": [OWN + 1]})])
def test_a_data_plane_without_priorities_gets_none(
    tmp_path: Path, kernel: tuple[str, ...], held: dict[str, list[int]]
) -> None:
    site = memory_site(tmp_path, kernel)
    changed(site)
    changed(site, esp__integrity="sha512")
    assert numbers(site) == {"paris": [None], "tokyo": [None], **held}


def test_a_change_of_one_end_lets_the_other_one_hold_back(tmp_path: Path) -> None:
    site = memory_site(tmp_path, BOTH)
    changed(site)
    tunnel = site.fabric.tunnels["paris-tokyo"]
    other = replace(tunnel, ike=replace(tunnel.ike, lifetime=4000))
    wanted = replace(site.fabric, tunnels={**site.fabric.tunnels, tunnel.name: other})
    plan = changed(site, wanted)
    assert [(str(change.resource), change.follows) for change in plan.changes] == [
        ("paris/tunnel/paris-tokyo", False),
        ("tokyo/tunnel/tokyo-paris", True),
    ]
    assert numbers(site) == {"paris": [None], "tokyo": [OWN + 1]}


def test_an_end_that_is_not_selected_does_not_hold_back(tmp_path: Path) -> None:
    site = memory_site(tmp_path, BOTH)
    changed(site)
    wanted = change_tunnels(site.fabric, esp__integrity="sha512")
    before = site.preview(wanted)
    plan = narrowed(before, lambda change: change.resource.router == "paris").plan
    assert {change.resource.router for change in plan.changes} == {"paris"}


@pytest.mark.parametrize("kernel", [BOTH, ()])
def test_the_other_end_terminates_what_a_change_of_the_version_leaves(
    tmp_path: Path, kernel: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """paris brings the new SAs up. It would terminate the old ones while it holds back itself (IKEv2 to
    IKEv1), or end those at once by which tokyo sends (IKEv1 to IKEv2)."""
    asked: list[tuple[str, str]] = []
    true = Charon._terminate

    def recording(charon: Charon, body: Any) -> None:
        asked.extend((charon.name, key) for key in ("child-id", "ike-id") if key in body)
        true(charon, body)

    monkeypatch.setattr(Charon, "_terminate", recording)
    site = memory_site(tmp_path, kernel)
    changed(site)
    for version, holder in ((1, "paris"), (2, "tokyo")):
        asked.clear()
        assert switching(changed(site, ike__version=version)) == ["paris"]
        expected: dict[str, list[int | None]] = {name: [None] for name in BOTH}
        assert numbers(site) == ({**expected, holder: [OWN + 1]} if kernel else expected)
        ending = "tokyo" if kernel else "paris"
        assert asked == [(ending, "child-id"), (ending, "ike-id")]


def test_a_renamed_end_goes_on_counting(tmp_path: Path) -> None:
    site = memory_site(tmp_path, BOTH)
    changed(site)
    changed(site, esp__integrity="sha512")
    wanted = rename_tunnels(change_tunnels(site.fabric, esp__integrity="sha512"), {"tokyo-paris": "anew"})
    assert switching(changed(site, wanted)) == ["tokyo"]
    # tokyo initiates now, so paris holds back.
    assert numbers(site) == {"paris": [OWN + 1], "tokyo": [None]}
    wanted = rename_tunnels(wanted, {"paris-tokyo": "other", "anew": "again"})
    changed(site, wanted)
    assert sum(number is not None for found in numbers(site).values() for number in found) == 1


def test_a_tunnel_that_is_down_starts_over(tmp_path: Path) -> None:
    site = memory_site(tmp_path, BOTH)
    changed(site)
    changed(site, esp__integrity="sha512")
    wanted = change_tunnels(site.fabric, esp__integrity="sha512")
    for router in (site.connect(name) for name in BOTH):
        router.vici.sas.clear()  # type: ignore[attr-defined]
    assert site.preview(wanted).plan.empty, "that it is down is no difference"
    changed(site)
    assert numbers(site) == {"paris": [None], "tokyo": [None]}


def test_a_number_that_was_written_by_hand_is_drift(tmp_path: Path) -> None:
    site = memory_site(tmp_path, BOTH)
    changed(site)
    host: Any = site.connect("tokyo").host
    [(name, file)] = host.files.items()
    host.files[name] = replace(
        file,
        content=type(file.content)(
            file.content.reveal().replace(b"mode = tunnel", b"mode = tunnel\npriority = 7")
        ),
    )
    plan = site.preview().plan
    assert {field.path for change in plan.changes for field in change.changes} == {"children.net.priority"}
    assert_converged(site.apply())
    # tokyo alone has a difference, so it initiates, and paris holds back.
    assert numbers(site) == {"paris": [OWN + 1], "tokyo": [None]}


def test_each_child_of_ikev1_counts_for_itself(tmp_path: Path) -> None:
    site = memory_site(tmp_path, BOTH)
    changed(site, ike__version=1)
    changed(site, ike__version=1, esp__integrity="sha512")
    more = {
        name: replace(
            tunnel,
            local_cidrs=(*tunnel.local_cidrs, *(["10.22.0.0/24"] if tunnel.router == "tokyo" else [])),
            peer_cidrs=(*tunnel.peer_cidrs, *(["10.22.0.0/24"] if tunnel.router == "paris" else [])),
        )
        for name, tunnel in site.fabric.tunnels.items()
    }
    changed(site, replace(site.fabric, tunnels=more), ike__version=1, esp__integrity="sha512")
    # charon sets up anew the one that runs already, too: the duplicate is not refused with IKEv1.
    assert numbers(site) == {"paris": [None, OWN + 2], "tokyo": [None, None]}
