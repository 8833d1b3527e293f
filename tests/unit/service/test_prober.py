"""What a service learns by probes between its runs, from routers in memory."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab.engine import until
from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.condition import Carriage, State
from reconciler.model.errors import RouterUnreachable
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Echoes
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.routers import quota
from reconciler.routers.fleet import Fleet, Sessions
from reconciler.routers.protocol import Router
from reconciler.service import rounds
from reconciler.service.metrics import Metrics
from reconciler.service.probe_targets import targets
from reconciler.service.prober import Prober
from reconciler.verify.carriage import CONFIRMED
from tests.contract.sites import Site, change_tunnels, memory_site
from tests.fabrics import ring
from tests.odd import OddRouter
from tests.unit.service.test_metrics import samples

NAME = "paris-tokyo"


class Probed:
    """Two routers in memory with a tunnel, and a service that probes it."""

    def __init__(self, folder: Path) -> None:
        self.site: Site = memory_site(folder)
        self.site.apply()
        self.history = Kept(folder / "history.db")
        self.events: list[TunnelEvent] = []
        self.woken: list[str] = []
        self.visits: Counter[str] = Counter()
        self.quotas: set[str] = set()
        self.lost = False
        self.away = ""
        self.prober = Prober(self.history, self.events.append, self.woken.append, 0.05, 10_000)
        self.metrics = Metrics(self.history)
        self.metrics.prober = self.prober

    def connect(self, router: str) -> Router:
        self.visits[router] += 1
        self.quotas |= {one.what for one in quota.in_force()}
        if router == self.away:
            raise RouterUnreachable("no route to host", router=router)
        return OddRouter(self.site.connect(router), {"probe": self._probe})

    def _probe(self, true: Callable[[], tuple[object, ...]]) -> tuple[object, ...]:
        """What is sent is lost on its way, if it is to be."""
        return (Echoes(bounds.PROBE_REQUESTS, 0),) if self.lost else true()

    def follow(self, fabric: Fabric | None = None) -> None:
        self.prober.follow(self.site.fabric if fabric is None else fabric, Fleet(self.connect))

    @property
    def known(self) -> Carriage:
        [one] = self.prober.known()
        return one

    def becomes(self, state: State) -> bool:
        return until(lambda: self.known.state is state, 20)


@pytest.fixture
def probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Probed]:
    monkeypatch.setattr(rounds, "AGAIN", 0.05)
    monkeypatch.setattr(rounds, "LONGEST_RETRY", 0.2)
    monkeypatch.setattr(bounds, "PROBES_WRITTEN", 0.05)
    service = Probed(tmp_path)
    yield service
    service.prober.close()


def test_a_tunnel_that_is_up_and_carries_nothing_is_reported_and_kept(probed: Probed, tmp_path: Path) -> None:
    probed.follow()
    assert probed.becomes(State.CARRYING)
    assert (probed.known.router, probed.known.target, probed.known.rtt) == ("paris", "10.2.0.1", 0.01)
    assert probed.events == [], "that it carries is no event"
    probed.lost = True
    assert probed.becomes(State.SILENT)
    assert until(lambda: len(probed.events) == 1, 20)
    [event] = probed.events
    assert (event.tunnel, event.router, event.change) == (NAME, "paris", TunnelChange.IMPAIRED)
    assert event.detail.startswith("up, carrying nothing: 10.2.0.1 does not answer")
    assert until(lambda: probed.woken == ["probes"], 20)
    assert [one.connection for one in probed.prober.impaired()] == [NAME]
    # In the file, for `status` and for the next process.
    other = History(tmp_path / "history.db")
    assert until(lambda: other.carriages()[NAME].state is State.SILENT, 20)
    assert other.tunnel_events(NAME, 1) == [event]
    labels = {"router": "paris", "tunnel": NAME}
    found = samples(probed.metrics)
    assert found["tunnelwright_tunnel_state", frozenset({**labels, "state": "carrying-nothing"}.items())] == 1
    assert found["tunnelwright_tunnel_probe_rtt_seconds", frozenset(labels.items())] == 0.01
    assert 0 < found["tunnelwright_tunnel_probe_loss_ratio", frozenset(labels.items())] < 1
    probed.lost = False
    assert probed.becomes(State.CARRYING)
    assert until(lambda: len(probed.events) == 2, 20)
    assert probed.events[1].change is TunnelChange.CARRYING
    assert not probed.prober.impaired()


def test_a_round_costs_one_visit_of_the_router_that_probes(probed: Probed) -> None:
    probed.follow()
    assert until(lambda: probed.visits["paris"] >= 5, 20)
    assert set(probed.visits) == {"paris"}, "replies show what the other end does"
    assert probed.quotas == {"one round of probes"}


def test_what_has_shown_something_new_waits_for_no_interval(
    probed: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_next", lambda _, __, now: now + 0.05)
    probed.prober.close()
    probed.lost = True
    probed.prober = Prober(probed.history, probed.events.append, probed.woken.append, 3600, 10_000)
    probed.follow()
    assert probed.becomes(State.SILENT)
    assert probed.visits["paris"] == CONFIRMED


def test_what_is_down_is_not_woken(probed: Probed) -> None:
    probed.follow()
    assert probed.becomes(State.CARRYING)
    vici = probed.site.connect("tokyo").vici
    list(vici.stream("terminate", "control-log", {"ike": "tw-tokyo-paris"}))
    assert probed.becomes(State.DOWN)
    assert probed.known.reason == "no IKE_SA at paris"
    assert probed.events == [], "its router reports that"


def test_a_router_that_does_not_answer_leaves_what_it_has_unknown(probed: Probed) -> None:
    probed.follow()
    assert probed.becomes(State.CARRYING)
    probed.away = "paris"
    assert probed.becomes(State.UNKNOWN)
    assert "no route to host" in probed.known.reason
    probed.away = ""
    assert probed.becomes(State.CARRYING)


def test_an_impaired_tunnel_that_carries_after_its_router_was_away_has_recovered(probed: Probed) -> None:
    probed.follow()
    probed.lost = True
    assert probed.becomes(State.SILENT)
    probed.away = "paris"
    assert probed.becomes(State.UNKNOWN)
    probed.lost, probed.away = False, ""
    assert probed.becomes(State.CARRYING)
    assert until(lambda: len(probed.events) == 2, 20)
    assert [event.change for event in probed.events] == [TunnelChange.IMPAIRED, TunnelChange.CARRYING]


def test_what_is_impaired_soon_after_a_run_was_started_gets_one_later(
    probed: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "PROBES_WOKEN", 3600)
    probed.follow()
    for _ in range(2):
        probed.lost = True
        assert probed.becomes(State.SILENT)
        probed.lost = False
        assert probed.becomes(State.CARRYING)
    assert until(lambda: len(probed.events) == 4, 20)
    assert probed.woken == ["probes"]
    monkeypatch.setattr(bounds, "PROBES_WOKEN", 0)
    assert until(lambda: probed.woken == ["probes"] * 2, 20)


def test_another_desired_state_is_probed_as_it_says(probed: Probed) -> None:
    probed.follow()
    assert probed.becomes(State.CARRYING)
    since = probed.known.since
    probed.follow()
    assert probed.known.since == since
    probed.follow(change_tunnels(probed.site.fabric, enabled=False))
    assert probed.becomes(State.DISABLED)
    probed.follow(replace(probed.site.fabric, tunnels={}))
    assert probed.prober.known() == ()


def test_the_next_process_goes_on_with_what_was_known(probed: Probed, tmp_path: Path) -> None:
    probed.follow()
    assert probed.becomes(State.CARRYING)
    probed.lost = True
    assert probed.becomes(State.SILENT)
    probed.prober.close()
    since = probed.known.since
    probed.prober = Prober(Kept(tmp_path / "history.db"), probed.events.append, probed.woken.append, 3600, 20)
    probed.follow()
    assert (probed.known.state, probed.known.since) == (State.SILENT, since)


def test_which_end_probes_and_what(probed: Probed) -> None:
    [both] = targets(probed.site.fabric, 60)
    assert (both.way.router, both.way.other, both.way.requests) == ("paris", "tokyo", bounds.PROBE_REQUESTS)
    assert (both.request.source, both.request.destination) == ("10.1.0.1", "10.2.0.1")
    off = change_tunnels(probed.site.fabric, enabled=False)
    assert [target.way.requests for target in targets(off, 60)] == [0]
    paris = replace(off.tunnels[NAME], enabled=False)
    mixed = replace(probed.site.fabric, tunnels={**probed.site.fabric.tunnels, NAME: paris})
    [other] = targets(mixed, 60)
    assert (other.way.router, other.request.destination) == ("tokyo", "10.1.0.1")


def test_while_no_more_routers_may_be_visited_nothing_turns(
    probed: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two routers are due, and the visit of one takes long."""
    turns: list[float] = []
    pause = Prober._pause

    def counted(prober: Prober, now: float) -> float:
        turns.append(now)
        return pause(prober, now)

    monkeypatch.setattr(Prober, "_pause", counted)
    monkeypatch.setattr(bounds, "PROBES_WRITTEN", 3600)
    begun, go_on = threading.Event(), threading.Event()

    def connect(router: str) -> Router:
        begun.set()
        go_on.wait(20)
        raise RouterUnreachable("no route to host", router=router)

    three = ring([f"203.0.113.{last}" for last in range(31, 37)])
    assert len({target.way.router for target in targets(three, 1)}) == 2
    probed.prober.follow(three, Fleet(connect, parallelism=1))
    assert begun.wait(20)
    before = len(turns)
    assert not until(lambda: len(turns) > before + 2, 0.3), "at most one more, when it falls asleep"
    go_on.set()


def test_a_visit_that_ends_in_any_way_gives_its_place_back(
    probed: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can be started any more, connections cannot be closed side by side."""
    scarce = True
    kept = Fleet.kept

    @contextmanager
    def fails(fleet: Fleet) -> Iterator[Sessions]:
        with kept(fleet) as sessions:
            yield sessions
        if scarce:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Fleet, "kept", fails)
    probed.prober.follow(probed.site.fabric, Fleet(probed.connect, parallelism=1))
    assert until(lambda: probed.visits["paris"] > 2, 20), "it is visited again"
    scarce = False
    assert probed.becomes(State.CARRYING)
