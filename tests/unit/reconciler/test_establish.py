"""What comes up, or refuses to go, in the middle of a termination."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.establish import establish, terminate
from reconciler.model.errors import CommandRejected
from reconciler.model.plan import Establish, Scope
from reconciler.observe import read_sas
from reconciler.routers.protocol import Router, Vici
from tests.contract.sites import Site, memory_site
from tests.odd import OddRouter

OURS, THEIRS = "tw-paris-tokyo", "tw-tokyo-paris"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A tunnel that is down at both ends, and loaded."""
    found = memory_site(tmp_path)
    found.apply()
    end(found.connect("paris").vici)
    return found


def end(vici: Vici) -> None:
    list(vici.stream("terminate", "control-log", {"ike": OURS}))


def overtaken(site: Site, asked: list[str]) -> Router:
    """A router whose peer finishes a negotiation while it is told to terminate: the IKE_SA has no name when
    charon looks for one, and has one right after."""

    def twist(true: Callable[[], Any]) -> Any:
        asked.append("terminate")
        if len(asked) > 1:
            return true()
        list(site.connect("tokyo").vici.stream("initiate", "control-log", {"ike": THEIRS, "child": "net"}))
        raise CommandRejected("no matching SAs to terminate found")

    return OddRouter(site.connect("paris"), {"terminate": twist})


def test_what_the_peer_brings_up_while_a_tunnel_is_reconnected_is_the_new_one(site: Site) -> None:
    vici = overtaken(site, []).vici
    assert establish(vici, [Establish(OURS, ("net",), Scope.RECONNECT)], 1) == [""]
    assert len(read_sas(vici, OURS)) == 1


def test_what_the_peer_brings_up_while_a_tunnel_is_removed_goes_too(site: Site) -> None:
    asked: list[str] = []
    vici = overtaken(site, asked).vici
    terminate(vici, OURS)
    assert asked == ["terminate"] * 2
    assert read_sas(vici, OURS) == ()


def test_what_does_not_go_is_told(site: Site) -> None:
    asked: list[str] = []

    def refuse(_: Callable[[], Any]) -> Any:
        asked.append("terminate")
        raise CommandRejected("not now")

    vici = OddRouter(site.connect("paris"), {"terminate": refuse}).vici
    list(vici.stream("initiate", "control-log", {"ike": OURS, "child": "net"}))
    with pytest.raises(CommandRejected, match="not now"):
        terminate(vici, OURS)
    assert len(asked) == 3
    assert establish(vici, [Establish(OURS, ("net",), Scope.RECONNECT)], 1) == ["not now"]
