"""A router reports who was there, as far as it can."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta

import pytest

from lab.engine import until
from reconciler.model.secret import Secret
from reconciler.routers.protocol import Host
from tests.contract.sites import REAL, Site

pytestmark = pytest.mark.one_transport


def quiet(host: Host) -> bool:
    """Whether nothing was done for three seconds, after a while."""
    return until(lambda: not [t for t in host.traces(3) if "written" in t.text or "started" in t.text], 60)


@REAL
def test_a_file_that_was_written_and_a_charon_that_was_started_are_reported(site: Site) -> None:
    site.apply()
    host = site.connect("paris").host
    assert quiet(host)
    began = time.monotonic()
    host.write_files({"tw-paris-tokyo.conf": Secret(b"connections {}\n")})
    # A busy router takes its time to answer: at most two seconds more than have passed.
    texts = [trace.text for trace in host.traces(math.ceil(time.monotonic() - began) + 1)]
    assert [text for text in texts if text.endswith(".conf was written as root")] == [
        "tw-paris-tokyo.conf was written as root"
    ]
    assert "charon-systemd was started" not in texts
    site.restart_charon("paris")
    found = site.connect("paris").host.traces(60)
    assert "charon-systemd was started" in [trace.text for trace in found]
    assert all(abs(datetime.now(UTC) - trace.at) < timedelta(seconds=90) for trace in found)


def test_a_router_where_nothing_was_done_reports_nothing(site: Site) -> None:
    assert quiet(site.connect("tokyo").host)
