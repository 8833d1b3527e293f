"""What is sent through a tunnel to examine it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.outcome import Echoes
from reconciler.operations.diagnose import diagnose_tunnels
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from tests.contract.sites import memory_site
from tests.memory.charon import Charon
from tests.odd import OddRouter, changed


@pytest.mark.parametrize(
    ("series", "healthy"), [([2, 3], True), ([2, 2], False)], ids=["once", "again and again"]
)
def test_a_reply_that_was_lost_once_is_no_finding(tmp_path: Path, series: list[int], healthy: bool) -> None:
    site = memory_site(tmp_path)
    site.apply()
    left = list(series)

    def lossy(true: Callable[[], Any]) -> Echoes:
        sent: int = true().sent
        return Echoes(sent, left.pop(0))

    def connect(name: str) -> Router:
        return OddRouter(site.connect(name), {"ping": lossy})

    (diagnosis,) = diagnose_tunnels(site.fabric, (), site.store(), Fleet(connect))
    assert left == []
    assert (diagnosis.findings == ()) is healthy


@pytest.mark.parametrize(
    ("off", "codes"), [(0, set()), (-7200, {"clock-differs"}), (7200, {"clock-differs"})]
)
def test_the_clock_of_a_router_is_compared_with_ours(tmp_path: Path, off: int, codes: set[str]) -> None:
    site = memory_site(tmp_path)
    site.apply()

    def connect(name: str) -> Router:
        return OddRouter(site.connect(name), {"inspect": changed(clock=int(time.time()) + off)})

    (diagnosis,) = diagnose_tunnels(site.fabric, (), site.store(), Fleet(connect))
    assert {finding.code for finding in diagnosis.findings} == codes
    assert len(diagnosis.findings) == 2 * len(codes)


def test_what_an_sa_takes_along_that_ends_in_between_is_not_counted(tmp_path: Path) -> None:
    """It had counted packets, and the new one begins at 0."""
    site = memory_site(tmp_path)
    site.apply()
    site.connect("paris").host.ping("10.1.0.1", "10.2.0.1", 10)
    replaced: list[str] = []

    def replacing(true: Callable[[], Any]) -> Echoes:
        if not replaced:
            for name in ("paris", "tokyo"):
                vici = site.connect(name).vici
                assert isinstance(vici, Charon)
                replaced.append(vici.sas.pop().connection)
            return Echoes(true().sent, 0)
        found: Echoes = true()
        return found

    def connect(name: str) -> Router:
        return OddRouter(site.connect(name), {"ping": replacing})

    (diagnosis,) = diagnose_tunnels(site.fabric, (), site.store(), Fleet(connect))
    assert (replaced, diagnosis.findings) == (["tw-paris-tokyo", "tw-tokyo-paris"], ())
