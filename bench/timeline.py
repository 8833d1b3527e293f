"""`python -m bench.timeline`: draws what one change does to a running tunnel, packet by packet.

100 packets a second go each way through a tunnel while its ESP encryption is changed, once by `tunnelwright
apply` and once by loading new files with swanctl and taking the tunnel down and up. Every packet is looked
up in the capture of the WAN and opened, which shows the SA that carried it. Moments come from the commands
as they are given, and from charon's own `child-updown` events. Both ways are run several times; the run with
the median loss is drawn, and the losses of all are printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event as EventType
from pathlib import Path

from bench.interruption import CASES, KEY, TREE, Bench, Case, Way
from bench.timeline_svg import Moment, Panel, Sent, drawing
from lab.charon import session
from lab.engine import find_engine
from lab.session import Lab
from lab.wan import esp_between, open_esp
from reconciler.load import load_tree
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.router_config import connection_name
from reconciler.routers.protocol import Closing, Host, Message, Router, Vici, ViciEvent
from reconciler.validate import validate

PICTURE = Path("docs/images/make-before-break-timeline.svg")
COMMANDS = {"load-conn": "load", "initiate": "initiate", "terminate": "terminate"}
"""VICI's commands, and swanctl's options without their dashes, that make a moment."""
CASE = "ESP encryption"
RUNS = 5
READY = 20.0
"""Seconds until a process that listens to charon has to have said so."""
AFTER = 0.5
"""Seconds for which traffic goes on after the change: the panels are as wide as the longest of them."""
EDGE = 0.1
"""Seconds that are shown before the first moment and after the last."""


class Clock:
    """Collects moments from several threads."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []

    def note(self, text: str) -> None:
        """Something happens now."""
        self.moments.append(Moment(time.time(), text))


class TimedVici:
    """A session with charon that notes the commands which change something."""

    def __init__(self, inner: Vici, router: str, clock: Clock) -> None:
        self._inner, self._router, self._clock = inner, router, clock

    def request(self, command: str, message: Message | None = None) -> Message:
        """Pass a command on."""
        self._note(command)
        return self._inner.request(command, message)

    def stream(self, command: str, event: str, message: Message | None = None) -> Iterator[Message]:
        """Pass a command on."""
        self._note(command)
        return self._inner.stream(command, event, message)

    def subscribe(self, *events: str) -> frozenset[str]:
        """Pass a subscription on."""
        return self._inner.subscribe(*events)

    def next_event(self, pause: float) -> ViciEvent | None:
        """Pass an event on."""
        return self._inner.next_event(pause)

    def _note(self, command: str) -> None:
        if command in COMMANDS:
            self._clock.note(f"{COMMANDS[command]} at {self._router}")


@dataclass(frozen=True)
class TimedRouter(Closing):
    """A router whose commands are noted."""

    name: str
    vici: Vici
    host: Host
    inner: Router

    def close(self) -> None:
        """Close the router itself."""
        self.inner.close()


class TimedBench(Bench):
    """The ways of changing routers, with every command noted."""

    clock = Clock()

    def connect(self, name: str) -> Router:
        """A router of the lab."""
        inner = super().connect(name)
        return TimedRouter(name, TimedVici(inner.vici, name, self.clock), inner.host, inner)

    def swanctl(self, router: str, *words: str, must_succeed: bool = True) -> None:
        """Run swanctl on a router."""
        self.clock.note(f"{words[0].strip('-').partition('-')[0]} at {router}")
        super().swanctl(router, *words, must_succeed=must_succeed)

    def panel(self, title: str, way: Way, case: Case) -> Panel:
        """Make the change under load, and find for every packet the SA that carried it."""
        self.bring(case.before(self.base), KEY)
        ends = (self.changed.left, self.changed.right)

        def noted(fabric: Fabric, key: str) -> str:
            self.clock = Clock()
            predicted = way(fabric, key)
            time.sleep(AFTER)
            return predicted

        with self.following(ends):
            run = self.under_load(noted, case)
        esp = esp_between(run.wan, ends[0].vip.address, ends[1].vip.address)
        addresses = (self.changed.left_address, self.changed.right_address)
        lost = {packet.payload for result in run.changed for packet in result.missing}
        seen: tuple[list[int], list[int]] = ([], [])
        packets, carried = [], set()
        for opened in open_esp(self.lab, (end.router for end in ends), esp):
            inner = opened.inner
            if inner is None or not inner.payload.startswith(run.tokens):
                continue
            way_of = addresses.index(inner.source)
            if opened.esp.spi not in seen[way_of]:
                seen[way_of].append(opened.esp.spi)
            number = seen[way_of].index(opened.esp.spi)
            packets.append(Sent(inner.time, way_of, number, inner.payload not in lost))
            carried.add(inner.payload)
        packets += [
            Sent(packet.time, addresses.index(packet.source), None, arrived=False)
            for result in run.changed
            for packet in result.missing
            if packet.payload not in carried
        ]
        a, b = (end.router for end in ends)
        return Panel(title, (f"{a} → {b}", f"{b} → {a}"), tuple(packets), tuple(self.clock.moments))

    @contextmanager
    def following(self, ends: Iterable[Tunnel]) -> Iterator[None]:
        """Note when charon installs and deletes CHILD_SAs of these tunnel ends.

        By processes of their own, which are not kept from the clock by what this one is doing.
        """
        context = multiprocessing.get_context("spawn")
        done, said = context.Event(), context.Queue()
        listeners = [
            context.Process(
                target=_follow,
                args=(self.lab.vici_socket(end.router), connection_name(end.name), end.router, done, said),
            )
            for end in ends
        ]
        try:
            for listener in listeners:
                listener.start()
            for _ in listeners:
                said.get(timeout=READY)
            yield
        finally:
            done.set()
            for listener in listeners:
                listener.join()
        while not said.empty():
            self.clock.moments.append(said.get(timeout=READY))


def _follow(path: Path, connection: str, router: str, done: EventType, said: Queue[Moment | None]) -> None:
    """Report the connection's CHILD_SAs as they come and go; a None first says that this listens."""
    with session(path) as vici:
        ready = False
        for event, message in vici.listen(["child-updown"], timeout=0.1):
            if not ready:
                said.put(None)
                ready = True
            if event and connection in message:
                what = "new SA" if message.get("up") == b"yes" else "old SA gone"
                said.put(Moment(time.time(), f"{what} at {router}"))
            if done.is_set():
                return


def main() -> None:
    """Measure, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PICTURE, help="the SVG file (%(default)s)")
    arguments = parser.parse_args()
    fabric, _ = validate(load_tree(TREE))
    engine = find_engine(lambda line: print(line, file=sys.stderr))
    os.environ["DOCKER_HOST"] = engine.url
    case = next(case for case in CASES if case.label == CASE)
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab.up(fabric, f"timeline-{os.getpid()}", engine=engine) as lab,
    ):
        bench = TimedBench(lab, fabric, Path(folder))
        drawn = []
        for title, way in (
            ("tunnelwright apply: the new SA comes up beside the old one", bench.bring),
            ("swanctl: load the new files, take the tunnel down and up", bench.down_up),
        ):
            panels = sorted((bench.panel(title, way, case) for _ in range(RUNS)), key=lambda p: p.lost)
            print(f"{title}: {', '.join(str(panel.lost) for panel in panels)} packets lost", flush=True)
            drawn.append(panels[RUNS // 2])
    arguments.out.write_text(drawing(drawn, EDGE), encoding="utf-8")


if __name__ == "__main__":
    main()
