"""The verdicts over a tunnel, from what its ends report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.model.outcome import Check
from reconciler.model.router_config import ChildSa, RouterState
from reconciler.routers.protocol import Ping
from reconciler.run import compile_fabric, look
from reconciler.verify import Probed, check_tunnels
from tests.contract.sites import Site, memory_site


def verdict(
    site: Site, change: dict[str, dict[str, str]], ping: Ping | None = None, more: int = 0
) -> dict[str, Check]:
    """The checks of a converged tunnel, with fields of each router's CHILD_SA replaced; `more` packets have
    come in since the look before."""
    site.apply()
    desired = compile_fabric(site.fabric, site.store())
    before = look(desired, site.connect)
    states = {name: with_child(state, change.get(name, {}), more) for name, state in before.states.items()}
    pings = {"paris-tokyo": ping} if ping is not None else {}
    found = check_tunnels(Probed(site.fabric, desired, before, replace(before, states=states), pings))
    return {check.name: check for check in found}


def with_child(state: RouterState, fields: dict[str, str], more: int) -> RouterState:
    sas = tuple(
        replace(sa, children=tuple(changed(child, fields, more) for child in sa.children)) for sa in state.sas
    )
    return replace(state, sas=sas)


def changed(child: ChildSa, fields: dict[str, str], more: int) -> ChildSa:
    return replace(child, packets_in=child.packets_in + more, **fields)  # type: ignore[arg-type]


def test_an_sa_that_one_end_calls_rekeyed_is_held_by_both(tmp_path: Path) -> None:
    """The answering end of IKEv1 calls it so once another one has followed."""
    checks = verdict(memory_site(tmp_path), {"tokyo": {"state": "REKEYED"}})
    assert checks["paris-tokyo: both ends hold the same SAs"].passed


def test_an_sa_that_one_end_lacks_is_named_as_it_is_elsewhere(tmp_path: Path) -> None:
    checks = verdict(
        memory_site(tmp_path),
        {
            "paris": {"spi_in": "c0000001", "spi_out": "c0000002"},
            "tokyo": {"spi_in": "c0000003", "spi_out": "c0000004"},
        },
    )
    check = checks["paris-tokyo: both ends hold the same SAs"]
    assert not check.passed
    assert check.evidence == "only here: c0000001/c0000002; only at tokyo: c0000004/c0000003"


def test_packets_count_that_came_by_an_sa_that_is_followed_meanwhile(tmp_path: Path) -> None:
    checks = verdict(memory_site(tmp_path), {"paris": {"state": "REKEYED"}}, Ping(5, 5), more=5)
    assert checks["paris-tokyo: traffic"].passed
