"""Captures by tcpdump in the lab's containers, started and stopped without guessing at times.

A capture runs once tcpdump says that it listens, and is whole once tcpdump has said how many packets
the kernel dropped: a proof over a capture with drops proves nothing.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.engine import until
from lab.packets import Packet, read_pcap
from lab.session import Lab
from lab.topology import LAN, WAN, Role
from reconciler.model.errors import CommandRejected

LISTEN_DEADLINE = 10.0
STOP_DEADLINE = 10.0
DROPPED = re.compile(r"^(\d+) packets? dropped by kernel", re.MULTILINE)
_numbers = count(1)


class _Running(ABC):
    """What runs while its context lives."""

    @abstractmethod
    def start(self) -> Self:
        """Returns when it runs."""

    @abstractmethod
    def stop(self) -> None:
        """Returns when it has ended."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Capture(_Running):
    """One tcpdump on one interface of one container. A context manager; packets stay readable after."""

    def __init__(self, lab: Lab, role: Role, name: str, interface: str, *, incoming: bool = False) -> None:
        """`incoming` leaves out what the container itself sends."""
        self._lab = lab
        self._role = role
        self._name = name
        self.interface = interface
        self._incoming = incoming
        stem = f"{role}-{name}-{interface}-{next(_numbers)}"
        self.pcap = lab.spool / f"{stem}.pcap"
        self._said = lab.spool / f"{stem}.err"
        self._pid = lab.spool / f"{stem}.pid"
        self.dropped: int | None = None
        """Packets that the kernel dropped; None until the capture is stopped."""

    def start(self) -> Self:
        """Returns when tcpdump listens. Raises `CommandRejected` when it does not."""
        script = resources.files("lab").joinpath("capture.sh").read_text("utf-8")
        direction = "in" if self._incoming else "inout"
        words = ["sh", "-c", script, "capture", f"/spool/{self.pcap.stem}", self.interface, direction]
        with self._lab.engine.connect() as client:
            made = client.exec_create(self._lab.container(self._role, self._name), words)
            client.exec_start(made["Id"], detach=True)
        if not until(lambda: "listening on" in _text(self._said), LISTEN_DEADLINE, poll=0.01):
            raise CommandRejected(
                f"tcpdump does not start on {self.interface} of {self._role} {self._name}:"
                f" {_text(self._said).strip()[-300:]}",
                operation="capture",
            )
        return self

    def stop(self) -> None:
        """Flush and end; nothing happens when it has ended. Raises `CommandRejected`."""
        if self.dropped is not None:
            return
        pid = _text(self._pid).strip()
        self._lab.exec(self._role, self._name, ["kill", "-INT", pid])
        if not until(lambda: DROPPED.search(_text(self._said)) is not None, STOP_DEADLINE, poll=0.01):
            raise CommandRejected(f"tcpdump on {self.interface} does not end", operation="capture")
        found = DROPPED.search(_text(self._said))
        self.dropped = int(found[1]) if found else 0

    def packets(self) -> list[Packet]:
        """What has been captured so far, in order."""
        return list(read_pcap(self.pcap.read_bytes())) if self.pcap.exists() else []

    def wait_for(self, condition: Callable[[list[Packet]], bool], timeout: float) -> bool:
        """Whether the captured packets meet the condition within `timeout` seconds."""
        return until(lambda: condition(self.packets()), timeout)


class Watch(_Running):
    """All public networks and the hosts' interfaces of a lab, captured together."""

    def __init__(self, lab: Lab, hosts: Iterable[str] | None = None) -> None:
        """`hosts` names VPC networks; by default all of the lab."""
        wire = lab.name
        self.wan = {
            network: Capture(lab, Role.WIRE, wire, lab.topology.bridge(WAN, network))
            for network in lab.topology.networks(WAN)
        }
        names = lab.topology.networks(LAN) if hosts is None else tuple(dict.fromkeys(hosts))
        self.hosts = {name: Capture(lab, Role.HOST, name, "eth0") for name in names}

    @property
    def captures(self) -> tuple[Capture, ...]:
        """Every capture, WANs first."""
        return (*self.wan.values(), *self.hosts.values())

    @property
    def dropped(self) -> int:
        """Packets that the kernel dropped, of all captures that have ended."""
        return sum(capture.dropped or 0 for capture in self.captures)

    def start(self) -> Self:
        """Returns when all listen. When one does not, the others are stopped and it raises."""
        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(Capture.start, self.captures))
        except BaseException:
            for capture in self.captures:
                if capture.pcap.exists():
                    capture.stop()
            raise
        return self

    def stop(self) -> None:
        """Flush and end all."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Capture.stop, self.captures))

    def keep(self, folder: Path) -> list[Path]:
        """Copy all capture files into a folder, made if it is missing; the copies."""
        folder.mkdir(parents=True, exist_ok=True)
        copies = []
        for capture in self.captures:
            copy = folder / capture.pcap.name
            copy.write_bytes(capture.pcap.read_bytes())
            copies.append(copy)
        return copies

    def discard(self) -> None:
        """Remove all capture files; the packets are gone."""
        for capture in self.captures:
            capture.pcap.unlink(missing_ok=True)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
