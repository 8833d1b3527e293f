"""What captured packets prove about a tunnel. Pure: packets and reported SAs in, checks out.

Each check says one thing, with the counts that it rests on. A check over nothing fails: no packets
captured is no proof of anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import pairwise
from socket import inet_aton

from lab.charon import ReportedSa
from lab.esp import Opened
from lab.packets import EspPacket, Packet
from reconciler.model.listing import counted
from reconciler.model.outcome import Check

REPLAY_JUMP = 1000
"""How far beyond its original a tampered sequence number lies: outside of every replay window in use."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One packet that is sent: `ip` is the whole IPv4 datagram, `payload` what is looked for."""

    source: str
    destination: str
    payload: bytes
    ip: bytes

    @property
    def key(self) -> tuple[str, str, bytes]:
        """What a packet must have in common with this one to be it; NAT on the way changes it."""
        return self.source, self.destination, self.payload


@dataclass(frozen=True, slots=True)
class Tally:
    """How a series of packets fared."""

    sent: int
    received: int
    lost: int
    duplicates: int
    reordered: int

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.received} received, {self.lost} lost,"
            f" {counted(self.duplicates, 'duplicate')}, {self.reordered} out of order"
        )


@dataclass(frozen=True, slots=True)
class StreamResult:
    """How one direction of a steady stream fared through a change."""

    direction: str
    sent: int
    missing: tuple[Packet, ...]
    """What did not arrive, as it left its sender."""
    duplicates: int
    longest_gap_ms: float
    """Longest time without an arrival while packets were being sent."""

    @property
    def lost(self) -> int:
        """How many packets did not arrive."""
        return len(self.missing)


def tally(sent: Sequence[Probe], received: Iterable[Packet]) -> Tally:
    """Count a series at its receiver, by source, destination and payload."""
    order = {probe.key: index for index, probe in enumerate(sent)}
    arrivals = [order[key] for packet in received if (key := key_of(packet)) in order]
    counts = Counter(arrivals)
    firsts = list(dict.fromkeys(arrivals))
    reordered = sum(after < before for before, after in pairwise(firsts))
    return Tally(len(sent), len(counts), len(sent) - len(counts), len(arrivals) - len(counts), reordered)


def key_of(packet: Packet) -> tuple[str, str, bytes]:
    """What identifies a probe in a capture: see `Probe.key`."""
    return packet.source, packet.destination, packet.payload


def delivered(direction: str, sent: Sequence[Probe], received: Iterable[Packet]) -> Check:
    """Every packet arrived, once, with the addresses it was sent with: no NAT touched it."""
    count = tally(sent, received)
    passed = count.sent > 0 and count.lost == 0 and count.duplicates == 0
    return Check(f"delivered {direction}", passed, str(count))


def esp_content(sent: Sequence[Probe], opened: Sequence[Opened], *, also: Collection[bytes] = ()) -> Check:
    """Each ESP packet opens with the SA's keys, and together they hold what was sent: all, once, no more.

    `also` are tokens of other traffic (a warm-up, a stream) that may be inside as well.
    """
    closed = [o for o in opened if o.inner is None]
    inner = Counter(
        key_of(o.inner)
        for o in opened
        if o.inner is not None and not any(o.inner.payload.startswith(token) for token in also)
    )
    wanted = Counter(probe.key for probe in sent)
    missing, foreign = sum((wanted - inner).values()), sum((inner - wanted).values())
    evidence = (
        f"{counted(len(opened), 'ESP packet')}, {len(opened) - len(closed)} decrypted and verified,"
        f" {sum(wanted.values()) - missing} of {counted(len(sent), 'sent packet')} inside, {foreign} others"
    )
    if closed:
        reasons = Counter(o.reason for o in closed)
        evidence += "; " + ", ".join(f"{n} not opened: {reason}" for reason, n in sorted(reasons.items()))
    passed = bool(sent) and not closed and missing == 0 and foreign == 0
    return Check("esp content", passed, evidence)


def outer_addresses(esp: Sequence[EspPacket], left: str, right: str) -> Check:
    """Every ESP packet goes between the tunnel's two addresses, and there is some in each direction."""
    counts = Counter((e.packet.source, e.packet.destination) for e in esp)
    wanted = {(left, right), (right, left)}
    evidence = ", ".join(f"{n} {a} -> {b}" for (a, b), n in sorted(counts.items())) or "no ESP packets"
    return Check("outer addresses", set(counts) == wanted, evidence)


