"""Packets that the lab sends: made here with scapy, sent from the containers at a steady pace.

Every packet carries a payload of its own: the batch's token, a number, and random bytes. So each one is
recognised wherever it shows up, and a token that is seen in the clear is a leak.
"""

from __future__ import annotations

import json
import secrets
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from scapy.layers.inet import IP, UDP

from lab.capture import Capture
from lab.packets import Packet
from lab.proof import Probe, StreamResult, stream_result
from lab.session import Lab
from lab.topology import Flow, Role
from reconciler.model.errors import CommandRejected

TOKEN_BYTES = 16
RANDOM_BYTES = 32
DYNAMIC_PORTS = 49_152
"""RFC 6335: the first of 16,384 dynamic ports."""
DISCARD_PORT = 9
"""RFC 863. Hosts of the lab discard it in their firewall: an ICMP error would carry payloads back."""
DEFAULT_RATE = 100.0
SENDER = "/usr/local/lib/tunnelwright/send.py"
STREAM_LIMIT = 600.0
"""Seconds after which a background stream ends by itself."""
DRAIN = 2.0
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Batch:
    """Probes in the order of sending. All payloads begin with the token."""

    token: bytes
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class SendReport:
    """What the sender says: how many packets the kernel took and refused, and when (epoch seconds)."""

    sent: int
    errors: int
    started: float
    ended: float
    first_error: str = ""


def make_batch(source: str, destination: str, number: int, *, ttl: int = 64) -> Batch:
    """`number` UDP packets with unique random payloads.

    The source port is random: a flow that the routers already track keeps its old NAT decision, so a
    known port would prove what held before. The header is scapy's, equal for all and without a UDP
    checksum (RFC 768 allows 0), so that thousands cost no more than their random bytes.
    """
    token = secrets.token_bytes(TOKEN_BYTES)
    size = TOKEN_BYTES + 4 + RANDOM_BYTES
    template = IP(src=source, dst=destination, ttl=ttl, id=0, flags="DF") / UDP(
        sport=DYNAMIC_PORTS + secrets.randbelow(16_384), dport=DISCARD_PORT, chksum=0
    )
    header = bytes(template / (b"\0" * size))[:28]
    payloads = (
        token + struct.pack("!I", index) + secrets.token_bytes(RANDOM_BYTES) for index in range(number)
    )
    return Batch(token, tuple(Probe(source, destination, p, header + p) for p in payloads))


def send(
    lab: Lab,
    role: Role,
    name: str,
    packets: Sequence[bytes],
    *,
    rate: float = DEFAULT_RATE,
    interface: str = "",
    stem: str = "",
) -> SendReport:
    """Send IPv4 datagrams from a container, or whole frames when an interface is named; wait for the end.

    `stem` names the file of packets in the spool, and so marks the sender's command line. Raises
    `CommandRejected` when the sender itself fails; packets that the kernel refuses are counted.
    """
    file = lab.spool / f"{stem or f'send-{next(_numbers)}'}.bin"
    file.write_bytes(b"".join(struct.pack("!I", len(p)) + p for p in packets))
    mode = "l2" if interface else "l3"
    command = ["python3", SENDER, mode, f"/spool/{file.name}", str(rate), *([interface] if interface else [])]
    try:
        said = lab.run(role, name, command)
    finally:
        file.unlink()
    return SendReport(**json.loads(said.splitlines()[-1]))


