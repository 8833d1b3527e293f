"""Tasks as another engine would carry them to other machines: pickled, and so are what they find."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from reconciler.apply import phases
from reconciler.apply import settle as settling
from reconciler.apply.locking import locked
from reconciler.apply.loss import measured
from reconciler.facets.sas.agreement import Doomed
from reconciler.model.bounds import SETTLE_SECONDS, SETTLE_TURN_SECONDS
from reconciler.model.errors import AnswerNotUnderstood, Locked, RouterUnreachable, TunnelwrightError
from reconciler.model.operation import Establish, PairEnd, Scope
from reconciler.model.plan import Plan
from reconciler.model.secret import Secret
from reconciler.model.trace import Trace
from reconciler.observe.probe import probe
from reconciler.observe.state import observe, read_sas, within_one_observation
from reconciler.observe.traces import traces_of
from reconciler.routers.fleet import Errands, Fleet, Sessions, reach
from reconciler.routers.protocol import Router, Task
from tests.contract.sites import Site, change_tunnels, memory_site

Result = TypeVar("Result")


def carried(value: Result) -> Result:
    """As it comes out at the other side."""
    found: Result = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
    return found


class CarriedSessions(Sessions):
    """Each task goes to its router, and its result comes back, as bytes; a look alone may stay here."""

    def run(self, name: str, task: Task[Result]) -> Result:
        found = super().run(name, carried(task))
        return carried(found) if self.fleet.results else found  # type: ignore[attr-defined]  # a CarriedFleet


@dataclass(frozen=True, slots=True)
class CarriedFleet(Fleet):
    """A fleet that another engine works on."""

    results: bool = True

    def kept(self) -> Sessions:
        """Sessions elsewhere."""
        return CarriedSessions(self)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = memory_site(tmp_path)
    assert found.apply(timeout=1).converged
    return found


def test_what_is_not_plain_is_not_carried() -> None:
    """So that what follows proves something."""
    for task in (lambda router: router.name, partial(reach_by, key=Secret(b"a key"))):
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            carried(task)
    assert carried(reach) is reach


def reach_by(router: Router, key: Secret) -> str:
    """A task that holds a key."""
    return router.name if key else ""


def test_a_look_can_be_asked_for_elsewhere(site: Site) -> None:
    keys = dict.fromkeys(site.fabric.routers, ("net/ipv4/ip_forward",))
    adopted = {"paris": frozenset({"foreign"})}
    assert observe(CarriedFleet(site.connect, results=False), keys, adopted) == observe(
        site.fleet, keys, adopted
    )


def test_locks_are_taken_and_given_back(site: Site) -> None:
    site.connect("tokyo").host.lock("you@there:2", 60)
    with locked(CarriedFleet(site.connect), site.fabric.routers, 0) as refused:
        assert isinstance(refused["tokyo"], Locked)
        with pytest.raises(Locked):
            site.connect("paris").host.lock("you@there:2", 60)
    site.connect("paris").host.lock("you@there:2", 60)


def test_tunnels_are_probed(site: Site) -> None:
    pings: list[int] = []
    tunnels = site.fabric.tunnels.values()
    found = probe(site.fabric, CarriedFleet(site.connect), tunnels, lambda: pings.append(0))
    assert found == probe(site.fabric, site.fleet, tunnels)
    assert not [name for name, ping in found.items() if isinstance(ping, TunnelwrightError)]
    assert pings, "each ping is reported, though no callback is carried"


def test_what_an_apply_costs_is_measured(site: Site) -> None:
    before = site.preview(change_tunnels(site.fabric, esp__lifetime=1800))
    with measured(
        Plan(before.plan.changes), before.fabric, before.observation, CarriedFleet(site.connect)
    ) as cost:
        pass
    assert [loss.tunnel for loss in cost.losses] == ["paris-tokyo"]
    assert not cost.unmeasured


def test_both_ends_of_a_tunnel_are_compared_and_what_one_end_lacks_comes_up(site: Site) -> None:
    def running() -> tuple[str, ...]:
        return tuple(sa.id for sa in read_sas(site.connect("paris").vici))

    item = Establish("tw-paris-tokyo", ("net",), Scope.FIRST, other_end=PairEnd("tokyo", "tw-tokyo-paris"))
    (first,) = running()
    with CarriedFleet(site.connect).kept() as sessions:
        with Errands(sessions, SETTLE_TURN_SECONDS) as errands:
            assert settling._close(errands, "paris", Doomed(ike_sas=(first,)), lambda: SETTLE_SECONDS)
        assert running() == ()
        assert settling.settle(sessions, [("paris", item)], ()) == [""]
    (second,) = running()
    assert second != first


def test_what_is_stuck_is_ended(site: Site) -> None:
    task = partial(phases._end_stuck, connections={"paris": {"tw-paris-tokyo"}})
    assert CarriedFleet(site.connect).each(["paris"], task) == {"paris": None}


def test_routers_are_asked_who_was_there(site: Site) -> None:
    trace = Trace(datetime.now(UTC), "root logged in")
    site.connect("paris").host.kept_traces.append(trace)  # type: ignore[attr-defined]  # memory
    fleet = within_one_observation(CarriedFleet(site.connect))
    assert fleet.each(["paris", "tokyo"], partial(traces_of, seconds=60)) == {"paris": (trace,), "tokyo": ()}


@pytest.mark.parametrize(
    "error",
    [
        AnswerNotUnderstood("'x' is not a number", where="ping", router="paris"),
        Locked("you@there:2/7", router="paris", hint="wait"),
        RouterUnreachable("no route", router="paris", operation="connect", hint="plug it in"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_a_result_like_any_other(error: TunnelwrightError) -> None:
    found = carried(error)
    assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))
