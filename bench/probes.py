"""`python -m bench.probes`: what it costs the controller to probe every tunnel, beside reading their SAs.

The routers are in memory, so this is the work of this machine without its transport: SAs decoded, replies
judged, the schedule, and what is kept in the history's file.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from bench.fabric import write_tree
from reconciler.history.store import History
from reconciler.load import load_tree
from reconciler.model import bounds
from reconciler.model.condition import Carriage, State
from reconciler.model.fabric import Fabric, Probe
from reconciler.model.outcome import Echoes
from reconciler.observe.state import read_sas
from reconciler.observe.visit import visit
from reconciler.routers.protocol import Router
from reconciler.service.probe_targets import Target, targets
from reconciler.service.rounds import Rounds
from reconciler.validate import validate
from reconciler.verify.carriage import Memory, Reading, after, begun, counters_of
from reconciler.verify.condition import running_of, standing

_INTERVAL = 60.0
_PACE = 20


class Answering:
    """A router in memory, on which every tunnel is up and every echo request is answered."""

    def __init__(self, found: Sequence[Target]) -> None:
        self.vici = self.host = self
        self._sas = [
            {target.request.connections[0]: _sa(number, target)} for number, target in enumerate(found)
        ]

    def stream(self, *_: object) -> Iterator[Mapping[str, Any]]:
        """Its SAs."""
        yield from self._sas

    def probe(self, ways: Sequence[tuple[str, str]], _: int, __: float) -> tuple[Echoes, ...]:
        """All replies."""
        return (Echoes(bounds.PROBE_REQUESTS, bounds.PROBE_REQUESTS, 0.01),) * len(ways)


def _sa(number: int, target: Target) -> dict[str, Any]:
    tunnel, child = target.tunnel, target.children[0]
    addresses = {"local-host": tunnel.vip.address, "remote-host": tunnel.peer_address}
    ids = {"local-id": tunnel.local_id.value, "remote-id": tunnel.peer_id.value}
    algorithms = {"encr-alg": "AES_CBC", "encr-keysize": "256", "integ-alg": "HMAC_SHA2_256_128"}
    counters = {"packets-in": "7", "bytes-in": "700", "packets-out": "7", "bytes-out": "700"}
    selectors = {"local-ts": list(tunnel.local_cidrs), "remote-ts": list(tunnel.peer_cidrs)}
    spis = {"spi-in": f"c{number:07x}", "spi-out": f"d{number:07x}"}
    body = {"name": child, "uniqueid": str(number), "state": "INSTALLED", "mode": "TUNNEL", "protocol": "ESP"}
    children = {f"{child}-{number}": {**body, **spis, **algorithms, **counters, **selectors}}
    sa = {
        "uniqueid": str(number),
        "version": "2",
        "state": "ESTABLISHED",
        "initiator": "yes",
        "established": "1",
    }
    return {**sa, **addresses, **ids, **algorithms, "dh-group": "MODP_2048", "child-sas": children}


def fabric_of(tunnels: int, routers: int) -> Fabric:
    """So many tunnels to unmanaged peers, each with a target, shared out among so many routers."""
    with tempfile.TemporaryDirectory() as folder:
        write_tree(Path(folder), 1)
        one, _ = validate(load_tree(Path(folder)))
    [router], [tunnel] = one.routers.values(), one.tunnels.values()
    target = Probe(tunnel.peer_cidrs[0].rpartition(".")[0] + ".1")
    names = [f"router-{number}" for number in range(routers)]
    return replace(
        one,
        routers={name: replace(router, name=name) for name in names},
        tunnels={
            f"tunnel-{number}": replace(
                tunnel, name=f"tunnel-{number}", router=names[number % routers], probe=target
            )
            for number in range(tunnels)
        },
    )


class Service:
    """What one round of all routers needs."""

    def __init__(self, fabric: Fabric, folder: Path) -> None:
        self.targets = {target.way.name: target for target in targets(fabric, _INTERVAL)}
        of: dict[str, list[Target]] = {}
        for target in self.targets.values():
            of.setdefault(target.way.router, []).append(target)
        self.routers = {name: cast("Router", Answering(found)) for name, found in of.items()}
        self.history = History(folder / "history.db")
        self.memories = {name: _unknown(target) for name, target in self.targets.items()}
        self.rounds = Rounds(_PACE)
        self.rounds.follow((target.way for target in self.targets.values()), 0.0)
        self.visits = 0
        self._now = 0.0

    def read(self) -> None:
        """The SAs of every router, and no more."""
        for router in self.routers.values():
            read_sas(router.vici)

    def probe(self) -> None:
        """One round: every tunnel once."""
        left, now = set(self.targets), datetime.now(UTC)
        self.visits = 0
        while left:
            self._now = max(self._now, self.rounds.next_due())
            for router, names in list(self.rounds.take(self._now)):
                self._visit(router, names, now)
                self.rounds.ended(router, names, self._now)
                left.difference_update(names)
        self.history.carry(memory.carriage for memory in self.memories.values())

    def _visit(self, router: str, names: tuple[str, ...], now: datetime) -> None:
        self.visits += 1
        found = visit(self.routers[router], {name: self.targets[name].request for name in names}, _PACE)
        for name in names:
            target = self.targets[name]
            running = running_of(target.tunnel, found.sas)
            shown = standing(target.tunnel, running, target.children)
            reading = Reading(*shown, counters_of(running), found.echoes.get(name))
            self.memories[name] = after(self.memories[name], reading, now, target.way.interval)


def _unknown(target: Target) -> Memory:
    now, way = datetime.now(UTC), target.way
    return begun(Carriage(way.name, way.router, target.tunnel.name, State.UNKNOWN, "", now, now))


def seconds(work: Callable[[], None]) -> float:
    """The processor time of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Print the table: medians, the ratio within each round, and the share of one core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tunnels", type=int, default=10_000)
    parser.add_argument("--routers", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = Service(fabric_of(arguments.tunnels, arguments.routers), Path(folder))
        found = [(seconds(service.read), seconds(service.probe)) for _ in range(arguments.rounds)]
    read, probed = (statistics.median(column) for column in zip(*found, strict=True))
    ratio = statistics.median(whole / part for part, whole in found)
    carrying = sum(memory.carriage.state is State.CARRYING for memory in service.memories.values())
    title = f"{arguments.tunnels:,} tunnels, {arguments.routers:,} routers"
    print(f"| {title} | median | beside reading the SAs | of one core |\n|---|---|---|---|")
    share = partial("{:.1%}".format)
    print(f"| reading the SAs alone | {read:.2f} s |  | {share(read / _INTERVAL)} |")
    print(f"| a round of probes | {probed:.2f} s | {ratio:.2f} x | {share(probed / _INTERVAL)} |")
    print(f"\n{service.visits:,} visits in the last round; {carrying:,} tunnels are carrying.")


if __name__ == "__main__":
    main()
