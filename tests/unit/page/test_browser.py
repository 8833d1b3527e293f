"""The page as a browser shows it: live, by keyboard, to screen readers, on a telephone, without scripts.

UPDATE_IMAGES=1 writes the pictures of the documentation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from reconciler.model.condition import ConnectionCondition, State
from tests.unit.page.browsers import axe_core, chromium
from tests.unit.page.crawl import ask
from tests.unit.page.sites import PAIRS, Paged, paged

IMAGES = Path(__file__).parents[3] / "docs" / "images"
PLACES = ("/", "/topology", "/routers", "/routers/berlin", "/connections/berlin-lisbon", "/runs", "/runs/1")
MORE = ("/commits", "/drift", "/limits", "/nothing", "/connections/berlin-lisbon/values")
TIMEOUT = 60_000
"""Milliseconds after which a wait is a failure, on a machine that is busy too."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paged]:
    """Eight sites with some trouble, which tests only look at."""
    with paged(tmp_path_factory.mktemp("sites")) as found:
        with_trouble(found)
        yield found


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_core(tmp_path_factory.mktemp("axe"))


@dataclass(slots=True)
class Tab:
    """A page in the browser, and what it complains of."""

    page: Page
    complaints: list[str] = field(default_factory=list)


def with_trouble(fleet: Paged) -> None:
    """One connection down, one degraded, one drifting; and the traffic of two hours."""
    for number in range(24):
        for place, (here, there) in enumerate(PAIRS):
            rtt = 0.012 + 0.001 * ((number * 7 + place * 3) % 5)
            fleet.prober.shows(
                fleet.source, f"{here}-{there}", State.CARRYING, loss=0.0, rtt=rtt, baseline=0.012
            )
        shown = fleet.source.snapshot()
        assert shown is not None
        carrying = [after_traffic(one, number) for one in shown.connections]
        fleet.source.samples.take(shown.at.replace(minute=2 * number), carrying)
    fleet.prober.shows(
        fleet.source, "milan-zurich", State.DEGRADED, reason="packets are lost", loss=0.14, rtt=0.02
    )
    break_tunnel(fleet)
    while "connections are up: 1 down, 1 degraded" not in ask(fleet.address).text:
        pass


def after_traffic(one: ConnectionCondition, number: int) -> ConnectionCondition:
    """A connection after so many samples with more traffic now and then."""
    megabytes = sum(90 + 60 * (hour * 5 % 7) for hour in range(number + 1))
    out, come = 10**6 * megabytes, 4 * 10**5 * megabytes
    children = (
        tuple(replace(child, bytes_out=out, bytes_in=come) for child in end.children) for end in one.ends
    )
    ends = zip(one.ends, children, strict=True)
    return replace(one, ends=tuple(replace(end, children=there) for end, there in ends))


def break_tunnel(fleet: Paged) -> None:
    """The peer at berlin ends the tunnel to lisbon."""
    lisbon = fleet.site.routers["lisbon"]
    for sa in [sa for sa in lisbon.vici.sas if "berlin" in sa.connection]:
        fleet.site.network.forget(sa)


def tab(browser: Browser, **options: Any) -> Tab:
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(TIMEOUT)
    found = Tab(context.new_page())
    found.page.on("console", lambda message: found.complaints.append(message.text))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    return found


def test_a_tunnel_that_goes_down_turns_red_without_a_reload(browser: Browser, tmp_path: Path) -> None:
    with paged(tmp_path) as fleet:
        found = tab(browser)
        page = found.page
        page.goto(fleet.address)
        expect(page.locator("#live")).to_have_text("live", timeout=TIMEOUT)
        page.evaluate("window.stayed = true")
        page.locator("#c-berlin-milan-berlin").focus()
        assert page.locator("tr.is-down").count() == 0
        break_tunnel(fleet)
        row = page.locator("tr.is-down", has_text="berlin-lisbon-berlin")
        expect(row).to_be_visible(timeout=TIMEOUT)
        red = "getComputedStyle(document.querySelector('tr.is-down > :first-child')).borderLeftColor"
        assert page.evaluate(red) == "rgb(208, 57, 47)"
        expect(page.locator(".summary")).to_have_text("8 of 9 connections are up: 1 down.")
        expect(page).to_have_title("(1) Fleet · tunnelwright")
        assert page.evaluate("window.stayed")
        assert page.evaluate("document.activeElement.id") == "c-berlin-milan-berlin"
        assert found.complaints == []
        page.context.close()


