"""How large packets through a tunnel may be, found out between two routers in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.outcome import Echoes
from reconciler.operations.diagnose import diagnose_tunnels
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Connect, Router
from tests.contract.sites import Site, memory_site
from tests.converged import assert_converged
from tests.fabrics import two_routers
from tests.memory.host import MemoryHost
from tests.odd import OddRouter

HEADERS = 28
WHOLE = two_routers().routers["paris"].mss + 40
"""Bytes of a packet with a whole segment."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two routers in memory with a tunnel that is up."""
    found = memory_site(tmp_path)
    assert_converged(found.apply())
    return found


def let_pass(site: Site, name: str, most: int) -> None:
    """Let packets of at most so many bytes leave a router."""
    host = site.connect(name).host
    assert isinstance(host, MemoryHost)
    host.largest = most - HEADERS


def diagnosed(site: Site, connect: Connect | None = None) -> list[tuple[str, str, str]]:
    """Each code with its message and hint."""
    [found] = diagnose_tunnels(site.fabric, (), site.store(), Fleet(connect or site.connect))
    return [(item.code, item.message, item.hint) for item in found.findings]


@pytest.mark.parametrize("passing", [577, 800, 1228, WHOLE - 4, WHOLE - 1])
def test_the_size_that_passes_is_found_to_a_few_bytes(site: Site, passing: int) -> None:
    for name in site.fabric.routers:
        let_pass(site, name, passing)
    [(code, message, hint)] = diagnosed(site)
    assert code == "path-mtu"
    named = int(hint.partition("mss: ")[2].partition("`")[0]) + 40
    assert passing - 4 < named <= passing, message


def test_whole_packets_of_the_mss_pass_and_no_more_need_to(site: Site) -> None:
    for name in site.fabric.routers:
        let_pass(site, name, WHOLE)
    assert diagnosed(site) == []


@pytest.mark.parametrize("name", ["paris", "tokyo"])
def test_packets_of_one_end_are_enough(site: Site, name: str) -> None:
    let_pass(site, name, 1000)
    assert [code for code, *_ in diagnosed(site)] == ["path-mtu"]


@pytest.mark.parametrize(
    "ping",
    [Echoes(2, 0, errors=2), None, Echoes(2, 0)],
    ids=["a smaller MTU that is announced", "a ping without such an option", "no size passes any more"],
)
def test_what_shows_no_black_hole_is_none(site: Site, ping: Echoes | None) -> None:
    def connect(name: str) -> Router:
        return OddRouter(site.connect(name), {"sizes": lambda true: (ping,) * len(true())})

    assert diagnosed(site, connect) == []


def test_a_smaller_mtu_that_is_announced_is_no_black_hole(site: Site) -> None:
    """Small packets pass, and senders of large ones learn to send smaller ones."""
    let_pass(site, "paris", 1000)

    def connect(name: str) -> Router:
        def announced(true: Callable[[], tuple[Echoes, ...]]) -> tuple[Echoes, ...]:
            return tuple(one if one.received else replace(one, errors=one.sent) for one in true())

        return OddRouter(site.connect(name), {"sizes": announced})

    assert diagnosed(site, connect) == []
