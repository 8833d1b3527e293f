"""The nasty texts through the page, as a browser reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from reconciler.model.condition import State
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from tests.unit.outputs.nasty import ALL, SEEN, TEXTS, WORDS
from tests.unit.outputs.parsing import check_html
from tests.unit.outputs.test_hostile_answers import Stage, strange
from tests.unit.outputs.test_hostile_answers import stage as stage
from tests.unit.page.crawl import ask, crawled
from tests.unit.page.sites import paged


@pytest.mark.parametrize("unplugged", [False, True])
def test_a_page_of_what_says_anything(stage: Stage, unplugged: bool) -> None:
    """Documents, commits, routers, runs and their errors in each page that a link leads to."""
    repository = stage.site.repository
    message = ALL.replace("\0", "").replace("\n", " ").encode(errors="replace").decode()
    repository.git.commit("--allow-empty", "--message", message)
    with paged(stage.site.folder, site=stage.site) as page:
        strange(stage.site)
        if unplugged:
            stage.site.unplugged["paris"] = ALL
        page.run()
        page.source.happened(TunnelEvent(datetime.now(UTC), "paris", WORDS, TunnelChange.ALERT, detail=WORDS))
        page.prober.shows(page.source, "paris-tokyo", State.DEGRADED, reason=ALL, target=WORDS)
        found = crawled(page.address)
    assert {"/connections/paris-tokyo", "/routers/paris", "/runs/2", "/commits", "/drift"} <= set(found)
    for path, answer in found.items():
        assert answer.status == (404 if path == "/nothing" else 200), path
        if "html" in answer.headers["content-type"]:
            check_html(answer.text)
    assert SEEN in found["/commits"].text
    assert SEEN in found["/runs/2" if unplugged else "/"].text


def test_a_page_is_itself_whatever_was_asked_for(stage: Stage) -> None:
    with paged(stage.site.folder, site=stage.site) as page:
        for text in (*TEXTS, "/evil.example/x"):
            word = quote(text, safe="/")
            for path in (f"/?q={word}", f"/{word}", f"/runs/{word}", f"/connections/{word}?{word}"):
                check_html(ask(page.address, path).text)
