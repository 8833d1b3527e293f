"""`python -m bench.recovery`: how long a tunnel is down after one of its ends was, or the link between them.

Real routers of a lab with a tunnel between two managed ends, or with a peer that only answers. Packets go in
one direction, 50 a second, so that nothing but the routers themselves can bring the tunnel up from the other
side; then something dies. The seconds count from the moment at which both ends and the link are back (charon
answers and has loaded its files) to the first packet that arrives. "SAs" is the largest number of CHILD_SAs
that one end is left with: one, if nothing has piled up.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from bench.interruption import KEY, TREE, Bench, policy
from bench.router import on_router
from lab.engine import find_engine, until
from lab.session import Lab
from lab.topology import DEFAULT_RELEASE, RELEASES, Role
from lab.traffic import Way, make_batch
from reconciler.facets.sas import agreement
from reconciler.load import load_tree
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import GIVE_UP_AFTER, connection_name
from reconciler.observe.state import read_sas
from reconciler.validate import validate

RATE = 50.0
DEADLINE = 90.0
"""Seconds after which a tunnel counts as one that does not come back."""
SETTLED = 15.0
"""Seconds until charon has ended the older one of two IKE_SAs (ten), and some more."""
DPD_DELAY = 3
ACTIONS = ("restart", "trap", "clear")
CUT_SHORT, CUT_LONG = 2.0, 20.0
"""Seconds without a link: less than charon waits for an answer, and more than DPD needs to find it out."""

INITIATOR, RESPONDER, ANSWERS_ONLY = "initiating end", "answering end", "peer that only answers"


@dataclass(frozen=True)
class Case:
    """What dies, and how; `seconds` are those of a cut."""

    who: str
    how: str
    seconds: float = 0.0
    quick: bool = False
    """Whether a dead peer shall be found out as soon as can be: DPD each second, given up after one."""


CASES = (
    Case(INITIATOR, "charon killed"),
    Case(RESPONDER, "charon killed"),
    Case(INITIATOR, "charon stopped"),
    Case(RESPONDER, "charon stopped"),
    Case(INITIATOR, "power lost"),
    Case(RESPONDER, "power lost"),
    Case("both ends", "charon killed"),
    Case("link", "cut", CUT_SHORT),
    Case("link", "cut", CUT_LONG),
    Case(ANSWERS_ONLY, "charon killed"),
    Case(ANSWERS_ONLY, "charon killed, quick DPD", quick=True),
    Case(ANSWERS_ONLY, "charon killed, away", CUT_LONG),
)


@dataclass(frozen=True)
class Recovered:
    """Seconds until packets arrived again, for each direction; None where they did not. The largest number of
    CHILD_SAs that an end was left with."""

    seconds: tuple[float | None, ...]
    sas: int


class Recovery(Bench):
    """The lab, and the ways in which it breaks."""

    def measure_recovery(
        self, case: Case, fabric: Fabric, directions: Sequence[bool] = (False, True)
    ) -> Recovered:
        """Each direction alone: from the initiating end (False) and to it (True)."""
        seconds: list[float | None] = []
        most = 0
        for turned in directions:
            self.bring(fabric, KEY)
            if case.who == ANSWERS_ONLY:
                self._only_answer()
            way = self._way(turned=turned)
            way.start()
            if not way.wait_arriving(DEADLINE):
                raise SystemExit(f"{case}: nothing arrives before anything has happened")
            back = self._break(case)
            arrived = way.arrival(back, DEADLINE)
            seconds.append(None if arrived is None else arrived - back)
            until(lambda: self._most() == 1, SETTLED)
            most = max(most, self._most())
            way.stop()
        return Recovered(tuple(seconds), most)

    def _way(self, *, turned: bool) -> Way:
        flow = self.changed
        here, there = (flow.left_host, flow.left_address), (flow.right_host, flow.right_address)
        if turned:
            here, there = there, here
        batch = make_batch(here[1], there[1], int(RATE * 3 * DEADLINE))
        return Way(self.lab, here[0], there[0], batch, RATE)

    def _break(self, case: Case) -> float:
        """Let it happen; when both ends and the link were back (epoch seconds)."""
        left, right = self.changed.left.router, self.changed.right.router
        if case.who == "link":
            with self.unplugged(left):
                time.sleep(case.seconds)
        elif case.how == "power lost":
            self.lab.power_loss(left if case.who == INITIATOR else right)
        elif case.seconds:
            with self.unplugged(right):
                self.restart([right], "KILL")
                time.sleep(case.seconds)
        else:
            routers = {INITIATOR: [left], "both ends": [left, right]}.get(case.who, [right])
            self.restart(routers, "KILL" if "killed" in case.how else "TERM")
        return time.time()

    def restart(self, routers: list[str], signal: str) -> None:
        """End charon, which the lab's supervisor starts again; returns when all have loaded their files."""
        before = {name: self._charon(name) for name in routers}
        for name, pid in before.items():
            self.lab.run(Role.ROUTER, name, ["kill", f"-{signal}", pid])
        for name, pid in before.items():
            if not until(lambda n=name, p=pid: self._charon(n) not in {"", p}, DEADLINE):  # type: ignore[misc]
                raise SystemExit(f"charon of {name} does not come back")
            self.lab.wait_ready(name)

    def _charon(self, router: str) -> str:
        return self.lab.exec(Role.ROUTER, router, ["pidof", "charon-systemd"]).stdout.strip()

    @contextmanager
    def unplugged(self, router: str) -> Iterator[None]:
        """The router's cable to the public network hangs out of the switch; its own end keeps its carrier."""
        node = self.lab.topology.node(Role.ROUTER, router)
        port = node.port_in(self.changed.left.vip.public_network)
        cable = ["ip", "link", "set", port.wire_name]
        self.lab.run(Role.WIRE, self.lab.name, [*cable, "nomaster"])
        try:
            yield
        finally:
            self.lab.run(Role.WIRE, self.lab.name, [*cable, "master", port.bridge])

    def _only_answer(self) -> None:
        """The managed peer becomes one that never begins anything, as many devices are set up."""
        right = self.changed.right
        file = f"/etc/swanctl/conf.d/{connection_name(right.name)}.conf"
        on_router(self.lab, right.router, "passive", file)

    def _most(self) -> int:
        """The largest number of CHILD_SAs that an end holds and uses."""
        counts = []
        for end in (self.changed.left, self.changed.right):
            with self.connect(end.router) as router:
                counts.append(len(agreement.installed(read_sas(router.vici, connection_name(end.name)))))
        return max(counts)