def spis_agree(esp: Sequence[EspPacket], left: Sequence[ReportedSa], right: Sequence[ReportedSa]) -> Check:
    """SPIs on the wire are those that both routers report: one's out is the other's in."""
    faults = []
    seen_text = []
    for this, other in ((left, right), (right, left)):
        if not this:
            faults.append("a router reports no SA")
            continue
        source, destination = this[0].local_host, this[0].remote_host
        seen = {e.spi for e in esp if (e.packet.source, e.packet.destination) == (source, destination)}
        out, into = {sa.spi_out for sa in this}, {sa.spi_in for sa in other}
        seen_text.append(f"{source} -> {destination}: {_hex(seen)}")
        if not seen:
            faults.append(f"no ESP {source} -> {destination}")
        if out != into:
            faults.append(f"{source} sends on {_hex(out)}, {destination} receives on {_hex(into)}")
        if not seen <= (out & into):
            faults.append(f"on the wire but not reported by both: {_hex(seen - (out & into))}")
    return Check("spis agree", not faults, "; ".join(seen_text + faults))


def sequence_numbers(esp: Sequence[EspPacket], *, from_one: bool = True) -> Check:
    """Sequence numbers grow strictly for each SPI, from 1 where the SA's whole life was captured.

    RFC 4303, section 2.2: the first packet of an SA has sequence number 1.
    """
    series: dict[tuple[int, str], list[int]] = {}
    for e in esp:
        series.setdefault((e.spi, e.packet.destination), []).append(e.sequence)
    faults, ranges = [], []
    for (spi, _), numbers in sorted(series.items()):
        ranges.append(f"{spi:08x}: {numbers[0]}..{numbers[-1]} ({len(numbers)})")
        back = sum(after <= before for before, after in pairwise(numbers))
        if back:
            faults.append(f"{spi:08x} goes back or repeats {counted(back, 'time')}")
        if from_one and numbers[0] != 1:
            faults.append(f"{spi:08x} starts at {numbers[0]}")
    evidence = "; ".join(ranges + faults) or "no ESP packets"
    return Check("sequence numbers", bool(series) and not faults, evidence)


def no_cleartext(
    wan: Sequence[Packet],
    cidrs: Collection[str],
    tokens: Collection[bytes],
    *,
    attackers: Collection[bytes] = (),
) -> Check:
    """Nothing of the private networks is readable on a public network in the whole capture.

    No IPv4 packet has an address in `cidrs`, and no frame of any kind holds one of the payloads'
    `tokens`. `attackers` are Ethernet addresses whose own (forged) frames do not count.
    """
    networks = [(int(n.network_address), int(n.netmask)) for n in map(IPv4Network, cidrs)]
    watched = [packet for packet in wan if packet.source_mac not in attackers]
    private = [
        p for p in watched if p.source and (_inside(p.source, networks) or _inside(p.destination, networks))
    ]
    readable = [p for p in watched if any(token in p.frame for token in tokens)]
    evidence = (
        f"{counted(len(watched), 'frame')} searched for {counted(len(tokens), 'payload token')} and "
        f"{counted(len(networks), 'private network')}: {len(readable)} hold a payload, "
        f"{len(private)} a private address"
    )
    for packet in (*readable, *private)[:1]:
        evidence += f"; first: {packet.source} -> {packet.destination}, IP protocol {packet.protocol}"
    return Check("no cleartext", bool(watched) and not private and not readable, evidence)


def not_carried(
    name: str,
    sent: Sequence[Probe],
    near: Iterable[Packet],
    far: Iterable[Packet],
    opened: Sequence[Opened],
    *,
    marker_arrived: bool,
) -> Check:
    """Packets left their host, and neither appeared at the far side nor inside any ESP packet.

    `near` is what the first router's side saw (so that sending nothing is no proof). `marker_arrived`: a good
    packet sent after them came through, so the tunnel did carry what it should.
    """
    payloads = {probe.payload for probe in sent}
    left = sum(p.payload in payloads for p in near)
    arrived = sum(p.payload in payloads for p in far)
    inside = sum(o.inner is not None and o.inner.payload in payloads for o in opened)
    closed = sum(o.inner is None for o in opened)
    evidence = (
        f"{left} left the host, {arrived} arrived at the far side, {inside} inside {len(opened)} ESP packets"
    )
    if closed:
        evidence += f", {closed} of which cannot be opened"
    if not marker_arrived:
        evidence += "; a good packet afterwards did not arrive"
    passed = bool(sent) and left == len(sent) and not (arrived or inside or closed) and marker_arrived
    return Check(name, passed, evidence)


def negative_control(
    sent: Sequence[Probe], near: Iterable[Packet], far: Iterable[Packet], wan: Sequence[Packet]
) -> Check:
    """With the tunnel taken down nothing arrives, as ESP or otherwise, and no payload is on the WAN.

    It shows that the proof of delivery can fail, and that a tunnel that is down leaks nothing.
    """
    payloads = {probe.payload for probe in sent}
    left = sum(p.payload in payloads for p in near)
    count = tally(sent, far)
    readable = sum(any(payload in p.frame for payload in payloads) for p in wan)
    evidence = (
        f"tunnel down: {left} left the host, {count.received} arrived, {readable} in the clear on the WAN"
    )
    passed = bool(sent) and left == len(sent) and count.received == 0 and readable == 0
    return Check("negative control", passed, evidence)


