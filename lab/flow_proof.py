"""The proof of one pair of hosts: sends, captures, opens, injects, and checks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from lab.capture import Watch
from lab.charon import ReportedSa, initiate, negotiates, reported_sas, take_down
from lab.engine import until
from lab.esp import Opened
from lab.packets import EspPacket, Packet
from lab.proof import (
    Probe,
    delivered,
    esp_content,
    flipped,
    negative_control,
    not_carried,
    outer_addresses,
    rejected,
    sequence_numbers,
    spis_agree,
)
from lab.session import Lab
from lab.topology import Flow, Role
from lab.traffic import Batch, make_batch, send
from lab.wan import ARRIVAL, BYSTANDER_INTERFACE, bystander_mac, esp_between, open_esp
from reconciler.model.outcome import Check

QUIET = 1.5
"""Seconds to wait for what must not arrive, where nothing that must arrive can mark the end."""
WARM_UP = 30.0
REST = 10.0
"""Seconds for what the warm-up has begun: an SA that comes up later may take the first one with it."""
WARM_UPS_LOST = 3
"""Warm-up packets that may get lost before one end has to initiate."""
MULTICAST = ("224.0.0.251", "239.255.12.34")
LIMITED_BROADCAST = "255.255.255.255"


@dataclass(frozen=True, slots=True)
class FlowReport:
    """What was found for one pair of hosts."""

    label: str
    tunnels: tuple[str, str]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)


@dataclass(slots=True)
class _Sent:
    """Everything that one flow's proof has sent."""

    tokens: list[bytes] = field(default_factory=list)
    warm_up: list[bytes] = field(default_factory=list)


