"""What the pages show, and what is in no response."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.model.condition import State
from reconciler.page.guard import HEADERS
from tests.unit.outputs.parsing import check_html
from tests.unit.page.crawl import ask, crawled
from tests.unit.page.sites import PAIRS, SITES, Paged, paged
from tests.unit.service.followed import KEY


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paged]:
    with paged(tmp_path_factory.mktemp("sites")) as found:
        yield found


def until(page: Paged, path: str, text: str) -> str:
    """The response of a path as soon as it has a text."""
    end = time.monotonic() + 30
    while text not in (shown := ask(page.address, path).text):
        assert time.monotonic() < end, shown
        time.sleep(0.02)
    return shown


def test_every_page_is_html_that_holds_no_key_and_runs_nothing_of_others(page: Paged) -> None:
    found = crawled(page.address)
    assert {f"/routers/{name}" for name in SITES} <= set(found)
    assert {f"/connections/{here}-{there}-{here}" for here, there in PAIRS} <= set(found)
    assert {"/runs/1", "/commits", "/drift", "/limits"} <= set(found)
    for path, answer in found.items():
        assert answer.status == (404 if path == "/nothing" else 200), path
        assert KEY.encode() not in answer.body, path
        assert KEY.encode().hex().encode() not in answer.body, path
        assert HEADERS.items() <= answer.headers.items(), path
        if "html" in answer.headers["content-type"]:
            check_html(answer.text)
            assert answer.headers["cache-control"] == "no-store"


def test_the_search_for_keys_finds_one(page: Paged) -> None:
    """What is searched for is what the routers of these sites hold."""
    held = next(iter(page.site.routers["berlin"].vici.shared.values()))["data"]
    assert KEY.encode() in held


def test_the_fleet_is_as_status_says(page: Paged) -> None:
    text = ask(page.address).text
    assert f"{len(PAIRS)} of {len(PAIRS)} connections are up" in text
    assert "berlin - lisbon" in text
    assert '<span class="state up">' in text


def test_what_is_searched_for_is_found_by_name_router_address_label_and_state(page: Paged) -> None:
    def found(query: str) -> list[str]:
        return re.findall(r'id="c-([a-z-]+)"', ask(page.address, f"/?q={query}").text)

    assert len(found("oslo")) == 1
    assert found("203.0.113.20") == ["berlin-lisbon-berlin"]
    assert len(found("site%3Dlisbon")) == 2
    assert len(found("lisbon+madrid")) == 1
    assert found("nowhere") == []
    assert len(found("up")) == len(PAIRS)
    assert found("%3Cscript%3E") == []


def test_a_connection_shows_both_ends_its_changes_and_where_its_values_come_from(page: Paged) -> None:
    for name in ("berlin-lisbon", "berlin-lisbon-berlin", "berlin-lisbon-lisbon"):
        text = ask(page.address, f"/connections/{name}").text
        assert "berlin-lisbon-lisbon" in text
        assert "CHILD_SA net" in text
        assert "tunnelwright diagnose berlin-lisbon" in text
        assert '<a href="/runs/1">run 1</a>' in text
        text = ask(page.address, f"/connections/{name}/values").text
        assert "berlin-lisbon.yaml:" in text
        assert "FabricDefaults defaults" in text
        assert "env:KEY" in text


def test_values_that_cannot_be_read_are_one_response(tmp_path: Path) -> None:
    with paged(tmp_path) as page:
        (tmp_path / "state" / "repository.git").rename(tmp_path / "away")
        answer = ask(page.address, "/connections/berlin-lisbon/values")
        assert answer.status == 503
        assert "the repository was not fetched yet" in answer.text
        assert ask(page.address, "/connections/berlin-lisbon").status == 200
        assert ask(page.address, "/commits").status == 200


NOWHERE = (
    *(
        "/connections/none",
        "/connections/none/values",
        "/routers/none",
        "/connections/%FF",
        "/x/y",
        "/topology?cluster=none",
    ),
    *("/runs/0", "/runs/99", "/runs/x", f"/runs/{10**29}", "/commits/none", "/commits/00000000"),
)


@pytest.mark.parametrize("path", NOWHERE)
def test_what_is_not_there_is_not_found(page: Paged, path: str) -> None:
    answer = ask(page.address, path)
    assert answer.status == 404
    check_html(answer.text)


QUERIES = ("page=0", "page=99999999999", "page=-1", "state=x", f"q={'a' * 4000}")


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_means_nothing_does_no_harm(page: Paged, query: str) -> None:
    answer = ask(page.address, f"/?{query}")
    assert answer.status == 200
    check_html(answer.text)


def test_the_runs_show_their_steps_and_the_commits_how_to_undo_them(page: Paged) -> None:
    text = ask(page.address, "/runs/1").text
    assert "load connection" in text.lower() or "connections" in text
    head = str(page.site.repository.head.commit.hexsha)
    text = ask(page.address, f"/commits/{head[:12]}").text
    assert f"tunnelwright rollback {head[:12]}" in text
    assert "tester" in text


def test_the_windows_are_shown_with_their_times(page: Paged) -> None:
    text = ask(page.address, "/limits").text
    assert "0 2 * * *" in text
    assert "at most 5 tunnels in one apply" in text


def test_what_drifts_is_shown_with_its_fields(tmp_path: Path) -> None:
    with paged(tmp_path) as page:
        page.site.edit("oslo.yaml", "  publicNetworks:", "  reconcile: {mode: observe}\n  publicNetworks:")
        page.run()
        assert "as the desired state says" in ask(page.address, "/drift").text
        [oslo] = page.site.routers["oslo"].vici.connections.values()
        oslo["dpd_delay"] = "77"
        page.run()
        text = ask(page.address, "/drift").text
        assert "berlin-oslo-oslo" in text
        assert "77" in text
        assert 'class="drifts"' in ask(page.address).text


def test_a_tunnel_that_goes_down_is_down_before_the_next_run(tmp_path: Path) -> None:
    with paged(tmp_path) as page:
        until(page, "/routers/lisbon", "<dd>followed</dd>")
        lisbon = page.site.routers["lisbon"]
        for sa in [sa for sa in lisbon.vici.sas if "berlin" in sa.connection]:
            page.site.network.forget(sa)
        text = until(page, "/", '<span class="state down">')
        assert f"{len(PAIRS) - 1} of {len(PAIRS)} connections are up: 1 down" in text
        assert "no CHILD_SA at lisbon" in text
        assert text.index("berlin-lisbon-berlin") < text.index("berlin-milan-berlin")
        down = until(page, "/connections/berlin-lisbon", "net down")
        assert "since <time" in down


def test_what_probes_have_shown_is_shown(tmp_path: Path) -> None:
    with paged(tmp_path) as page:
        for loss in (0.0, 0.1, 0.2):
            page.prober.shows(
                page.source, "milan-zurich", State.DEGRADED, reason="packets are lost", loss=loss
            )
            page.run()
        text = ask(page.address, "/?state=degraded").text
        assert "packets are lost" in text
        assert "20%" in text
        text = ask(page.address, "/connections/milan-zurich").text
        assert 'aria-label="Loss over' in text
        assert "highest 20%" in text


def test_before_the_first_run_the_page_says_so(tmp_path: Path) -> None:
    with paged(tmp_path) as page:
        page.source._run = None
        page.source._made = None
        for path in ("/", "/topology", "/routers", "/drift", "/limits", "/connections/x", "/routers/x"):
            answer = ask(page.address, path)
            assert answer.status == 200
            assert "Not observed yet" in answer.text


def test_an_unforeseen_error_is_one_response(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with paged(tmp_path) as page:

        def broken() -> None:
            raise ValueError(f"what {KEY} is")

        page.source.history.good = broken  # type: ignore[method-assign, assignment]
        answer = ask(page.address, "/commits")
        assert answer.status == 500
        assert "Traceback" not in answer.text
        assert ask(page.address).status == 200
    assert "unforeseen error in page" in caplog.text
