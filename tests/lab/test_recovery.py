"""Whichever end of a tunnel dies, packets arrive again, and no SA is left over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.interruption import KEY
from bench.recovery import CASES, DEADLINE, INITIATOR, RESPONDER, Case, Recovery, wanted
from lab.capture import Watch
from lab.engine import Engine, until
from lab.packets import PROTOCOL_UDP, Packet
from lab.session import Lab
from lab.topology import Role
from reconciler.facets.boot import charon
from reconciler.load import load_tree
from reconciler.observe.state import read_sas
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import observed_plan
from reconciler.validate import validate
from tests.converged import assert_converged
from tests.lab.repository import ROOT

pytestmark = pytest.mark.engine

OURS = "tw-a-to-b"
IKE_PORT = 500
REQUESTS = 6
REQUESTS = 6
"""How often charon sends one (`facets/charon.py`)."""
STUCK = "charon { retransmit_timeout = 120\n retransmit_base = 1 }"
"""An IKE_SA that waits for its next retransmission for longer than any deadline here."""
LATER = "/etc/strongswan.d/zz-stuck.conf"


@pytest.fixture(scope="module")
def bench(
    engine: Engine, image: str, lab_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recovery]:
    fabric, _ = validate(load_tree(ROOT / "desired_state"))
    with Lab.up(fabric, f"{lab_name}r", engine=engine, image=image) as lab:
        yield Recovery(lab, fabric, Path(tmp_path_factory.mktemp("keys")))


def end(bench: Recovery, router: str, connection: str) -> None:
    """Whether or not the peer answers."""
    words = ("--terminate", "--ike", connection, "--force", "--timeout", "1")
    bench.swanctl(router, *words, must_succeed=False)


@pytest.mark.parametrize("case", [case for case in CASES if case.who in {INITIATOR, RESPONDER}][:2], ids=str)
def test_an_end_that_has_lost_its_sas_brings_the_tunnel_up_again(bench: Recovery, case: Case) -> None:
    """The packets come from the other end, whose DPD would need half a minute to find out."""
    found = bench.measure_recovery(case, bench.base, directions=[case.who == RESPONDER])
    assert found.sas == 1
    assert None not in found.seconds


def test_a_charon_that_ends_at_once_leaves_the_next_one_its_ports(bench: Recovery) -> None:
    """What it has started to bring its tunnels up outlives it, and must not keep its sockets."""
    bench.bring(bench.base, KEY)
    for _ in range(3):
        bench.restart(["router-a"], "KILL")
    names = bench.lab.run(Role.ROUTER, "router-a", ["ls", "/sys/class/net"]).split()
    assert [name for name in names if name.startswith("ipsec")] == ["ipsec0"]
    with bench.connect("router-a") as router:
        assert until(lambda: any(sa.children for sa in read_sas(router.vici, OURS)), DEADLINE)


def test_a_peer_that_only_answers_says_nothing_of_its_restart(bench: Recovery) -> None:
    """So only a check shows that it has lost its SAs, and how soon is a matter of the settings."""
    case = next(case for case in CASES if case.quick)
    ours, theirs = (end.vip.address for end in (bench.changed.left, bench.changed.right))
    with Watch(bench.lab, hosts=()) as watch:
        found = bench.measure_recovery(case, wanted(bench.base, case, 2, "restart"), directions=[False])
    assert found.sas == 1
    assert None not in found.seconds
    packets = [packet for capture in watch.wan.values() for packet in capture.packets()]
    watch.discard()
    between = [packet for packet in packets if {packet.source, packet.destination} == {ours, theirs}]
    # A request is repeated as it is (RFC 7296, section 2.1); the check is the one that is most often.
    sent = [packet for packet in between if packet.source == ours and is_ike(packet) and not begins(packet)]
    [(check, times)] = Counter(packet.payload for packet in sent).most_common(1)
    assert times >= REQUESTS, "a check, again and again"
    first, *_, last = [packet.time for packet in sent if packet.payload == check]
    answers = [packet for packet in between if packet.source == theirs and first < packet.time < last]
    assert not any(map(is_ike, answers)), "it says nothing until it is asked for a new IKE_SA"


def is_ike(packet: Packet) -> bool:
    """Whether it is a packet to the port of IKE."""
    return packet.protocol == PROTOCOL_UDP and int.from_bytes(packet.body[2:4]) == IKE_PORT


def begins(packet: Packet) -> bool:
    """Whether it begins an IKE_SA: the SPI of the responder is zero (RFC 7296, section 3.1)."""
    return is_ike(packet) and packet.payload[8:16] == bytes(8)


def test_apply_ends_what_is_stuck_and_says_complete_when_the_tunnel_is_up(bench: Recovery) -> None:
    bench.bring(bench.base, KEY)
    for router in ("router-a", "router-b"):
        script = f"printf '%s' '{STUCK}' > {LATER} && swanctl --reload-settings"
        bench.lab.run(Role.ROUTER, router, ["sh", "-c", script])
    with bench.unplugged("router-a"):
        for router, name in (("router-a", OURS), ("router-b", "tw-b-to-a")):
            end(bench, router, name)
            bench.swanctl(router, "--initiate", "--ike", name, "--child", "net", "--timeout", "-1")
    stuck = {sa.id for sa in bench.running() if sa.state == "CONNECTING"}
    assert stuck
    # Anything that is to be done will do.
    bench.lab.run(Role.ROUTER, "router-b", ["sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"])
    before = observed_plan(bench.base, bench.store(KEY), bench.fleet)
    assert [str(change.resource) for change in before.plan.changes] == ["router-b/sysctl/forwarding"]
    assert_converged(apply(before, bench.fleet))
    assert not stuck & {sa.id for sa in bench.running()}
    assert [sa.state for sa in bench.running()] == ["ESTABLISHED"]


def test_the_settings_of_charon_are_repaired_and_loaded_without_a_restart(bench: Recovery) -> None:
    bench.bring(bench.base, KEY)
    script = (
        f"rm -f {LATER} && echo 'charon {{ retransmit_tries = 1 }}' > {charon.SETTINGS} && rm {charon.START}"
    )
    bench.lab.run(Role.ROUTER, "router-a", ["sh", "-c", script])
    pid = bench.lab.run(Role.ROUTER, "router-a", ["pidof", "charon-systemd"])
    before = observed_plan(bench.base, bench.store(KEY), bench.fleet)
    assert [str(change.resource) for change in before.plan.changes] == ["router-a/boot/files"]
    assert_converged(apply(before, bench.fleet))
    assert bench.lab.run(Role.ROUTER, "router-a", ["pidof", "charon-systemd"]) == pid
    log = bench.lab.charon_log("router-a")
    with bench.unplugged("router-a"):
        end(bench, "router-a", OURS)
        length = log.stat().st_size
        bench.swanctl("router-a", "--initiate", "--ike", OURS, "--child", "net", "--timeout", "-1")
        # By what was in the file, charon would give up after one.
        assert until(lambda: b"retransmit 5 of request" in log.read_bytes()[length:], DEADLINE)
    with bench.connect("router-a") as router:
        assert until(lambda: any(sa.children for sa in read_sas(router.vici, OURS)), DEADLINE)
