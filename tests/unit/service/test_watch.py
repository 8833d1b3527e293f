"""What a service does with what its routers report, some of which are broken."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vici.protocol import Message as Theirs

from lab.engine import until
from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Closing, Router
from reconciler.routers.unix_vici import UnixVici
from reconciler.service.metrics import Metrics
from reconciler.service.watch import Watch
from tests import nonsense
from tests.contract.sites import Site, memory_site
from tests.nonsense import EVENT, RESPONSE, Talk, name, packet
from tests.unit.observe.test_standing import rekeyed, updown
from tests.unit.service.test_metrics import samples

DOWN, UP = TunnelChange.DOWN, TunnelChange.UP
ENDS = ("paris", "tokyo")
TOKYO = {"router": "tokyo", "tunnel": "tokyo-paris"}


class Watched:
    """Two routers in memory with a tunnel that is up, and what the service has of them."""

    def __init__(self, folder: Path, **changed: Callable[[], Router]) -> None:
        self.site: Site = memory_site(folder)
        self.site.apply()
        self.history = Kept(folder / "history.db")
        self.events: list[TunnelEvent] = []
        self.woken: list[str] = []
        self.changed = changed
        self.wait = threading.Event()
        self.wait.set()
        self.fleet = Fleet(self.connect)
        self.watch = Watch(self.history, self.notify, self.woken.append)
        self.metrics = Metrics(self.history)
        self.metrics.watch = self.watch

    def connect(self, router: str) -> Router:
        made = self.changed.get(router)
        return self.site.connect(router) if made is None else made()

    def notify(self, event: TunnelEvent) -> None:
        self.wait.wait(20)
        self.events.append(event)

    def follow(self, *routers: str) -> None:
        self.watch.follow(self.site.fabric, self.fleet)
        assert until(lambda: all(self.watch.followed()[router] for router in routers), 20)

    def terminate(self) -> None:
        vici = self.site.connect("tokyo").vici
        list(vici.stream("terminate", "control-log", {"ike": "tw-tokyo-paris"}))

    def initiate(self) -> None:
        vici = self.site.connect("tokyo").vici
        list(vici.stream("initiate", "control-log", {"ike": "tw-tokyo-paris", "child": "net"}))

    def value(self, metric: str, **labels: str) -> float | None:
        return samples(self.metrics).get((f"tunnelwright_{metric}", frozenset(labels.items())))


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Watched]]:
    monkeypatch.setattr(bounds, "DOWN_SECONDS", 0.2)
    made: list[Watched] = []

    def make(**changed: Callable[[], Router]) -> Watched:
        made.append(Watched(tmp_path, **changed))
        return made[-1]

    yield make
    for item in made:
        item.wait.set()
        item.watch.close()


def test_what_happens_is_reported_kept_and_counted(watched: Callable[..., Watched], tmp_path: Path) -> None:
    service = watched()
    service.follow("paris", "tokyo")
    service.terminate()
    service.initiate()
    assert until(lambda: len(service.events) == 4, 20)
    assert until(lambda: len(service.history.tunnel_events("tokyo-paris", 10)) == 2, 20)
    # In the file, for the commands of another process.
    [up, down] = History(tmp_path / "history.db").tunnel_events("tokyo-paris", 10)
    assert (up.change, down.change, up.router) == (UP, DOWN, "tokyo")
    assert service.value("tunnel_downs_total", **TOKYO) == 1
    assert service.value("router_followed", router="tokyo") == 1
    service.site.connect("tokyo").vici.rekey()  # type: ignore[attr-defined]  # of the router in memory
    assert until(lambda: service.value("tunnel_rekeys_total", **TOKYO, sa="CHILD_SA") == 1, 20)
    assert len(service.events) == 4, "a rekey is no event to report"


def test_a_tunnel_that_stays_down_starts_a_run_and_one_that_flaps_does_not(
    watched: Callable[..., Watched],
) -> None:
    service = watched()
    service.follow("paris", "tokyo")
    service.terminate()
    service.initiate()
    assert until(lambda: len(service.events) == 4, 20)
    service.terminate()
    assert until(lambda: bool(service.woken), 20)
    assert service.woken == ["down"]
    assert [event.change for event in service.events if event.router == "tokyo"] == [DOWN, UP, DOWN]


def test_what_waits_to_be_written_has_a_bound(
    watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The routers' threads wait for nothing; what does not fit is counted."""
    monkeypatch.setattr(bounds, "EVENTS_QUEUED", 3)
    monkeypatch.setattr(bounds, "EVENTS_WRITTEN", 1)
    service = watched()
    service.follow("paris", "tokyo")
    service.wait.clear()
    for _ in range(10):
        service.terminate()
        service.initiate()
    charons: list[Any] = [service.site.connect(router).vici for router in ENDS]
    assert until(lambda: all(charon._events.empty() for charon in charons), 20), "all was read"
    service.wait.set()

    def accounted() -> float:
        dropped = [service.value("tunnel_events_dropped_total", router=router) for router in ENDS]
        return len(service.events) + sum(filter(None, dropped))

    # Ten times down and up, at two ends.
    assert until(lambda: accounted() == 40, 20), accounted()
    assert len(service.events) < 20
    assert set(service.watch.up()["tokyo"]) == {("tokyo-paris", "net")}, "the state is right all the same"