def rejected(
    name: str,
    injected: Sequence[bytes],
    wan: Iterable[Packet],
    far: Iterable[Packet],
    *,
    inner_payload: bytes,
    before: int,
    marker_arrived: bool,
) -> Check:
    """Frames put on the WAN were not delivered: the far host saw their inner payload `before` times only.

    `marker_arrived`: a good packet sent after them came through, so the router had time to deliver them.
    """
    frames = Counter(injected)
    seen = sum((Counter(p.frame for p in wan if p.frame in frames) & frames).values())
    after = sum(p.payload == inner_payload for p in far)
    evidence = (
        f"{seen} of {counted(len(injected), 'injected frame')} on the WAN; inner packet delivered "
        f"{counted(after, 'time')} (before: {before}); a good packet afterwards "
        f"{'arrived' if marker_arrived else 'did not arrive'}"
    )
    passed = bool(injected) and seen == len(injected) and after == before and marker_arrived
    return Check(name, passed, evidence)


def capture_whole(dropped: int, captures: int) -> Check:
    """No capture lost a packet: what was not seen was not there."""
    return Check(
        "captures whole",
        captures > 0 and dropped == 0,
        f"{counted(captures, 'capture')}, {counted(dropped, 'packet')} dropped by the kernel",
    )


def stream_result(direction: str, sent: Sequence[Packet], received: Sequence[Packet]) -> StreamResult:
    """Count a stream by what left its sender and what its receiver captured, both with times."""
    wanted = {key_of(p): p for p in sent}
    arrivals: dict[tuple[str, str, bytes], float] = {}
    duplicates = 0
    for packet in received:
        key = key_of(packet)
        if key in arrivals:
            duplicates += 1
        elif key in wanted:
            arrivals[key] = packet.time
    times = sorted(arrivals.values())
    gap = 0.0
    if sent:
        # The stream's own start and end count: nothing at all is one gap from first to last.
        marks = [sent[0].time, *times, max(sent[-1].time, times[-1] if times else 0.0)]
        gap = max(after - before for before, after in pairwise(marks))
    missing = tuple(packet for key, packet in wanted.items() if key not in arrivals)
    return StreamResult(direction, len(wanted), missing, duplicates, round(gap * 1000, 1))


def in_flight(missing: Iterable[Packet], opened: Iterable[Opened], installed: Mapping[int, float]) -> int:
    """How many of the missing packets crossed the WAN in an SA that the other end did not have yet: their
    router did send them, encrypted. `installed` says when the other end had the SA of an SPI (epoch seconds);
    a packet that crossed after that had no reason to be lost."""
    seen = {
        key_of(o.inner)
        for o in opened
        if o.inner is not None and o.esp.packet.time <= installed.get(o.esp.spi, 0.0)
    }
    return sum(key_of(packet) in seen for packet in missing)


def carried_through(result: StreamResult, flying: int) -> Check:
    """Every packet of a stream had an SA when its router got it. `flying` of the lost ones did cross, in one
    that the other end had not installed yet: how many is a matter of that charon's pace."""
    passed = result.sent > 0 and result.duplicates == 0 and result.lost == flying
    evidence = (
        f"{counted(result.sent, 'packet')} sent, {result.lost} lost"
        f"{f' ({flying} in flight)' if flying else ''},"
        f" {counted(result.duplicates, 'duplicate')}, longest gap {result.longest_gap_ms:.0f} ms"
    )
    return Check(f"carried through the change {result.direction}", passed, evidence)


def flipped(esp: EspPacket) -> bytes:
    """The frame with one bit of the ciphertext flipped, under a sequence number not used yet.

    The new number matters: with the old one the replay window would reject the packet even if no end
    verified it, and the check would prove nothing.
    """
    frame = bytearray(esp.packet.frame)
    frame[esp.offset + 4 : esp.offset + 8] = (esp.sequence + REPLAY_JUMP).to_bytes(4, "big")
    frame[esp.offset + len(esp.data) // 2] ^= 1
    return bytes(frame)


def _inside(address: str, networks: Sequence[tuple[int, int]]) -> bool:
    number = int.from_bytes(inet_aton(address), "big")
    return any(number & mask == network for network, mask in networks)


def _hex(spis: Iterable[int]) -> str:
    return ", ".join(f"{spi:08x}" for spi in sorted(spis)) or "none"
