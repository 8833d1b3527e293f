"""What comes up, or refuses to go, in the middle of a termination."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.apply import establish as module
from reconciler.apply.establish import Ending, establish, terminate
from reconciler.model.bounds import ANSWER_MILLISECONDS, ENDING_SECONDS, ESTABLISH_SECONDS
from reconciler.model.errors import CommandRejected
from reconciler.model.operation import Establish, Scope
from reconciler.observe.state import read_sas
from reconciler.routers.protocol import Router, Vici
from tests.contract.sites import Site, change_tunnels, memory_site
from tests.fabrics import many_tunnels
from tests.memory import Charon
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
    """A router whose peer finishes a negotiation while it is terminated: the IKE_SA has no name when
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
    terminate(vici, OURS, Ending())
    assert asked == ["terminate"] * 2
    assert read_sas(vici, OURS) == ()


def test_what_does_not_go_is_reported(site: Site) -> None:
    asked: list[str] = []

    def refuse(_: Callable[[], Any]) -> Any:
        asked.append("terminate")
        raise CommandRejected("not now")

    vici = OddRouter(site.connect("paris"), {"terminate": refuse}).vici
    list(vici.stream("initiate", "control-log", {"ike": OURS, "child": "net"}))
    with pytest.raises(CommandRejected, match="not now"):
        terminate(vici, OURS, Ending())
    assert len(asked) == 3
    assert establish(vici, [Establish(OURS, ("net",), Scope.RECONNECT)], 1) == ["not now"]


