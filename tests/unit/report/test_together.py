"""A plan of many tunnels is read at a glance: what is of one kind is shown together, and counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.fabric import Fabric
from reconciler.model.plan import Action, Plan, ResourceChange
from reconciler.model.swanctl import UNOBSERVABLE, Change
from reconciler.policy import Judgement
from reconciler.report.markdown import comment
from reconciler.report.plan_text import plan_lines
from reconciler.report.together import ONE_BY_ONE
from tests.contract.sites import Site, change_tunnels, memory_site
from tests.fabrics import many_tunnels, two_routers

PAIRS = 20


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return many_tunnels(PAIRS)


@pytest.fixture(scope="module")
def plans(fabric: Fabric, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """From nothing, one default changed everywhere, all disabled."""
    site = memory_site(tmp_path_factory.mktemp("keys"), fabric=fabric)
    created = site.preview().plan
    site.apply(timeout=0.1)
    changed = change_tunnels(fabric, esp__integrity="sha512")
    disabled = change_tunnels(fabric, enabled=False)
    return {
        "created": created,
        "changed": site.preview(changed).plan,
        "disabled": site.preview(disabled).plan,
    }


def shown(plan: Plan, *, whole: bool = False) -> list[str]:
    return [line.text for line in plan_lines(plan, whole=whole)]


def stands_for(lines: Iterator[str]) -> int:
    """How many things lines say, with those that are like them."""
    return sum(1 + sum(map(int, re.findall(r"\(and (\d+) more like it", line))) for line in lines)


def steps_of(lines: list[str]) -> Iterator[str]:
    return (line for line in lines if re.match(r" +\d+\. \[", line))


@pytest.mark.parametrize("name", ["created", "changed", "disabled"])
def test_no_step_is_lost_among_its_like(plans: dict[str, Plan], name: str) -> None:
    plan = plans[name]
    lines, whole = shown(plan), shown(plan, whole=True)
    assert stands_for(steps_of(lines)) == len(list(steps_of(whole))) == len(plan.steps)
    assert len(list(steps_of(lines))) < 15
    assert lines[-1] == "Many of one kind are shown together; `-v` shows each."
    assert whole[-1].startswith("Disruption: ")
    said = comment(plan, Judgement(), (), [], base="a", head="b", unchanged="")
    assert stands_for(line for line in said.splitlines() if re.match(r" *\d+\. ", line)) == len(plan.steps)


def test_one_change_at_many_tunnels_is_said_once(plans: dict[str, Plan]) -> None:
    text = "\n".join(shown(plans["changed"]))
    assert "# 40 tunnel ends: the configuration differs" in text
    assert text.count("children.net.esp_proposals: aes256-sha256-modp2048 -> aes256-sha512-modp2048") == 1
    assert "make-before-break (and 19 more like it)" in text
    whole = "\n".join(shown(plans["changed"], whole=True))
    assert whole.count("children.net.esp_proposals: ") == 2 * PAIRS
    said = comment(plans["changed"], Judgement(), (), [], base="a", head="b", unchanged="")
    assert "| `~` | 40 tunnel ends: " in said
    assert said.count("\n") < 60


def test_each_new_tunnel_end_has_a_line_with_its_addresses_and_networks(plans: dict[str, Plan]) -> None:
    lines = shown(plans["created"])
    assert (
        '  + tunnel "paris-000" at paris: 203.0.113.30 to 203.0.113.130, 10.101.0.0/24 to 10.102.0.0/24'
        in (lines)
    )
    assert "  + and 20 more" in lines
    assert "      + guarded[10.101.0.0/24 10.102.0.0/24]: present (and 19 more like it)" in lines


def test_what_is_interrupted_is_named(plans: dict[str, Plan]) -> None:
    [line] = [line for line in shown(plans["disabled"]) if "destroys (and" in line]
    assert "39 more like it at 2 routers: paris-000, paris-001" in line


def test_another_value_is_no_like(fabric: Fabric, tmp_path: Path) -> None:
    """Two tunnels get one value, all others another one: two lines of each kind."""
    site = memory_site(tmp_path, fabric=fabric)
    site.apply(timeout=0.1)
    wanted = change_tunnels(fabric, esp__lifetime=1800)
    for name in ("paris-000", "tokyo-000", "paris-001", "tokyo-001"):
        policy = replace(wanted.tunnels[name].esp, lifetime=900)
        wanted = replace(wanted, tunnels={**wanted.tunnels, name: replace(wanted.tunnels[name], esp=policy)})
    text = "\n".join(shown(site.preview(wanted).plan))
    assert "# 36 tunnel ends: " in text
    assert "# 4 tunnel ends: " in text


def test_few_are_shown_one_by_one(tmp_path: Path) -> None:
    site: Site = memory_site(tmp_path, fabric=many_tunnels(ONE_BY_ONE // 2))
    plan = site.preview().plan
    assert len([change for change in plan.changes if change.resource.is_tunnel]) <= ONE_BY_ONE
    assert shown(plan) == shown(plan, whole=True)


def test_what_cannot_be_compared_is_counted_and_not_shown_as_a_change(tmp_path: Path) -> None:
    site = memory_site(tmp_path, fabric=two_routers())
    change = next(change for change in site.preview().plan.changes if change.resource.is_tunnel)
    fields = (
        Change("version", UNOBSERVABLE, "2", "file"),
        Change("unique", UNOBSERVABLE, "replace", "file"),
        Change("psk", "1", "2", "vici"),
    )
    after = ResourceChange(change.resource, Action.UPDATE, "differs", fields, change.steps)
    text = "\n".join(shown(Plan((after,))))
    assert "unobservable" not in text
    assert "~ psk: 1 -> 2" in text
    assert "2 fields cannot be compared" in text
    assert "version: (unobservable) -> 2" in "\n".join(shown(Plan((after,)), whole=True))