def test_a_topology_is_live_too(browser: Browser, tmp_path: Path) -> None:
    with paged(tmp_path) as fleet:
        page = tab(browser).page
        page.goto(f"{fleet.address}/topology")
        expect(page.locator("#live")).to_have_text("live", timeout=TIMEOUT)
        break_tunnel(fleet)
        expect(page.locator("line.edge.down")).to_have_count(1, timeout=TIMEOUT)
        page.context.close()


def test_what_was_opened_stays_open_when_something_changes(browser: Browser, tmp_path: Path) -> None:
    with paged(tmp_path) as fleet:
        fleet.site.edit("oslo.yaml", "  publicNetworks:", "  reconcile: {mode: observe}\n  publicNetworks:")
        [oslo] = fleet.site.routers["oslo"].vici.connections.values()
        oslo["dpd_delay"] = "77"
        fleet.run()
        page = tab(browser).page
        page.goto(f"{fleet.address}/drift")
        expect(page.locator("#live")).to_have_text("live", timeout=TIMEOUT)
        page.locator("summary").first.click()
        expect(page.get_by_text("dpd_delay")).to_be_visible()
        break_tunnel(fleet)
        expect(page.locator(".summary")).to_contain_text("1 down", timeout=TIMEOUT)
        expect(page.get_by_text("dpd_delay")).to_be_visible()
        page.context.close()


@pytest.mark.parametrize(
    ("scheme", "places", "rules"),
    [("light", (*PLACES, *MORE), {}), ("dark", PLACES, {"runOnly": ["color-contrast"]})],
)
def test_axe_finds_nothing(  # noqa: PLR0917 - two fixtures and what differs
    browser: Browser, fleet: Paged, axe: str, scheme: str, places: tuple[str, ...], rules: dict[str, Any]
) -> None:
    # The page's own policy would refuse the script.
    found = tab(browser, color_scheme=scheme, bypass_csp=True)
    problems = []
    for path in places:
        found.page.goto(fleet.address + path)
        found.page.evaluate(axe)
        result = found.page.evaluate("rules => axe.run(document, rules)", rules)
        problems += [
            (path, item["id"], node["html"], node["failureSummary"])
            for item in result["violations"]
            for node in item["nodes"]
        ]
    found.page.context.close()
    assert problems == []


def test_a_narrow_screen_scrolls_in_one_direction(browser: Browser, fleet: Paged) -> None:
    found = tab(browser, viewport={"width": 360, "height": 740})
    wide = {}
    for path in (*PLACES, *MORE):
        found.page.goto(fleet.address + path)
        wide[path] = found.page.evaluate("document.documentElement.scrollWidth")
    assert {path: width for path, width in wide.items() if width > 360} == {}
    assert [text for text in found.complaints if "404" not in text] == []
    found.page.context.close()


def test_it_is_read_without_scripts(browser: Browser, fleet: Paged) -> None:
    page = tab(browser, java_script_enabled=False).page
    page.goto(fleet.address)
    expect(page.locator("tr.is-down").first).to_be_visible()
    expect(page.locator(".copy")).to_have_count(0)
    page.locator("#q").fill("oslo")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("#c-berlin-oslo-berlin").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("berlin-oslo-berlin")
    expect(page.locator(".copy").first).to_be_hidden()
    page.context.close()


def test_it_is_searched_and_read_by_keyboard(browser: Browser, fleet: Paged) -> None:
    page = tab(browser).page
    page.goto(fleet.address)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("oslo")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value("oslo")
    assert page.url == f"{fleet.address}/?q=oslo"
    page.locator("#c-berlin-oslo-berlin").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("berlin-oslo-berlin")
    page.context.close()


def test_a_command_is_copied(browser: Browser, fleet: Paged) -> None:
    page = tab(browser, permissions=["clipboard-read", "clipboard-write"]).page
    page.goto(f"{fleet.address}/connections/berlin-lisbon")
    page.locator("[data-copy=diagnose]").click()
    expect(page.locator("[data-copy=diagnose]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "tunnelwright diagnose berlin-lisbon"
    page.context.close()


def test_the_pictures_of_the_documentation(browser: Browser, fleet: Paged, tmp_path: Path) -> None:
    folder = IMAGES if "UPDATE_IMAGES" in os.environ else tmp_path
    for name, path, height in (
        ("page-fleet", "/", 560),
        ("page-topology", "/topology", 800),
        ("page-connection", "/connections/milan-zurich", 900),
    ):
        page = tab(browser, viewport={"width": 1280, "height": height}).page
        page.goto(fleet.address + path)
        expect(page.locator("#live")).to_have_text("live", timeout=TIMEOUT)
        page.screenshot(path=folder / f"{name}.png", timeout=TIMEOUT)
        assert (IMAGES / f"{name}.png").is_file()
        page.context.close()