def test_old_children_end_before_their_ike_sa(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answering end deletes the children of an IKE_SA only after its answer, and a packet between the two
    finds no SA; a CHILD_SA it deletes before."""
    site.apply()
    vici: Any = site.connect("paris").vici
    list(vici.stream("initiate", "control-log", {"ike": OURS, "child": "net"}))
    [old] = read_sas(vici, OURS)
    asked: list[tuple[str, str]] = []
    true = Charon._terminate

    def recording(charon: Charon, body: Any) -> None:
        asked.extend((key, body[key]) for key in ("child-id", "ike-id") if key in body)
        true(charon, body)

    monkeypatch.setattr(Charon, "_terminate", recording)
    site.apply(change_tunnels(site.fabric, ike__dh_group=15))
    assert asked == [("child-id", old.children[0].id), ("ike-id", old.id)]


TIMEOUT = 10.0


@dataclass
class Silent:
    """paris, whose charon gets no answer of some peers and waits for as long as it is asked to. The time
    passes only where something waits."""

    site: Site
    names: frozenset[str]
    now: float = 0.0
    begun: set[str] = field(default_factory=set)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @property
    def vici(self) -> Vici:
        twists = {"initiate": self.initiate, "list-sas": self.list_sas, "terminate": self.terminate}
        return OddRouter(self.site.connect("paris"), twists).vici

    def wait(self, message: dict[str, str]) -> None:
        timeout = int(message["timeout"])
        self.now += max(timeout, 0) / 1000
        if timeout != -1:
            raise CommandRejected(f"not established after {timeout}ms")

    def initiate(self, true: Any) -> Any:
        message = true.args[2]
        if message["ike"] in self.names:
            self.begun.add(message["ike"])
            self.wait(message)
        else:
            yield from true()

    def list_sas(self, true: Any) -> Any:
        """What was begun is under way."""
        ways = {"local-host": "192.0.2.1", "remote-host": "192.0.2.2"}
        body = {"uniqueid": "900", "version": "2", "state": "CONNECTING", **ways}
        wanted = true.args[2].get("ike") if true.args[2] else None
        return [*true(), *({name: body} for name in sorted(self.begun) if wanted in {None, name})]

    def terminate(self, true: Any) -> Any:
        message = true.args[2]
        if message.get("ike") in self.names:
            self.now += int(message["timeout"]) / 1000
        return true()


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Silent]:
    """Thirty tunnels that run, of which the first so many have a peer that does not answer any more."""

    def made(count: int) -> Silent:
        site = replace(memory_site(tmp_path), fabric=many_tunnels(30))
        assert site.apply().converged
        found = Silent(site, frozenset(f"tw-paris-{number:03d}" for number in range(count)))
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=found.monotonic, sleep=found.sleep))
        return found

    return made


def changed(site: Site, number: int) -> None:
    """Another ESP proposal is loaded at both ends."""
    for here in ("paris", "tokyo"):
        vici = site.connect(here).vici
        name = f"tw-{here}-{number:03d}"
        settings = json.loads(json.dumps(vici.connections[name]))  # type: ignore[attr-defined]  # in memory
        for child in settings["children"].values():
            child["esp_proposals"] = ["aes256-sha512-modp2048"]
        vici.request("load-conn", {name: settings})


def items(count: int, scope: Scope = Scope.CHILD) -> list[Establish]:
    return [Establish(f"tw-paris-{number:03d}", ("net",), scope) for number in range(count)]


def test_what_was_waited_is_said(silent: Callable[[int], Silent]) -> None:
    """Not how long charon has waited for the attempt that only explains."""
    one = silent(1)
    one.site.connect("paris").vici.sas.clear()  # type: ignore[attr-defined]  # in memory
    [reason] = establish(one.vici, items(1, Scope.FIRST), TIMEOUT)
    assert reason == "no CHILD_SA within 10 s"


@pytest.mark.parametrize("scope", [Scope.CHILD, Scope.RECONNECT])
def test_many_silent_peers_cost_little_more_than_one(scope: Scope, silent: Callable[[int], Silent]) -> None:
    many = silent(30)
    reasons = establish(many.vici, items(30, scope), TIMEOUT)
    assert all(reasons), "each is reported"
    assert many.begun == many.names, "each was tried"
    assert many.now < 2 * ESTABLISH_SECONDS + TIMEOUT + ENDING_SECONDS


def test_who_comes_after_a_silent_peer_is_brought_up_all_the_same(silent: Callable[[int], Silent]) -> None:
    """Also one that is right already, which charon reports only to a client that waits for it."""
    found = silent(2)
    changed(found.site, 5)
    before = {number: sas(found, number) for number in range(30)}
    reasons = establish(found.vici, items(10), TIMEOUT)
    assert [bool(reason) for reason in reasons] == [True] * 2 + [False] * 8
    after = {number: sas(found, number) for number in range(30)}
    assert {number for number in before if after[number] != before[number]} == {5}
    assert len(after[5]) == 1, "the old one has gone, and the new one is there once"


def sas(found: Silent, number: int) -> list[str]:
    """The CHILD_SAs of a tunnel, whether anything is under way or not."""
    held = read_sas(found.site.connect("paris").vici, f"tw-paris-{number:03d}")
    return [child.id for sa in held for child in sa.children]


def test_a_tunnel_is_not_refused_for_what_others_have_left_of_the_time(
    silent: Callable[[int], Silent],
) -> None:
    """The first one takes nearly all of it; the second one comes up a little later."""
    found = silent(0)
    first, second = "tw-paris-000", "tw-paris-001"
    for number in (0, 1):
        changed(found.site, number)
    later: list[Any] = []

    def initiate(true: Any) -> Any:
        message = true.args[2]
        if message["ike"] == second:
            found.begun.add(second)
            later.append(true)
            found.wait(message)
        found.now += ESTABLISH_SECONDS - 2
        yield from true()

    def list_sas(true: Any) -> Any:
        if later and found.now > ESTABLISH_SECONDS + 2:
            found.begun.clear()
            list(later.pop()())
        return found.list_sas(true)

    vici = OddRouter(found.site.connect("paris"), {"initiate": initiate, "list-sas": list_sas}).vici
    wanted = [Establish(name, ("net",), Scope.CHILD) for name in (first, second)]
    assert establish(vici, wanted, TIMEOUT) == ["", ""]
    assert [len(sas(found, number)) for number in (0, 1)] == [1, 1]


def test_removing_many_tunnels_of_silent_peers_has_a_time_in_all(silent: Callable[[int], Silent]) -> None:
    found = silent(30)
    ending = Ending()
    for number in range(30):
        terminate(found.vici, f"tw-paris-{number:03d}", ending)
    assert found.now < ENDING_SECONDS + ANSWER_MILLISECONDS / 1000 + 30 * 0.1
    assert read_sas(found.site.connect("paris").vici, every=True) == ()