def wanted(fabric: Fabric, case: Case, version: int, action: str) -> Fabric:
    """The fabric with the settings of a case."""
    delay = 1 if case.quick else DPD_DELAY
    routers = {
        name: replace(router, give_up_after=1 if case.quick else GIVE_UP_AFTER)
        for name, router in fabric.routers.items()
    }
    changed = policy("ike", version=version, dpd_action=action, dpd_delay=delay)(fabric)
    return replace(changed, routers=routers)


def cells(found: Recovered) -> list[str]:
    """The seconds of both directions, and the number of CHILD_SAs."""
    words = ("not at all" if seconds is None else f"{seconds:.1f}" for seconds in found.seconds)
    return [*words, str(found.sas)]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", default=[], help="only the cases whose words hold this")
    parser.add_argument("--version", action="append", type=int, choices=(1, 2), help="only this IKE version")
    parser.add_argument("--action", action="append", choices=ACTIONS, help="only this DPD action")
    parser.add_argument("--release", choices=RELEASES, default=DEFAULT_RELEASE, help="Debian's, of both ends")
    arguments = parser.parse_args()
    fabric, _ = validate(load_tree(TREE))
    engine = find_engine(lambda line: print(line, file=sys.stderr))
    os.environ["DOCKER_HOST"] = engine.url
    print("| who | how | IKE | DPD action | data plane | s, from the initiating end | s, to it | SAs |")
    print("|---|---|---|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab.up(
            fabric,
            f"recovery-{os.getpid()}",
            engine=engine,
            releases=dict.fromkeys(fabric.routers, arguments.release),
        ) as lab,
    ):
        bench = Recovery(lab, fabric, Path(folder))
        for case, version, action in product(CASES, arguments.version or (2, 1), arguments.action or ACTIONS):
            words = f"{case.who}, {case.how}"
            if arguments.case and not any(part in words for part in arguments.case):
                continue
            found = bench.measure_recovery(case, wanted(fabric, case, version, action))
            how = f"{case.how} {case.seconds:g} s" if case.seconds else case.how
            row = [case.who, how, f"v{version}", action, lab.data_plane, *cells(found)]
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