class Broken(Closing):
    """A router whose charon answers as it likes."""

    name = "paris"

    def __init__(self, path: Path) -> None:
        self.vici: Any = UnixVici.at("paris", str(path), Allowance(Limits(10, 1000), "paris", "connect"))
        self.host: Any = None

    def close(self) -> None:
        self.vici.close()


def event(kind: str, message: dict[str, Any]) -> bytes:
    serialized: bytes = Theirs.serialize(message)
    return packet(EVENT, name(kind.encode()) + serialized)


@contextmanager
def charon(
    folder: Path, then: Callable[[Talk], None]
) -> Iterator[tuple[nonsense.Charon, Callable[[], Router]]]:
    """One without SAs, which goes on as it likes once it has listed them."""

    def go_on(talk: Talk) -> None:
        with contextlib.suppress(OSError):
            then(talk)

    def answer(talk: Talk) -> None:
        talk.say(packet(RESPONSE))
        # What ends the list is still to be asked for.
        threading.Timer(0.1, go_on, [talk]).start()

    path = folder / "charon.vici"
    with nonsense.listening(path, answer) as served:
        yield served, lambda: Broken(path)


FLOOD = (event("child-updown", updown("01", up=True)) + event("child-updown", updown("01", up=False))) * 100
BROKEN: dict[str, Callable[[Talk], None]] = {
    "events without end": lambda talk: talk.flood(FLOOD),
    "rekeys without end": lambda talk: talk.flood(event("child-rekey", rekeyed("01", "02")) * 100),
    "events without a connection, without end": lambda talk: talk.flood(
        event("child-updown", {"else": {"a": "b"}}) * 100
    ),
    "a packet of 4 GiB": lambda talk: talk.say(b"\xff" * 8),
    "the half of a packet": lambda talk: talk.say(FLOOD[:50]),
    "no message": lambda talk: talk.say(packet(EVENT, name(b"child-updown") + b"\x09")),
    "another shape": lambda talk: talk.say(event("child-updown", {"tw-paris-tokyo": "text"})),
    "the end": lambda talk: talk.connection.close(),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_router_that_is_broken_costs_itself_alone(
    kind: str, watched: Callable[..., Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "EVENTS_BURST", 500)
    monkeypatch.setattr(bounds, "EVENTS_PER_SECOND", 0.0)
    monkeypatch.setattr(bounds, "VICI_SECONDS", 0.5)
    (tmp_path / "broken").mkdir()
    with charon(tmp_path / "broken", BROKEN[kind]) as (served, connect):
        service = watched(paris=connect)
        service.follow("tokyo")
        assert until(lambda: bool(service.watch._followers["paris"]._why), 20), (
            "it was followed, and given up"
        )
        service.terminate()
        assert until(lambda: any(event.router == "tokyo" for event in service.events), 20)
        assert service.watch.followed()["tokyo"]
        assert served.sent < 4 * bounds.MIB
        assert len(service.history.tunnel_events("paris-tokyo", 1000)) <= 500


def test_only_the_routers_of_the_newest_state_are_followed(watched: Callable[..., Watched]) -> None:
    service = watched()
    service.follow("paris", "tokyo")
    fabric = service.site.fabric
    left = {name: tunnel for name, tunnel in fabric.tunnels.items() if tunnel.router == "paris"}
    service.watch.follow(replace(fabric, tunnels=left), service.fleet)
    assert service.watch.followed() == {"paris": True}
    service.terminate()
    assert until(lambda: len(service.events) == 1, 20)
    assert service.events[0].router == "paris"


def test_no_more_routers_are_followed_than_there_are_file_descriptors_for(
    watched: Callable[..., Watched], caplog: pytest.LogCaptureFixture
) -> None:
    service = watched()
    service.watch._most = 1
    service.watch.follow(service.site.fabric, service.fleet)
    assert set(service.watch.followed()) == {"paris"}
    assert "of 2 routers only 1 are followed" in caplog.text


def test_a_failure_to_wake_ends_nothing(watched: Callable[..., Watched]) -> None:
    service = watched()

    def refuse(_: str) -> None:
        service.woken.append("refused")
        raise ValueError("no room")

    service.watch._wake = refuse
    service.follow("paris", "tokyo")
    service.terminate()
    assert until(lambda: bool(service.woken), 20)
    service.initiate()
    assert until(lambda: [event.change for event in service.events].count(UP) == 2, 20)


def test_what_lasts_is_kept_once(watched: Callable[..., Watched]) -> None:
    service = watched()
    service.follow("paris", "tokyo")
    vici: Any = service.site.connect("tokyo").vici
    sa = {"state": "CONNECTING", "local-host": "203.0.113.12", "remote-host": "203.0.113.11"}
    for _ in range(5):
        vici.happens("ike-updown", {"tw-tokyo-paris": sa})
        vici.happens("alert", {"type": "ts-mismatch", "ike-sa": {"tw-tokyo-paris": sa}})
    assert until(lambda: service.value("tunnel_attempts_failed_total", **TOKYO) == 5, 20)
    assert until(lambda: service.value("tunnel_alerts_total", **TOKYO, type="ts-mismatch") == 5, 20)
    # What has been counted is kept a little later, in the same order.
    service.terminate()
    assert until(lambda: DOWN in kept(service), 20)
    assert sorted(kept(service)) == sorted([TunnelChange.ALERT, TunnelChange.FAILED, DOWN])


def kept(service: Watched) -> list[TunnelChange]:
    return [event.change for event in service.history.tunnel_events("tokyo-paris", 10)]
