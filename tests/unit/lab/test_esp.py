"""Keys from charon's log, packets from capture files."""

from __future__ import annotations

import struct

import pytest

from lab.esp import EspOpener, installations, sas_from_log
from lab.packets import esp_of, from_frame, read_pcap
from tests.unit.lab import wire

ENCRYPTION_I, ENCRYPTION_R = bytes(range(32)), bytes(range(100, 132))
INTEGRITY_I, INTEGRITY_R = bytes(range(32, 64)), bytes(range(132, 164))


def dump(thread: int, title: str, key: bytes) -> list[str]:
    rows = [f"1700000000 {thread:02d}[CHD] {title} key => {len(key)} bytes @ 0x7f0000000000"]
    for start in range(0, len(key), 16):
        row = key[start : start + 16]
        text = " ".join(f"{byte:02X}" for byte in row).ljust(47)
        shown = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
        rows.append(f"1700000000 {thread:02d}[CHD] {start:4d}: {text}  {shown}")
    return rows


def log(
    thread: int = 12, spi: int = wire.SPI_THERE, cipher: str = "AES_CBC", aead: bool = False
) -> list[str]:
    lines = [f"1700000000 {thread:02d}[CHD]   using {cipher} for encryption"]
    if not aead:
        lines.append(f"1700000000 {thread:02d}[CHD]   using HMAC_SHA2_256_128 for integrity")
    lines += dump(thread, "encryption initiator", ENCRYPTION_I)
    lines += dump(thread, "encryption responder", ENCRYPTION_R)
    if not aead:
        lines += dump(thread, "integrity initiator", INTEGRITY_I)
        lines += dump(thread, "integrity responder", INTEGRITY_R)
    lines.append(f"1700000000 {thread:02d}[CHD] adding outbound ESP SA")
    lines.append(f"1700000000 {thread:02d}[CHD]   SPI 0x{spi:08x}, src {wire.LEFT} dst {wire.RIGHT}")
    return lines


def test_a_log_gives_both_sides_keys_for_each_spi() -> None:
    initiator, responder = sas_from_log("\n".join(log()))
    assert (initiator.spi, initiator.source, initiator.destination) == (wire.SPI_THERE, wire.LEFT, wire.RIGHT)
    assert (initiator.encryption, initiator.integrity) == ("AES-CBC", "SHA2-256-128")
    assert initiator.encryption_key.reveal() == ENCRYPTION_I
    assert initiator.integrity_key.reveal() == INTEGRITY_I
    assert responder.encryption_key.reveal() == ENCRYPTION_R
    assert responder.integrity_key.reveal() == INTEGRITY_R


def test_threads_that_write_at_once_are_kept_apart() -> None:
    one, two = log(5, 0x11111111), log(6, 0x22222222, "AES_GCM_16", aead=True)
    mixed = [line for pair in zip(one, two, strict=False) for line in pair] + one[len(two) :]
    found = sas_from_log("\n".join(mixed))
    by_spi = {known.spi: known for known in found}
    assert by_spi[0x11111111].encryption == "AES-CBC"
    assert by_spi[0x11111111].integrity_key.reveal() == INTEGRITY_R
    assert by_spi[0x22222222].encryption == "AES-GCM"
    assert by_spi[0x22222222].integrity == ""


def test_a_later_sa_of_the_same_thread_does_not_inherit_keys() -> None:
    found = sas_from_log("\n".join(log() + log(12, 0x33333333, "CHACHA20_POLY1305", aead=True)))
    assert [known.integrity for known in found if known.spi == 0x33333333] == ["", ""]


@pytest.mark.parametrize("text", ["", "nonsense", "1700000000 12[CHD]   SPI 0x1, src a dst b"])
def test_a_log_without_keys_gives_nothing(text: str) -> None:
    assert sas_from_log(text) == []


def test_keys_are_not_shown() -> None:
    assert ENCRYPTION_I.hex() not in repr(sas_from_log("\n".join(log())))


def test_the_key_that_verifies_is_found_among_candidates() -> None:
    packet = wire.good_wan()[0]
    wrong = wire.sa(wire.SPI_THERE, wire.LEFT, wire.RIGHT, key=bytes(32))
    (esp,) = wire.esp([packet])
    opener = EspOpener([*sas_from_log("\n".join(log())), wrong])
    opened = opener.open(esp)
    assert opened.inner is not None
    assert opened.inner.payload == wire.THERE.probes[0].payload
    assert (opened.inner.source, opened.inner.destination) == (wire.NEAR, wire.FAR)


def test_esp_in_udp_is_the_same_esp() -> None:
    bare = wire.good_wan()[0]
    wrapped = esp_of(wire.in_udp(bare))
    assert wrapped is not None and wrapped.in_udp
    direct = esp_of(bare)
    assert direct is not None and not direct.in_udp
    assert wrapped.data == direct.data
    assert wrapped.packet.frame[wrapped.offset :] == wrapped.data
    assert wire.opened([wire.in_udp(bare)])[0].inner is not None


def test_ike_on_port_4500_is_not_esp() -> None:
    bare = wire.good_wan()[0]
    marked = wire.in_udp(from_frame(0, bare.frame[:34] + b"\0\0\0\0" + bare.frame[38:]))
    assert esp_of(marked) is None
    assert esp_of(wire.clear(wire.THERE.probes[0])) is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_capture_files(order: str) -> None:
    frames = [packet.frame for packet in wire.good_wan()]
    data = struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    for number, frame in enumerate(frames):
        data += struct.pack(f"{order}IIII", number, 500_000, len(frame), len(frame)) + frame
    packets = list(read_pcap(data))
    assert [packet.frame for packet in packets] == frames
    assert packets[1].time == pytest.approx(1.5)
    assert len(list(read_pcap(data[:-1]))) == len(frames) - 1
    assert list(read_pcap(b"")) == []
    with pytest.raises(ValueError, match="not a pcap"):
        list(read_pcap(b"\x0a\x0d\x0d\x0a" + bytes(60)))


@pytest.mark.parametrize("frame", [b"", b"\0" * 14, wire.ETHERNET, wire.ETHERNET + b"\x60" + bytes(40)])
def test_frames_without_ipv4(frame: bytes) -> None:
    packet = from_frame(0, frame)
    assert packet.protocol == -1 and esp_of(packet) is None


def test_a_log_says_when_its_router_had_an_sa() -> None:
    """As 6.0.1 and 5.9.8 word it, for new ones and, since they do so in two steps, for rekeyed ones."""
    text = """\
1795660284.083 08[IKE] CHILD_SA net{9} established with SPIs ecd49081_i f6b463aa_o and TS a === b
1795660285.100 01[IKE] inbound CHILD_SA net{10} established with SPIs 00000001_i 00000002_o and TS a === b
1795660285.200 01[IKE] outbound CHILD_SA net{10} established with SPIs 00000001_i 00000002_o and TS a === b
"""
    assert installations(text) == pytest.approx({0xECD49081: 1795660284.084, 1: 1795660285.101})
