"""The verdicts over a tunnel, from what its ends report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from reconciler.model.bounds import PROOF_PACE
from reconciler.model.errors import RouterUnreachable
from reconciler.model.observation import Observation
from reconciler.model.outcome import Check, Echoes
from reconciler.model.router_config import ChildSa, RouterState
from reconciler.observe.probe import probe
from reconciler.operations.desired import compile_fabric
from reconciler.operations.observed_plan import observed
from reconciler.operations.verify import verify
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Closing, Router
from reconciler.verify.checks import Probed, check_tunnels, check_unaffected
from tests.contract.sites import Site, memory_site


def verdict(
    site: Site, change: dict[str, dict[str, str]], ping: Echoes | None = None, more: int = 0
) -> dict[str, Check]:
    """The checks of a converged tunnel, with fields of each router's CHILD_SA replaced; `more` packets have
    come in since the look before."""
    site.apply()
    desired = compile_fabric(site.fabric, site.store())
    before = observed(desired, site.fleet)
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


def test_a_tunnel_that_was_never_up_has_kept_nothing(tmp_path: Path) -> None:
    """charon lists an IKE_SA that is still negotiated, which has no CHILD_SA."""
    site = memory_site(tmp_path)
    site.apply()
    seen = observed(compile_fabric(site.fabric, site.store()), site.fleet)
    [running] = seen.states["paris"].sas
    coming = replace(running, id="7", connection="tw-paris-berlin", state="CONNECTING", children=())
    before = replace(seen, states={"paris": replace(seen.states["paris"], sas=(running, coming))})
    [check] = check_unaffected(frozenset(), before, seen)
    assert (check.passed, check.evidence) == (True, "1 of 1 unrelated tunnel kept its SPIs")
    only = replace(seen, states={"paris": replace(seen.states["paris"], sas=(coming,))})
    assert check_unaffected(frozenset(), only, seen) == ()


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


def test_packets_count_that_came_by_an_sa_that_is_replaced_during_the_probe(tmp_path: Path) -> None:
    checks = verdict(memory_site(tmp_path), {"paris": {"state": "REKEYED"}}, Echoes(5, 5), more=5)
    assert checks["paris-tokyo: traffic"].passed


@pytest.mark.parametrize(
    ("received", "word"), [(0, "up, carrying nothing: 0 of 5 echo"), (4, "degraded: 4 of 5 echo")]
)
def test_a_tunnel_that_is_up_and_loses_packets_is_called_so_here_too(
    tmp_path: Path, received: int, word: str
) -> None:
    check = verdict(memory_site(tmp_path), {}, Echoes(5, received))["paris-tokyo: traffic"]
    assert not check.passed
    assert check.evidence.startswith(word)


class Busy(Closing):
    """A router in memory that answers echo requests as it is asked to: one fraction for each command."""

    def __init__(self, router: Router, fractions: list[float]) -> None:
        self.name, self.vici, self.host = router.name, router.vici, self
        self.fractions = fractions

    def probe(self, ways: Sequence[tuple[str, str]], count: int, pace: float) -> tuple[Echoes, ...]:
        assert pace == PROOF_PACE
        return tuple(Echoes(count, int(count * self.fractions.pop(0))) for _ in ways)

    def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize(
    ("fractions", "found"),
    [
        ([1, 1], Echoes(5, 5)),
        ([0.4, 1], Echoes(5, 5)),
        ([0, 0, 1, 1], Echoes(5, 5)),
        ([1, 0.8, 1], Echoes(5, 5)),
        ([1, 0.8, 0.8], Echoes(5, 4)),
        ([0, 0, 0], Echoes(3, 0)),
    ],
    ids=["at once", "a trap", "negotiates for long", "one lost", "loses", "dead"],
)
def test_a_tunnel_is_judged_when_it_is_awake(tmp_path: Path, fractions: list[float], found: Echoes) -> None:
    site = memory_site(tmp_path)
    asked = list(fractions)
    router = Busy(site.connect("paris"), asked)
    tunnel = site.fabric.tunnels["paris-tokyo"]
    moved: list[int] = []
    pings = probe(site.fabric, Fleet(lambda _: cast("Router", router)), [tunnel], lambda: moved.append(0))
    assert pings == {"paris-tokyo": found}
    assert len(moved) == len(fractions), "each is progress"
    assert asked == [], "and not asked more often than that"


def test_an_sa_that_its_peer_had_lost_before_is_not_blamed_on_an_apply(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    site.apply()
    desired = compile_fabric(site.fabric, site.store())
    before = observed(desired, site.fleet)
    gone = replace(before, states={**before.states, "tokyo": replace(before.states["tokyo"], sas=())})

    def blamed(earlier: Observation) -> list[str]:
        after = {name: replace(state, sas=()) for name, state in earlier.states.items()}
        found = check_unaffected(frozenset(), earlier, replace(earlier, states=after))
        return [check.name for check in found if not check.passed]

    assert blamed(before) == [f"{name}: unrelated tunnels untouched" for name in ("paris", "tokyo")]
    assert blamed(gone) == []


def test_a_router_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    site, asked = memory_site(tmp_path), list[str]()
    site.apply()

    def connect(name: str) -> Router:
        asked.append(name)
        if name == "tokyo":
            raise RouterUnreachable("no answer", router=name)
        return site.connect(name)

    checks, plan = verify(site.fabric, site.store(), Fleet(connect))
    assert asked.count("tokyo") == 1
    assert set(plan.unreachable) == {"tokyo"}
    assert [check.evidence for check in checks if check.name == "tokyo-paris: up"] == [
        "tokyo is unreachable: no answer"
    ]
