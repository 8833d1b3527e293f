"""`python -m bench.interruption`: what each change of a running tunnel costs, predicted and measured.

For each field: 100 packets a second each way through the tunnel that changes and through an unrelated
one, on real routers, while the change is made in three ways:

- `tunnelwright apply` (the prediction is the plan's own);
- `swanctl --load-all` at both ends, with files that hold the same change;
- the same files, then the tunnel taken down and up, which is what makes such a change take effect.

"in flight" are those of the lost packets that had left their router in an SA, as the capture of the WAN
shows. "in effect" asks charon: does the running SA match the new configuration?
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.capture import Watch
from lab.engine import find_engine
from lab.packets import Packet
from lab.proof import StreamResult
from lab.session import Lab
from lab.topology import Role, flows_of
from lab.traffic import Stream
from lab.wan import lost_in_flight
from reconciler.facets import sas
from reconciler.load import load_tree
from reconciler.model.fabric import Fabric, IdType, IkeId
from reconciler.model.plan import Disruption
from reconciler.model.router_config import IkeSa, RouterConfig, connection_name
from reconciler.observe.state import read_sas
from reconciler.operations.apply import apply
from reconciler.operations.desired import compile_fabric
from reconciler.operations.observed_plan import observed_plan
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import FOLDER, SecretStore
from reconciler.validate import validate

TREE = Path("desired_state")
ENDS = ("a-to-b", "b-to-a")
KEYS = ("site-a--site-b.psk", "site-a--site-c.psk")
KEY, NEW_KEY = "the first key of all", "the second key of all"
Change = Callable[[Fabric], Fabric]
Way = Callable[[Fabric, str], str]
"""Brings a fabric, with the key of the tunnel that changes, to the routers; what was predicted."""


def policy(section: str, **values: object) -> Change:
    """Change fields of the IKE or ESP policy at both ends."""

    def change(fabric: Fabric) -> Fabric:
        tunnels = dict(fabric.tunnels)
        for name in ENDS:
            changed: Any = replace(getattr(tunnels[name], section), **values)
            tunnels[name] = replace(tunnels[name], **{section: changed})
        return replace(fabric, tunnels=tunnels)

    return change


def identities(fabric: Fabric) -> Fabric:
    """Names in place of addresses."""
    first, second = (IkeId(IdType.FQDN, f"{name}.example") for name in ENDS)
    tunnels = dict(fabric.tunnels)
    tunnels[ENDS[0]] = replace(tunnels[ENDS[0]], local_id=first, peer_id=second)
    tunnels[ENDS[1]] = replace(tunnels[ENDS[1]], local_id=second, peer_id=first)
    return replace(fabric, tunnels=tunnels)


def one_network_more(fabric: Fabric) -> Fabric:
    """Site A's second network joins the tunnel to B."""
    tunnels = dict(fabric.tunnels)
    cidrs = (*tunnels[ENDS[0]].local_cidrs, fabric.vpc_networks["a-db"].cidr)
    tunnels[ENDS[0]] = replace(tunnels[ENDS[0]], local_cidrs=cidrs)
    tunnels[ENDS[1]] = replace(tunnels[ENDS[1]], peer_cidrs=cidrs)
    return replace(fabric, tunnels=tunnels)


def renamed(fabric: Fabric) -> Fabric:
    """The tunnel's other end gets a new name."""
    tunnels = dict(fabric.tunnels)
    tunnels["renamed"] = replace(tunnels.pop(ENDS[1]), name="renamed", previous_names=(ENDS[1],))
    tunnels[ENDS[0]] = replace(tunnels[ENDS[0]], other_end="renamed")
    return replace(fabric, tunnels=tunnels)


def same(fabric: Fabric) -> Fabric:
    """No change of the fabric: the key itself changes."""
    return fabric


@dataclass(frozen=True)
class Case:
    """One change, from `before` to `after`."""

    label: str
    after: Change
    before: Change = same
    new_key: bool = False