class FlowProof:
    """The proof of one flow. `run` does all of it; the steps can be called one by one too."""

    def __init__(self, lab: Lab, flow: Flow, watch: Watch, *, packets: int = 50, rate: float = 100.0) -> None:
        self._lab = lab
        self._flow = flow
        self._packets = packets
        self._rate = rate
        self._network = flow.left.vip.public_network
        self._wan = watch.wan[self._network]
        self._near, self._far = watch.hosts[flow.left_host], watch.hosts[flow.right_host]
        self._routers = (flow.left.router, flow.right.router)
        self._vips = (flow.left.vip.address, flow.right.vip.address)
        self._attacker = bystander_mac(lab, self._network)
        self._since = 0
        self._sent = _Sent()

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """Tokens of all that was sent through the tunnel, for the search for cleartext."""
        return tuple(self._sent.tokens)

    def run(self, *, negative: bool = True) -> FlowReport:
        """All checks, in an order in which none disturbs another."""
        checks = [self.prove_negative()] if negative else []
        self._since = len(self._wan.packets())
        if self.warm_up():
            until(self._at_rest, REST)
            checks += self.prove_delivery(from_one=negative)
            checks += self.prove_not_carried()
            checks += self.prove_rejection()
        else:
            checks.append(Check("tunnel carries", False, f"nothing arrived within {WARM_UP:.0f} s"))
        flow = self._flow
        return FlowReport(flow.label, (flow.left.name, flow.right.name), tuple(checks))

    def take_down(self) -> None:
        """Unload the tunnel's connections at both ends and end their SAs; the files stay."""
        for router, (local, remote) in zip(self._routers, (self._vips, self._vips[::-1]), strict=True):
            take_down(self._lab.vici_socket(router), local, remote)

    def bring_back(self) -> None:
        """Load the connections from the routers' files again."""
        for router in self._routers:
            self._lab.run(Role.ROUTER, router, ["swanctl", "--load-all"])

    def prove_negative(self) -> Check:
        """Tunnel down: the same packets do not arrive, and nothing of them is on the WAN."""
        self.take_down()
        try:
            batch = self._batch(self._packets)
            wan_before = len(self._wan.packets())
            self._send_left(batch)
            self._far.wait_for(lambda packets: _all_in(batch.probes, packets), QUIET)
            return negative_control(
                batch.probes, self._near.packets(), self._far.packets(), self._wan.packets()[wan_before:]
            )
        finally:
            self.bring_back()

    def warm_up(self, timeout: float = WARM_UP) -> bool:
        """Send until packets arrive in both directions: the first ones may only start a negotiation.

        Whenever none has arrived after a few, one end has to initiate: strongSwan's userspace data plane
        does not ask again for 10 s after a refusal, as when the other end was not loaded yet, and that of
        5.9.8 never asks.
        """
        deadline = time.monotonic() + timeout
        for backwards in (False, True):
            sent: list[Probe] = []
            while not self._one_arrives(sent, backwards=backwards):
                if time.monotonic() > deadline:
                    return False
                if len(sent) % WARM_UPS_LOST == 0:
                    initiate(self._lab.vici_socket(self._routers[0]), *self._vips)
        return True

    def _one_arrives(self, sent: list[Probe], *, backwards: bool) -> bool:
        """Send one more, and see whether any has arrived: on a busy machine one may take longer than the next
        one waits for."""
        batch = self._batch(1, backwards=backwards)
        sent += batch.probes
        self._sent.warm_up.append(batch.token)
        (self._send_right if backwards else self._send_left)(batch)
        target = self._near if backwards else self._far
        wanted = {probe.payload for probe in sent}
        return target.wait_for(lambda packets: any(p.payload in wanted for p in packets), 0.5)

    def prove_delivery(self, *, from_one: bool = True) -> list[Check]:
        """Packets both ways, and what the WAN's capture says of them."""
        there, back = self._batch(self._packets), self._batch(self._packets, backwards=True)
        before = len(self._esp())
        self._send_left(there)
        self._send_right(back)
        self._far.wait_for(lambda packets: _all_in(there.probes, packets), ARRIVAL)
        self._near.wait_for(lambda packets: _all_in(back.probes, packets), ARRIVAL)
        self._caught_up((*there.probes, *back.probes), before)
        reported = self._reported()
        esp = self._esp()
        opened = open_esp(self._lab, self._routers, esp)
        left, right = self._flow.left_address, self._flow.right_address
        return [
            delivered(f"{left} -> {right}", there.probes, self._far.packets()),
            delivered(f"{right} -> {left}", back.probes, self._near.packets()),
            esp_content((*there.probes, *back.probes), opened, also=self._sent.warm_up),
            outer_addresses(esp, *self._vips),
            spis_agree(esp, *reported),
            sequence_numbers(esp, from_one=from_one),
        ]

    def prove_not_carried(self) -> list[Check]:
        """Multicast and broadcast from the left host; a unicast packet after them marks the end."""
        flow = self._flow
        local = next(p for p in self._lab.topology.node(Role.HOST, flow.left_host).ports).addresses[0]
        kinds = {
            "multicast not carried": MULTICAST,
            "broadcast not carried": (LIMITED_BROADCAST, _broadcast(local)),
            "directed broadcast not carried": tuple(_broadcast(c) for c in flow.left.peer_cidrs),
        }
        probes: dict[str, list[Probe]] = {}
        for name, destinations in kinds.items():
            batches = [self._batch(5, destination=destination) for destination in destinations]
            probes[name] = [probe for batch in batches for probe in batch.probes]
            for batch in batches:
                self._send_left(batch)
        marked = self._marker()
        near, far = self._near.packets(), self._far.packets()
        opened = open_esp(self._lab, self._routers, self._esp())
        return [
            not_carried(name, sent, near, far, opened, marker_arrived=marked) for name, sent in probes.items()
        ]

    def prove_rejection(self) -> list[Check]:
        """An attacker on the WAN replays, tampers and forges; none of it reaches the far host."""
        batch, so_far = self._batch(1), len(self._esp())
        self._send_left(batch)
        self._far.wait_for(lambda packets: _all_in(batch.probes, packets), ARRIVAL)
        self._caught_up(batch.probes, so_far)
        payload = batch.probes[0].payload
        before = sum(p.payload == payload for p in self._far.packets())
        opened = open_esp(self._lab, self._routers, self._esp())
        original = next((o.esp for o in opened if o.inner and o.inner.payload == payload), None)
        if original is None or not before:
            return [Check("attacks rejected", False, self._lost_on_the_way(batch, opened))]
        forged = make_batch(self._flow.left_address, self._flow.right_address, 5)
        header = original.packet.frame[:12] + b"\x08\x00"
        attacks = {
            "replay rejected": ([original.packet.frame] * 3, payload, before),
            "tampering rejected": ([flipped(original)] * 3, payload, before),
            "forged cleartext rejected": (
                [header + probe.ip for probe in forged.probes[:1]] * 3,
                forged.probes[0].payload,
                0,
            ),
        }
        checks = []
        for name, (frames, inner, count) in attacks.items():
            # The attacker's own source address: with the router's, the bridge would learn a wrong port.
            injected = [frame[:6] + self._attacker + frame[12:] for frame in frames]
            send(
                self._lab,
                Role.BYSTANDER,
                self._network,
                injected,
                rate=self._rate,
                interface=BYSTANDER_INTERFACE,
            )
            marked = self._marker()
            checks.append(
                rejected(
                    name,
                    injected,
                    self._wan.packets(),
                    self._far.packets(),
                    inner_payload=inner,
                    before=count,
                    marker_arrived=marked,
                )
            )
        return checks

    def _batch(self, number: int, *, backwards: bool = False, destination: str = "") -> Batch:
        ends = (self._flow.left_address, self._flow.right_address)
        source, target = ends[::-1] if backwards else ends
        batch = make_batch(source, destination or target, number)
        self._sent.tokens.append(batch.token)
        return batch

    def _send_left(self, batch: Batch) -> None:
        send(self._lab, Role.HOST, self._flow.left_host, [p.ip for p in batch.probes], rate=self._rate)

    def _send_right(self, batch: Batch) -> None:
        send(self._lab, Role.HOST, self._flow.right_host, [p.ip for p in batch.probes], rate=self._rate)

    def _marker(self) -> bool:
        """Whether a packet that follows all others has arrived, and is in the captures."""
        batch, so_far = self._batch(1), len(self._esp())
        self._sent.warm_up.append(batch.token)
        self._send_left(batch)
        arrived = self._far.wait_for(lambda packets: _all_in(batch.probes, packets), ARRIVAL)
        return self._caught_up(batch.probes, so_far) and arrived

    def _caught_up(self, probes: tuple[Probe, ...], before: int) -> bool:
        """Wait until the captures of the WAN and of both hosts have these packets: other processes write
        them, on a busy machine later than that of the host where they arrive. Before them there were that
        many ESP packets."""
        wanted = {probe.payload for probe in probes}

        def there() -> bool:
            hosts = [{packet.payload for packet in end.packets()} for end in (self._near, self._far)]
            opened = open_esp(self._lab, self._routers, self._esp()[before:])
            inside = {item.inner.payload for item in opened if item.inner}
            return all(wanted <= seen for seen in (*hosts, inside))

        return until(there, ARRIVAL)

    def _esp(self) -> list[EspPacket]:
        return esp_between(self._wan.packets()[self._since :], *self._vips, ignore=self._attacker)

    def _at_rest(self) -> bool:
        """Whether both ends report the same SAs, and none negotiates."""
        near, far = self._reported()
        agreed = {(sa.spi_in, sa.spi_out) for sa in near} == {(sa.spi_out, sa.spi_in) for sa in far}
        ends = zip(self._routers, (self._vips, self._vips[::-1]), strict=True)
        return agreed and not any(negotiates(self._lab.vici_socket(name), *vips) for name, vips in ends)

    def _lost_on_the_way(self, batch: Batch, opened: Iterable[Opened]) -> str:
        """How far the packet came that the attacks need, and what both ends hold."""
        [probe] = batch.probes
        inside = [o for o in opened if o.inner and o.inner.payload == probe.payload]
        seen = {
            "left the host": any(p.payload == probe.payload for p in self._near.packets()),
            "was inside ESP": bool(inside),
            "arrived": any(p.payload == probe.payload for p in self._far.packets()),
        }
        words = ", ".join(f"{what}: {'yes' if so else 'no'}" for what, so in seen.items())
        held = ["; ".join(f"{sa.spi_in:08x}/{sa.spi_out:08x}" for sa in end) for end in self._reported()]
        routers = zip(self._routers, held, strict=True)
        return f"the packet to attack with was lost ({words}); " + ", ".join(
            f"{name} holds {sas or 'no SA'}" for name, sas in routers
        )

    def _reported(self) -> tuple[tuple[ReportedSa, ...], tuple[ReportedSa, ...]]:
        left, right = self._routers
        return (
            reported_sas(self._lab.vici_socket(left), *self._vips),
            reported_sas(self._lab.vici_socket(right), *self._vips[::-1]),
        )


def _all_in(probes: Iterable[Probe], packets: Iterable[Packet]) -> bool:
    seen = {packet.payload for packet in packets}
    return all(probe.payload in seen for probe in probes)


def _broadcast(cidr: str) -> str:
    return str(IPv4Network(cidr, strict=False).broadcast_address)
