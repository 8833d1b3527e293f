"""Tunnels of many routers are probed side by side, those of one router together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.load import load_tree
from reconciler.model.bounds import PROOF_PACE
from reconciler.model.errors import CommandRejected, RouterUnreachable
from reconciler.model.fabric import Fabric, probe_addresses
from reconciler.model.outcome import Echoes
from reconciler.observe import probe as probing
from reconciler.observe.probe import probe
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Closing
from reconciler.validate import validate
from tests.unit.scaling.ring import write_ring, write_star

Way = tuple[str, str]
SITES = 6


@dataclass
class Network:
    """Where routers send echo requests; each command is written down."""

    answer: Callable[[str, Way, int], int | None] = lambda _, __, count: count
    """The replies that a router gets to so many requests; None where it cannot send."""
    wait: Callable[[str], object] = lambda _: None
    """What a command waits for."""
    said: list[tuple[str, str, int]] = field(default_factory=list)
    """Router, tunnel's far address, and how many requests were sent, for each way of each command."""
    commands: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def connect(self, name: str) -> Pinging:
        """A router."""
        return Pinging(name, self)


class Pinging(Closing):
    """A router that sends echo requests, and does nothing else."""

    def __init__(self, name: str, network: Network) -> None:
        self.name, self._network = name, network
        self.vici = self.host = self

    def probe(self, ways: Sequence[Way], count: int, pace: float) -> tuple[Echoes | None, ...]:
        """All in one command."""
        assert pace == PROOF_PACE
        self._network.commands.append(self.name)
        self._network.said += [(self.name, way[1], count) for way in ways]
        self._network.wait(self.name)
        replies = [self._network.answer(self.name, way, count) for way in ways]
        self._network.ended.append(self.name)
        return tuple(None if found is None else Echoes(count, found) for found in replies)

    def ping(self, source: str, destination: str, count: int) -> Echoes:
        """The reason why none can be sent."""
        raise CommandRejected(f"{count} from {source} to {destination}: no such address")

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def ring(tmp_path: Path) -> Fabric:
    fabric, found = validate(load_tree(write_ring(tmp_path / "ring", SITES)))
    assert not found.errors
    return fabric


def _probed(fabric: Fabric, network: Network, parallelism: int = SITES) -> dict[str, object]:
    fleet = Fleet(network.connect, parallelism)  # type: ignore[arg-type]  # half a router
    return dict(probe(fabric, fleet, fabric.tunnels.values()))


def test_routers_are_probed_side_by_side(ring: Fabric) -> None:
    """All but one have an end that initiates, and all but one another end."""
    together = threading.Barrier(SITES - 1)
    network = Network(wait=lambda _: together.wait(60))
    found = _probed(ring, network)
    assert found == dict.fromkeys(ring.tunnels, Echoes(5, 5))
    assert len(network.commands) == 2 * 2 * (SITES - 1), "to wake, and to probe, in each of two passes"


def test_packets_come_from_one_end_of_a_tunnel_at_a_time(ring: Fabric) -> None:
    network = Network()
    _probed(ring, network)
    first = {(end.router, probe_addresses(ring, end)) for end in ring.tunnels.values() if end.initiates}
    order = [(router, far) in {(r, ways[1]) for r, ways in first if ways} for router, far, _ in network.said]
    assert sorted(order, reverse=True) == order
    assert order.count(True) == order.count(False)


def test_the_tunnels_of_a_router_take_no_more_commands_than_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fabric, _ = validate(load_tree(write_star(tmp_path / "star", 21)))
    many = Network()
    found = _probed(fabric, many)
    assert found == dict.fromkeys(fabric.tunnels, Echoes(5, 5))
    assert many.commands.count("router-0000") == 2
    # Unless they take longer than a command may.
    monkeypatch.setattr(probing, "PROOF_VISIT_SECONDS", 7 * 5 / PROOF_PACE)
    parts = Network()
    assert _probed(fabric, parts) == found
    assert parts.commands.count("router-0000") == 2 + 3, "11 of 20 at a time are woken, and 7 probed"


def test_what_loses_packets_is_probed_again_when_nothing_else_is(ring: Fabric) -> None:
    lost: list[str] = []

    def answer(router: str, way: Way, count: int) -> int:
        if count == 5 and router == "router-0001" and not lost:
            lost.append(way[1])
            return count - 1
        return count

    network = Network(answer)
    assert _probed(ring, network) == dict.fromkeys(ring.tunnels, Echoes(5, 5))
    assert network.said[-1] == ("router-0001", lost[0], 5)
    assert network.ended[:-1].count("router-0001") == 4
    assert len(network.said) == 2 * len(ring.tunnels) + 1, "and no other one"


def test_a_tunnel_that_goes_on_losing_is_reported_so(ring: Fabric) -> None:
    network = Network(lambda router, _, count: count - 1 if router == "router-0001" and count == 5 else count)
    found = _probed(ring, network)
    assert {name for name, echoes in found.items() if echoes == Echoes(5, 4)} == {
        name for name, end in ring.tunnels.items() if end.router == "router-0001"
    }


def test_a_router_that_does_not_answer_is_asked_once_and_costs_no_other_one(ring: Fabric) -> None:
    def answer(router: str, _: Way, count: int) -> int:
        if router == "router-0002":
            raise RouterUnreachable("no answer", router=router)
        return count

    network = Network(answer)
    found = _probed(ring, network)
    assert network.commands.count("router-0002") == 1
    for name, end in ring.tunnels.items():
        assert isinstance(found[name], RouterUnreachable) == (end.router == "router-0002")


def test_why_nothing_could_be_sent_is_asked_of_that_way_alone(ring: Fabric) -> None:
    ends_there = ring.tunnels_of("router-0001")
    (name,) = (end.name for end in ends_there if end.initiates)
    ends = probe_addresses(ring, ring.tunnels[name])
    assert ends is not None
    network = Network(lambda _, way, count: None if way == ends else count)
    found = _probed(ring, network)
    refused = found.pop(name)
    assert isinstance(refused, CommandRejected)
    assert refused.message == f"3 from {ends[0]} to {ends[1]}: no such address"
    assert set(found.values()) == {Echoes(5, 5)}