CASES = (
    Case("ESP encryption", policy("esp", encryption="aes-128")),
    Case("ESP integrity", policy("esp", integrity="sha512")),
    Case("PFS group", policy("esp", pfs_group=19)),
    Case("ESP lifetime", policy("esp", lifetime=1800)),
    Case("IKE encryption", policy("ike", encryption="aes-128")),
    Case("IKE DH group", policy("ike", dh_group=19)),
    Case("IKE lifetime", policy("ike", lifetime=7200)),
    Case("DPD delay", policy("ike", dpd_delay=45)),
    Case("IKE version 2 to 1", policy("ike", version=1)),
    Case("IKE version 1 to 2", same, before=policy("ike", version=1)),
    Case("pre-shared key", same, new_key=True),
    Case("identities", identities),
    Case("one CIDR more", one_network_more),
    Case("one CIDR less", same, before=one_network_more),
    Case("name", renamed),
)


@dataclass(frozen=True)
class Measured:
    """What one way of making one change cost."""

    predicted: str
    changed: tuple[StreamResult, StreamResult]
    unrelated: tuple[StreamResult, StreamResult]
    in_flight: int
    """How many of the changed tunnel's lost packets had left their router in an SA."""
    in_effect: bool

    @property
    def lost(self) -> int:
        """How many packets the changed tunnel lost, both ways."""
        return sum(result.lost for result in self.changed)


@dataclass(frozen=True)
class Run:
    """One change under load, as it was captured."""

    predicted: str
    changed: tuple[StreamResult, StreamResult]
    unrelated: tuple[StreamResult, StreamResult]
    tokens: tuple[bytes, ...]
    """What the payloads of the changed tunnel's packets begin with: one for each direction."""
    wan: list[Packet]


class Bench:
    """Three routers in a lab, and the ways of changing them."""

    def __init__(self, lab: Lab, fabric: Fabric, folder: Path) -> None:
        self.lab = lab
        self.base = fabric
        self.folder = folder
        flows = flows_of(fabric, lab.topology)
        self.changed = next(flow for flow in flows if flow.left.name == ENDS[0])
        self.unrelated = next(flow for flow in flows if flow.left.name not in ENDS)

    def store(self, key: str) -> SecretStore:
        """The keys, with this one for the tunnel that changes."""
        (self.folder / FOLDER).mkdir(exist_ok=True)
        for name, text in zip(KEYS, (key, "the key of the unrelated tunnel"), strict=True):
            path = self.folder / FOLDER / name
            path.touch(mode=0o600)
            path.write_text(text)
        return SecretStore(self.folder, {})

    def connect(self, name: str) -> Router:
        """A router of the lab."""
        return DockerRouter(self.base.routers[name], self.lab.name, self.lab.links)

    @property
    def fleet(self) -> Fleet:
        """All of them."""
        return Fleet(self.connect)

    def bring(self, fabric: Fabric, key: str) -> str:
        """tunnelwright: plan and apply; what the plan predicted for the tunnel."""
        before = observed_plan(fabric, self.store(key), self.fleet)
        predicted = max(
            (c.disruption for c in before.plan.changes), key=lambda d: d.rank, default=Disruption.NONE
        )
        applied = apply(before, self.fleet)
        if not applied.converged:
            raise SystemExit("not converged:\n" + "\n".join(applied.unfinished))
        return str(predicted)

    def load_all(self, fabric: Fabric, key: str) -> str:
        """swanctl: new files at both ends, loaded one end after the other."""
        desired = compile_fabric(fabric, self.store(key))
        for router in (self.changed.left.router, self.changed.right.router):
            self._write(router, desired[router])
            self.swanctl(router, "--load-all")
        return "not said"

    def down_up(self, fabric: Fabric, key: str) -> str:
        """The same, then the tunnel down and up."""
        self.load_all(fabric, key)
        router, name = self.changed.left.router, connection_name(self.changed.left.name)
        self.swanctl(router, "--terminate", "--ike", name)
        children = compile_fabric(fabric, self.store(key))[router].connections[name].children
        for child in children:
            # Traffic may have brought it up already, which swanctl calls a failure.
            self.swanctl(router, "--initiate", "--ike", name, "--child", child, must_succeed=False)
        return "not said"

    def swanctl(self, router: str, *words: str, must_succeed: bool = True) -> None:
        """Run swanctl on a router."""
        run = self.lab.run if must_succeed else self.lab.exec
        run(Role.ROUTER, router, ["swanctl", *words])

    def measure(self, way: Way, case: Case) -> Measured:
        """From the state before to the state after, under load."""
        self._prepare(case.before(self.base))
        old = _spis(self.running())
        run = self.under_load(way, case)
        flying = lost_in_flight(self.lab, self.changed, run.wan, run.changed)
        effect = self.in_effect(case.after(self.base), _key_after(case), old)
        return Measured(run.predicted, run.changed, run.unrelated, flying, effect)

    def _prepare(self, fabric: Fabric) -> None:
        """The state before a change. What a way without a plan has left may still be negotiating."""
        for _ in range(3):
            if apply(observed_plan(fabric, self.store(KEY), self.fleet), self.fleet).converged:
                return
        self.bring(fabric, KEY)

    def under_load(self, way: Way, case: Case) -> Run:
        """Make a change, from the state before, while packets go through both tunnels."""
        streams = [Stream(self.lab, flow) for flow in (self.changed, self.unrelated)]
        for stream in streams:
            stream.start()
            stream.wait_arriving()
            stream.reset()
        watch = Watch(self.lab, hosts=()).start()
        try:
            predicted = way(case.after(self.base), _key_after(case))
        finally:
            changed, unrelated = (stream.stop() for stream in streams)
            watch.stop()
        wan = [packet for capture in watch.wan.values() for packet in capture.packets()]
        watch.discard()
        if watch.dropped:
            raise SystemExit(f"the capture has lost {watch.dropped} packets: it shows nothing")
        return Run(predicted, changed, unrelated, streams[0].tokens, wan)

    def in_effect(self, fabric: Fabric, key: str, old: set[str]) -> bool:
        """Whether the running SAs match the new configuration, and none is left from before: a key, a
        lifetime or DPD does not show in an SA, which keeps what it was set up with."""
        config = compile_fabric(fabric, self.store(key))[self.changed.left.router]
        running = self.running()
        connection = config.connections[connection_name(self.changed.left.name)]
        stale = any(sas.stale_fields(connection, sa) for sa in running)
        return bool(running) and not stale and not old & _spis(running)

    def running(self) -> tuple[IkeSa, ...]:
        """The SAs of the tunnel that changes."""
        router = self.connect(self.changed.left.router)
        try:
            return read_sas(router.vici, connection_name(self.changed.left.name))
        finally:
            router.close()

    def _write(self, router: str, config: RouterConfig) -> None:
        found = self.connect(router)
        try:
            found.host.write_files(config.files)
        finally:
            found.close()


