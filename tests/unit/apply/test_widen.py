"""Peers that narrow in ways of their own, and what is left when the way to one breaks while it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import establish
from reconciler.apply.establish import retire
from reconciler.apply.widen import ASKING, widen
from reconciler.model.errors import RouterUnreachable
from reconciler.model.plan import Action
from reconciler.observe.state import read_sas
from tests.contract.sites import CONNECTION, Site, memory_site
from tests.contract.test_narrowed import HERE, MORE, THERE, agreed, both, configure_tokyo, of_paris
from tests.converged import assert_converged


@pytest.fixture(autouse=True)
def no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory nothing is ever on its way."""
    monkeypatch.setattr(establish, "OVERLAP", 0.0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """paris, whose peer has another network, and takes it in a way of its own."""
    found = memory_site(tmp_path)
    assert_converged(found.apply())
    configure_tokyo(found, remote_ts=(HERE, MORE))
    yield found


def peer_of(site: Site) -> Any:
    """The charon of the peer."""
    return site.connect("tokyo").vici


def test_a_peer_that_takes_one_network_at_a_time_has_a_child_sa_for_each(site: Site) -> None:
    peer_of(site).narrows = lambda selectors: selectors[:1]
    wanted = of_paris(site.fabric, local_cidrs=(HERE, MORE))
    applied = site.apply(wanted)
    assert_converged(applied)
    assert agreed(site) == both(((HERE,), (THERE,)), ((MORE,), (THERE,)))
    assert site.preview(wanted).plan.empty
    assert len(read_sas(site.connect("paris").vici, CONNECTION)) == 1
    # Should one of them go, it alone is asked for.
    [sa] = read_sas(site.connect("paris").vici, CONNECTION)
    retire(site.connect("paris").vici, [("child-id", sa.children[-1].id)])
    assert_converged(site.apply(wanted))
    assert agreed(site) == both(((HERE,), (THERE,)), ((MORE,), (THERE,)))


def test_what_is_restricted_to_ports_is_closed_again(site: Site) -> None:
    """It does not carry the network, and would pile up."""
    peer_of(site).narrows = lambda selectors: [f"{ts}[tcp/443]" if ts == MORE else ts for ts in selectors]
    wanted = of_paris(site.fabric, local_cidrs=(HERE, MORE))
    for _ in range(3):
        [failed] = site.apply(wanted).undone
        assert f"not to {MORE} === {THERE}" in failed.message
        assert len(agreed(site)["paris"]) == 1


def test_what_a_crash_leaves_is_removed_by_the_next_plan(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection by which the peer is asked is loaded for as long as that takes."""
    configure_tokyo(site)
    wanted = of_paris(site.fabric, local_cidrs=(HERE, MORE))
    vici: Any = site.connect("paris").vici
    site.apply(wanted)
    ran = agreed(site)

    def broken(*_: object, **__: object) -> Iterator[object]:
        vici.up = False
        raise RouterUnreachable("the controller has crashed", router="paris")

    with monkeypatch.context() as patch:
        patch.setattr(vici, "_initiate", broken)
        settings = site.preview(wanted).desired["paris"].connections[CONNECTION].settings
        with pytest.raises(RouterUnreachable):
            widen(vici, CONNECTION, settings, 1)
    vici.up = True
    assert f"{CONNECTION}{ASKING}" in vici.connections
    changes = {str(item.resource): item.action for item in site.preview(wanted).plan.changes}
    assert changes.pop(f"paris/tunnel/paris-tokyo{ASKING}") is Action.DELETE
    site.apply(wanted)
    assert list(vici.connections) == [CONNECTION]
    assert agreed(site) == ran
