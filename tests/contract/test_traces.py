"""A router tells who was there, as far as it can."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from reconciler.model.secret import Secret
from tests.contract.sites import REAL, Site


@REAL
def test_a_file_that_was_written_and_a_charon_that_was_started_are_told(site: Site) -> None:
    site.apply()
    host = site.connect("paris").host
    time.sleep(2)
    host.write_files({"tw-paris-tokyo.conf": Secret(b"connections {}\n")})
    texts = [trace.text for trace in host.traces(1)]
    assert [text for text in texts if text.endswith(".conf was written as root")] == [
        "tw-paris-tokyo.conf was written as root"
    ]
    assert "charon-systemd was started" not in texts
    site.restart_charon("paris")
    found = site.connect("paris").host.traces(30)
    assert "charon-systemd was started" in [trace.text for trace in found]
    assert all(abs(datetime.now(UTC) - trace.at) < timedelta(seconds=60) for trace in found)


def test_a_router_where_nothing_was_done_tells_nothing(site: Site) -> None:
    if site.real:
        time.sleep(2.5)
    assert [t for t in site.connect("tokyo").host.traces(1) if "written" in t.text] == []
