"""Every check holds on a good capture, and fails on one doctored in exactly what it checks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.packets import Packet, esp_of, from_frame
from lab.proof import (
    capture_whole,
    carried_through,
    delivered,
    esp_content,
    flipped,
    in_flight,
    negative_control,
    no_cleartext,
    not_carried,
    outer_addresses,
    rejected,
    sequence_numbers,
    spis_agree,
    stream_result,
    tally,
)
from lab.traffic import make_batch
from tests.unit.lab import wire

CIDRS = ("10.1.0.0/24", "10.2.0.0/24")
TOKENS = (wire.THERE.token, wire.BACK.token)
ARRIVED = [wire.clear(probe) for probe in wire.THERE.probes]


def test_the_good_capture_passes_every_check() -> None:
    wan = wire.good_wan()
    esp = wire.esp(wan)
    checks = [
        delivered("there", wire.THERE.probes, ARRIVED),
        esp_content(wire.BOTH, wire.opened(wan)),
        outer_addresses(esp, wire.LEFT, wire.RIGHT),
        spis_agree(esp, wire.LEFT_REPORT, wire.RIGHT_REPORT),
        sequence_numbers(esp),
        no_cleartext(wan, CIDRS, TOKENS),
        capture_whole(0, 3),
    ]
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    ("received", "said"),
    [
        (ARRIVED[1:], "1 lost"),
        ([*ARRIVED, ARRIVED[0]], "1 duplicate"),
        ([], "3 lost"),
    ],
)
def test_delivery_fails_on_loss_and_duplicates(received: list[Packet], said: str) -> None:
    check = delivered("there", wire.THERE.probes, received)
    assert not check.passed and said in check.evidence


def test_delivery_fails_when_nat_changed_the_source() -> None:
    translated = [replace(packet, source="10.1.0.1") for packet in ARRIVED]
    assert not delivered("there", wire.THERE.probes, translated).passed


def test_delivery_of_nothing_is_no_proof() -> None:
    assert not delivered("there", (), []).passed


def test_reordering_is_counted() -> None:
    assert tally(wire.THERE.probes, [ARRIVED[1], ARRIVED[0], ARRIVED[2]]).reordered == 1


def test_content_fails_when_a_packet_is_missing() -> None:
    check = esp_content(wire.BOTH, wire.opened(wire.good_wan()[1:]))
    assert not check.passed and "5 of 6" in check.evidence


def test_content_fails_when_something_else_is_inside() -> None:
    stranger = make_batch(wire.NEAR, wire.FAR, 1)
    wan = [*wire.good_wan(), wire.sealed(stranger.probes[0], 4)]
    check = esp_content(wire.BOTH, wire.opened(wan))
    assert not check.passed and "1 others" in check.evidence
    assert esp_content(wire.BOTH, wire.opened(wan), also=[stranger.token]).passed


def test_content_fails_when_a_packet_is_inside_twice() -> None:
    wan = [*wire.good_wan(), wire.sealed(wire.THERE.probes[0], 4)]
    assert not esp_content(wire.BOTH, wire.opened(wan)).passed


def test_content_fails_when_a_packet_does_not_open() -> None:
    damaged = bytearray(wire.good_wan()[0].frame)
    damaged[-20] ^= 1
    check = esp_content(wire.BOTH, wire.opened([from_frame(0, bytes(damaged)), *wire.good_wan()]))
    assert not check.passed and "integrity check fails" in check.evidence
    wrong = [replace(known, integrity_key=wire.SAS[0].encryption_key) for known in wire.SAS]
    assert not esp_content(wire.BOTH, wire.opened(wire.good_wan(), wrong)).passed
    check = esp_content(wire.BOTH, wire.opened(wire.good_wan(), []))
    assert not check.passed and "no key for this SPI" in check.evidence


def test_outer_addresses_fail_on_another_address_and_on_one_way_traffic() -> None:
    esp = wire.esp(wire.good_wan())
    moved = replace(esp[0], packet=replace(esp[0].packet, source="203.0.113.1"))
    assert not outer_addresses([moved, *esp], wire.LEFT, wire.RIGHT).passed
    assert not outer_addresses(esp[:3], wire.LEFT, wire.RIGHT).passed
    assert not outer_addresses([], wire.LEFT, wire.RIGHT).passed


def test_spis_fail_when_the_wire_or_one_report_disagrees() -> None:
    esp = wire.esp(wire.good_wan())
    right, left = wire.RIGHT_REPORT, wire.LEFT_REPORT
    strange = replace(esp[0], spi=0x1234)
    assert "00001234" in spis_agree([*esp, strange], left, right).evidence
    assert not spis_agree([*esp, strange], left, right).passed
    assert not spis_agree(esp, left, (replace(right[0], spi_in=0x99),)).passed
    assert not spis_agree(esp, (replace(left[0], spi_in=0x99),), right).passed
    assert not spis_agree(esp, left, ()).passed
    assert not spis_agree(esp[:3], left, right).passed


def test_sequence_numbers_fail_on_repeats_gaps_back_and_a_late_start() -> None:
    esp = wire.esp(wire.good_wan())
    assert not sequence_numbers([*esp, esp[-1]]).passed
    assert not sequence_numbers([esp[1], esp[0], *esp[2:]]).passed
    assert not sequence_numbers(esp[1:]).passed
    assert sequence_numbers(esp[1:], from_one=False).passed
    assert not sequence_numbers([]).passed


def test_cleartext_is_found_by_address_and_by_payload() -> None:
    wan = wire.good_wan()
    probe = wire.THERE.probes[0]
    assert not no_cleartext([*wan, wire.clear(probe)], CIDRS, ()).passed
    assert not no_cleartext([*wan, wire.clear(probe)], (), TOKENS).passed
    translated = wire.clear(make_batch(wire.LEFT, "198.51.100.1", 1).probes[0])
    hidden = replace(translated, frame=translated.frame + probe.payload)
    assert no_cleartext([*wan, translated], CIDRS, TOKENS).passed
    assert not no_cleartext([*wan, hidden], CIDRS, TOKENS).passed
    not_ip = from_frame(0, wire.ETHERNET[:12] + b"\x08\x06" + probe.payload)
    assert not no_cleartext([*wan, not_ip], CIDRS, TOKENS).passed
    assert not no_cleartext([], CIDRS, TOKENS).passed


def test_an_attackers_own_frames_are_no_leak() -> None:
    frame = wire.ETHERNET[:6] + wire.ATTACKER + b"\x08\x00" + wire.THERE.probes[0].ip
    wan = [*wire.good_wan(), from_frame(0, frame)]
    assert not no_cleartext(wan, CIDRS, TOKENS).passed
    assert no_cleartext(wan, CIDRS, TOKENS, attackers=[wire.ATTACKER]).passed


def test_multicast_must_leave_and_must_not_travel() -> None:
    sent = make_batch(wire.NEAR, "224.0.0.251", 2).probes
    near = [wire.clear(probe) for probe in sent]
    good = wire.opened(wire.good_wan())
    assert not_carried("multicast", sent, near, ARRIVED, good, marker_arrived=True).passed
    assert not not_carried("multicast", sent, near, ARRIVED, good, marker_arrived=False).passed
    assert not not_carried("multicast", sent, near[1:], ARRIVED, good, marker_arrived=True).passed
    assert not not_carried("multicast", sent, near, [*ARRIVED, near[0]], good, marker_arrived=True).passed
    inside = wire.opened([*wire.good_wan(), wire.sealed(sent[0], 4)])
    assert not not_carried("multicast", sent, near, ARRIVED, inside, marker_arrived=True).passed
    assert not not_carried(
        "multicast", sent, near, ARRIVED, wire.opened(wire.good_wan(), []), marker_arrived=True
    ).passed


def test_the_negative_control_fails_on_delivery_and_on_a_leak() -> None:
    sent = wire.THERE.probes
    near = [wire.clear(probe) for probe in sent]
    assert negative_control(sent, near, [], []).passed
    assert not negative_control(sent, near[1:], [], []).passed
    assert not negative_control(sent, near, ARRIVED[:1], []).passed
    assert not negative_control(sent, near, [], [wire.clear(sent[0])]).passed
    assert not negative_control((), near, [], []).passed


def test_rejection_fails_when_delivered_or_never_injected_or_the_router_is_dead() -> None:
    original = wire.good_wan()[0]
    frames = [original.frame, original.frame]
    wan = [from_frame(0, frame) for frame in frames]
    payload = wire.THERE.probes[0].payload

    def holds(wan: list[Packet], far: list[Packet], *, marker: bool = True) -> bool:
        return rejected(
            "replay", frames, wan, far, inner_payload=payload, before=1, marker_arrived=marker
        ).passed

    assert holds(wan, ARRIVED)
    assert not holds(wan[1:], ARRIVED)
    assert not holds(wan, [*ARRIVED, ARRIVED[0]])
    assert not holds(wan, ARRIVED, marker=False)


def test_a_flipped_packet_is_new_to_the_replay_window_and_does_not_open() -> None:
    esp = wire.esp(wire.good_wan())[0]
    bad = esp_of(from_frame(0, flipped(esp)))
    assert bad is not None
    assert (bad.spi, bad.sequence) == (esp.spi, esp.sequence + 1000)
    assert wire.opened([bad.packet])[0].inner is None
    differing = [i for i, (a, b) in enumerate(zip(esp.data, bad.data, strict=True)) if a != b and i >= 8]
    assert len(differing) == 1


def test_dropped_packets_spoil_a_capture() -> None:
    assert not capture_whole(1, 3).passed
    assert not capture_whole(0, 0).passed


def test_stream_results() -> None:
    batch = make_batch(wire.NEAR, wire.FAR, 10)
    sent = [wire.clear(probe, index / 100) for index, probe in enumerate(batch.probes)]
    arrived = [replace(packet, time=packet.time + 0.001) for packet in sent]
    whole = stream_result("there", sent, arrived)
    assert (whole.sent, whole.lost, whole.duplicates) == (10, 0, 0)
    assert whole.longest_gap_ms == pytest.approx(10)
    holed = stream_result("there", sent, [*arrived[:3], *arrived[6:], arrived[9]])
    assert (holed.lost, holed.duplicates) == (3, 1)
    assert holed.missing == tuple(sent[3:6])
    assert holed.longest_gap_ms == pytest.approx(40)
    cut = stream_result("there", sent, arrived[:5])
    assert cut.longest_gap_ms == pytest.approx(49)
    assert stream_result("there", sent, []).longest_gap_ms == pytest.approx(90)


def test_a_lost_packet_is_in_flight_only_when_it_crossed_in_an_sa_that_was_not_there_yet() -> None:
    sent = [wire.clear(probe, index / 100) for index, probe in enumerate(wire.THERE.probes)]
    result = stream_result("there", sent, sent[2:])
    opened = wire.opened(wire.good_wan())
    # The first packet crosses at second 1, the second at second 2.
    assert in_flight(result.missing, opened, {wire.SPI_THERE: 2.5}) == 2
    assert in_flight(result.missing, opened, {wire.SPI_THERE: 1.5}) == 1, "the SA was there for the second"
    assert in_flight(result.missing, opened, {}) == 0, "an SA that the other end never had"
    assert in_flight(result.missing, wire.opened([]), {wire.SPI_THERE: 2.5}) == 0
    assert carried_through(result, 2).passed
    assert not carried_through(result, 1).passed, "a packet that no SA was there for"
    assert not carried_through(stream_result("there", [], []), 0).passed, "nothing was sent"