class Stream:
    """Steady traffic in both directions of a flow while something else happens.

    start() returns when packets are on their way; stop() gives one result for each direction.
    """

    def __init__(
        self, lab: Lab, flow: Flow, *, rate: float = DEFAULT_RATE, limit: float = STREAM_LIMIT
    ) -> None:
        self._lab = lab
        self._ways = tuple(
            Way(lab, here, there, make_batch(source, destination, int(rate * limit)), rate)
            for here, there, source, destination in (
                (flow.left_host, flow.right_host, flow.left_address, flow.right_address),
                (flow.right_host, flow.left_host, flow.right_address, flow.left_address),
            )
        )

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """Tokens of both directions, for the search for cleartext."""
        return tuple(way.batch.token for way in self._ways)

    def start(self) -> None:
        """Returns when both directions have sent; whether anything arrives is the result's business."""
        for way in self._ways:
            way.start()

    def wait_arriving(self, timeout: float = 20.0) -> bool:
        """Whether packets that count arrive at both ends within `timeout` seconds: a warm-up for negotiation,
        or, after a `reset`, a measurement that has begun."""
        return all(way.wait_arriving(timeout) for way in self._ways)

    def reset(self) -> None:
        """Count from now on: what was sent before, as during a warm-up, is left out of the results."""
        for way in self._ways:
            way.reset()

    def stop(self) -> tuple[StreamResult, StreamResult]:
        """End both directions, wait for stragglers, and count."""
        left, right = (way.stop() for way in self._ways)
        return left, right


class Way:
    """Steady traffic in one direction, between hosts of the VPC networks `here` and `there`."""

    def __init__(self, lab: Lab, here: str, there: str, batch: Batch, rate: float) -> None:
        self.batch = batch
        self._lab = lab
        self._here = here
        self._rate = rate
        self._label = f"{batch.probes[0].source} -> {batch.probes[0].destination}"
        self._sender = Capture(lab, Role.HOST, here, "eth0")
        self._far = Capture(lab, Role.HOST, there, "eth0", incoming=True)
        self._failure: CommandRejected | None = None
        self._since = 0.0
        self._thread = threading.Thread(target=self._send, daemon=True)

    def start(self) -> None:
        """Returns when it has sent."""
        self._far.start()
        self._sender.start()
        self._thread.start()
        if not self._sender.wait_for(lambda packets: bool(self._mine(packets)), 10.0):
            raise CommandRejected(
                f"the stream {self._label} does not start: {self._failure}", operation="send"
            )

    def wait_arriving(self, timeout: float) -> bool:
        """Whether packets that count arrive within `timeout` seconds."""
        return self._far.wait_for(
            lambda packets: not {p.payload for p in self._sent()}.isdisjoint(p.payload for p in packets),
            timeout,
        )

    def arrival(self, moment: float, timeout: float) -> float | None:
        """When the first packet arrived after a moment (epoch seconds); None if none did within `timeout`
        seconds."""

        def later(packets: list[Packet]) -> list[float]:
            return [packet.time for packet in self._mine(packets) if packet.time > moment]

        self._far.wait_for(lambda packets: bool(later(packets)), timeout)
        return min(later(self._far.packets()), default=None)

    def reset(self) -> None:
        """Count from now on."""
        self._since = self._mine(self._sender.packets())[-1].time

    def stop(self) -> StreamResult:
        """End it, wait for stragglers, and count."""
        self._lab.exec(Role.HOST, self._here, ["pkill", "-TERM", "-f", self.batch.token.hex()])
        self._thread.join(30.0)
        if self._failure:
            raise self._failure
        self._sender.stop()
        sent = self._sent()
        last = {p.payload for p in sent[-1:]}
        self._far.wait_for(lambda packets: last <= {p.payload for p in packets}, DRAIN)
        self._far.stop()
        return stream_result(self._label, sent, self._mine(self._far.packets()))

    def _send(self) -> None:
        packets = [probe.ip for probe in self.batch.probes]
        try:
            send(self._lab, Role.HOST, self._here, packets, rate=self._rate, stem=self.batch.token.hex())
        except CommandRejected as error:
            self._failure = error

    def _sent(self) -> list[Packet]:
        """What was sent since the reset."""
        return [p for p in self._mine(self._sender.packets()) if p.time > self._since]

    def _mine(self, packets: list[Packet]) -> list[Packet]:
        return [p for p in packets if p.payload.startswith(self.batch.token)]