def _key_after(case: Case) -> str:
    return NEW_KEY if case.new_key else KEY


def _spis(running: Iterable[IkeSa]) -> set[str]:
    return {child.spi_in for sa in running for child in sa.children}


def cells(measured: Measured) -> list[str]:
    """Lost packets, those of them that were in flight, and the longest gap of the worse direction."""
    lost = f"{measured.lost} of {sum(result.sent for result in measured.changed)}"
    gap = max(result.longest_gap_ms for result in measured.changed)
    other = sum(result.lost for result in measured.unrelated)
    effect = "yes" if measured.in_effect else "**no**"
    return [lost, str(measured.in_flight), f"{gap:.0f} ms", str(other), effect]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", default=[], help="only the cases whose label holds this")
    arguments = parser.parse_args()
    fabric, _ = validate(load_tree(TREE))
    engine = find_engine(lambda line: print(line, file=sys.stderr))
    os.environ["DOCKER_HOST"] = engine.url
    ways = ("tunnelwright apply", "swanctl --load-all", "load, down, up")
    print("| change | way | predicted | lost | in flight | longest gap | lost, unrelated | in effect |")
    print("|---|---|---|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab.up(fabric, f"interruption-{os.getpid()}", engine=engine) as lab,
    ):
        bench = Bench(lab, fabric, Path(folder))
        for case in CASES:
            if arguments.case and not any(word in case.label for word in arguments.case):
                continue
            for label, way in zip(ways, (bench.bring, bench.load_all, bench.down_up), strict=True):
                measured = bench.measure(way, case)
                print(
                    f"| {case.label} | `{label}` | {measured.predicted} | {' | '.join(cells(measured))} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
