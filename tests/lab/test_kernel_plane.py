"""The contract of the data plane, with the kernel's own ESP (XFRM), in a virtual machine.

Two tunnels between two routers: one of IKEv2, and one of IKEv1 with two networks at one end. Both change in
one apply, and all tests share one boot: an emulated processor takes its time for each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from lab.engine import Engine, until
from lab.packets import PROTOCOL_ESP, Packet, esp_of, read_pcap
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Dropped
from reconciler.operations.diagnose import diagnose_tunnels
from reconciler.routers.links import Links
from tests.contract.sites import PSK, Site, change_tunnels, rename_tunnels
from tests.converged import assert_converged
from tests.fabrics import many_tunnels
from tests.lab.kernel.machine import Machine, machine
from tests.lab.kernel.site import HOSTS, ROUTERS, counted, kernel_site, pinging, reach

pytestmark = [pytest.mark.engine, pytest.mark.machine]

TOKEN = b"tunnelwright-cle"
SECOND = (("10.101.0.10", "10.102.0.10"), ("10.101.0.10", "10.122.0.10"))
"""Addresses between which the tunnel of IKEv1 carries."""
FLOWS = (HOSTS, *SECOND)
MORE = "10.122.0.0/24"
KEY = "another key of both tunnels, 7QxvR2"


def two_tunnels(fabric: Fabric) -> Fabric:
    """The tunnel of the fabric, and one of IKEv1."""
    second = {
        name: replace(
            tunnel,
            ike=replace(tunnel.ike, version=1),
            local_cidrs=(*tunnel.local_cidrs, *([MORE] if tunnel.router == "tokyo" else [])),
            peer_cidrs=(*tunnel.peer_cidrs, *([MORE] if tunnel.router == "paris" else [])),
        )
        for name, tunnel in many_tunnels(1).tunnels.items()
    }
    vips = {**fabric.vips, **many_tunnels(1).vips}
    return replace(fabric, tunnels={**fabric.tunnels, **second}, vips=vips)


@pytest.fixture(scope="module")
def there(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(engine, image, tmp_path_factory.mktemp("machine")) as booted:
        for name, number in zip(ROUTERS, (101, 102), strict=True):
            booted.run(f"ip -n {name} address replace 10.{number}.0.1/24 dev eth1")
            booted.run(f"ip -n host-{name} address replace 10.{number}.0.10/24 dev eth0")
        booted.run("ip -n tokyo address replace 10.122.0.1/24 dev eth1")
        booted.run("ip -n host-tokyo address replace 10.122.0.10/24 dev eth0")
        yield booted


@pytest.fixture(scope="module")
def site(there: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Links() as links:
        made = kernel_site(there, links, tmp_path_factory.mktemp("site"))
        made = replace(made, fabric=two_tunnels(made.fabric))
        reach(made)
        assert_converged(made.apply(timeout=60))
        assert made.preview().plan.empty
        yield made
        made.close()


def ping(there: Machine, source: str, destination: str, count: int = 10) -> int:
    """How many of some echo requests with the token are answered."""
    words = f"-i 0.02 -W 1 -c {count} -p {TOKEN.hex()} -I {source} {destination}"
    said = there.run(f"ip netns exec host-paris ping -n -q {words} || true")
    found = re.search(r" (\d+) received", said)
    assert found is not None, said
    return int(found[1])


@contextmanager
def captured(there: Machine, interface: str = "wan-paris", space: str = "") -> Iterator[list[Packet]]:
    """What passes an interface, filled at the end."""
    found: list[Packet] = []
    within = f"ip netns exec {space} " if space else ""
    there.run(
        f"rm -f /run/wan.*; ({within}tcpdump -i {interface} -n -U --immediate-mode -Z root -w /run/wan.pcap"
        " >/dev/null 2>/run/wan.err & echo $! > /run/wan.pid);"
        " until grep -q 'listening on' /run/wan.err; do sleep 0.05; done"
    )
    yield found
    there.run("kill -INT $(cat /run/wan.pid); until grep -q 'dropped by' /run/wan.err; do sleep 0.05; done")
    assert "\n0 packets dropped by kernel" in there.run("cat /run/wan.err")
    found += read_pcap(there.fetch("/run/wan.pcap"))


def in_the_clear(packets: list[Packet]) -> list[Packet]:
    """Those that show what a ping has sent."""
    return [packet for packet in packets if TOKEN in packet.frame]


def spis(there: Machine, router: str) -> set[str]:
    """The SPIs of the kernel's ESP states."""
    return set(re.findall(r"proto esp spi 0x([0-9a-f]{8})", there.run("ip xfrm state", router)))


def refused(there: Machine, before: dict[str, Counter[str]]) -> dict[str, int]:
    """What the kernels of both routers have refused since, by the name of the counter."""
    now = counted(there)
    return dict(sum((now[name] - before[name] for name in ROUTERS), Counter()))


def test_packets_cross_as_kernel_esp(site: Site, there: Machine) -> None:
    with captured(there) as packets:
        for flow in FLOWS:
            assert ping(there, *flow) == 10
    assert not in_the_clear(packets)
    esp = [found for packet in packets if (found := esp_of(packet))]
    assert len(esp) >= 2 * 10 * len(FLOWS)
    assert {found.packet.protocol for found in esp} == {PROTOCOL_ESP}
    for router in ROUTERS:
        reported = there.run("swanctl --list-sas --raw", router)
        sas = set(re.findall(r"spi-(?:in|out)=([0-9a-f]{8})", reported))
        assert {f"{found.spi:08x}" for found in esp} <= sas == spis(there, router)
        assert "kernel-libipsec" not in there.run("swanctl --stats", router)
    assert [check for check in site.verify() if not check.passed] == []
    for diagnosis in diagnose_tunnels(site.fabric, (), site.store(), site.fleet):
        assert diagnosis.findings == ()


def test_a_forged_and_a_replayed_packet_are_dropped(there: Machine) -> None:
    with captured(there) as packets:
        assert ping(there, *HOSTS) == 10
    towards = [
        found.packet for packet in packets if (found := esp_of(packet)) and packet.source == "203.0.113.12"
    ]
    ours, gateway = towards[0].frame[:6], towards[0].frame[6:12]
    outside, inside = (
        bytes(Ether(dst=ours, src=gateway) / IP(src=source, dst="10.1.0.10") / ICMP(type=0) / TOKEN)
        for source in ("198.51.100.7", "10.2.0.10")
    )
    before = counted(there)
    with captured(there, "eth0", "host-paris") as seen:
        for frame in (outside, inside, *(packet.frame for packet in towards)):
            inject(there, frame)
        # The last of them has been through when a true packet has.
        assert ping(there, *HOSTS, count=1) == 1
    forged = [packet.source for packet in seen if TOKEN in packet.frame and packet.source != "10.1.0.10"]
    assert forged == ["198.51.100.7", "10.2.0.10"], "not the tunnel's; then the reply of the true ping"
    assert refused(there, before) == {"XfrmInStateSeqError": len(towards), "XfrmInTmplMismatch": 1}


def inject(there: Machine, frame: bytes) -> None:
    """A frame from the public network to paris."""
    there.run(
        "python3 -c 'import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW);"
        f' s.bind(("wan-paris", 0)); s.send(bytes.fromhex("{frame.hex()}"))\''
    )


def test_the_mss_of_what_goes_through_the_tunnel_is_clamped(site: Site, there: Machine) -> None:
    with captured(there, "eth0", "host-tokyo") as packets:
        connect = 'import socket; socket.socket().connect_ex(("10.2.0.10", 9))'
        there.run(f"ip netns exec host-paris python3 -c '{connect}'")
    [syn] = [p for p in packets if p.protocol == 6 and p.payload[13] & 0x12 == 0x02]
    # Kind 2, length 4: the first option of Linux.
    assert syn.payload[20:22] == b"\x02\x04"
    assert int.from_bytes(syn.payload[22:24]) == site.fabric.routers["paris"].mss


def test_a_tunnel_that_is_down_leaks_nothing(site: Site, there: Machine) -> None:
    """Without SAs and policies the kernel would route the packets out: the table drops them."""
    there.run("ip xfrm policy flush; ip xfrm state flush", "paris")
    with captured(there) as packets:
        assert [ping(there, *flow) for flow in FLOWS] == [0, 0, 0]
    assert not in_the_clear(packets)
    there.run("nft delete table inet tunnelwright", "paris")
    there.run("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter", "paris")
    with captured(there) as packets:
        ping(there, *HOSTS)
    assert in_the_clear(packets), "the table alone held them back"
    # Charon does not know what was taken from the kernel: it starts anew, and brings its tunnels back.
    site.restart_charon("paris")
    assert until(lambda: not there.run("pgrep -f '[/]etc/tunnelwright/start' || true").strip(), 60, poll=1)
    drift = {change.resource.kind for change in site.preview().plan.changes}
    assert {"firewall", "sysctl"} <= drift
    assert_converged(site.apply(timeout=60))


@pytest.mark.parametrize("change", ["ESP proposal", "key"])
def test_a_switch_loses_no_packet(site: Site, there: Machine, change: str) -> None:
    """Neither with IKEv2 nor with IKEv1, by the kernels' own count: of what came by an SA that was not
    installed yet, or no longer, or was refused for any other reason. (`make switches` changes each field.)"""
    wanted, key = site.fabric, PSK
    if change == "key":
        key = KEY
    else:
        wanted = change_tunnels(wanted, esp__encryption="aes-128")
    with pinging(there, 50, FLOWS) as pings:
        was, before = spis(there, "paris"), counted(there)
        applied = site.apply(wanted, key, timeout=60)
    assert_converged(applied)
    assert refused(there, before) == {}
    assert applied.dropped == tuple(Dropped(name, 0) for name in ROUTERS)
    assert was.isdisjoint(spis(there, "paris")), "the change is in effect: other SAs"
    assert pings.received > 0
    assert site.preview(wanted, key).plan.empty


def test_tunnels_are_renamed_disabled_deleted_and_added(site: Site, there: Machine) -> None:
    """One of two tunnels; the other one keeps its SAs, and its packets."""
    old = site.fabric
    named = rename_tunnels(old, {"paris-000": "first", "tokyo-000": "second"})
    with pinging(there, 50) as pings:
        before = counted(there)
        assert_converged(site.apply(named, timeout=60))
        assert [ping(there, *flow) for flow in SECOND] == [10, 10]
        ends = {name: replace(end, enabled="-" in name) for name, end in named.tunnels.items()}
        assert_converged(site.apply(replace(named, tunnels=ends), timeout=60))
        with captured(there) as packets:
            assert [ping(there, *flow) for flow in SECOND] == [0, 0]
        assert not in_the_clear(packets)
        one = {name: end for name, end in ends.items() if end.enabled}
        assert_converged(site.apply(replace(old, tunnels=one), timeout=60))
        assert "tw-first" not in there.run("swanctl --list-conns --raw; ls /etc/swanctl/conf.d", "paris")
        assert_converged(site.apply(old, timeout=60))
    assert [ping(there, *flow) for flow in FLOWS] == [10, 10, 10]
    assert refused(there, before) == {}
    assert pings.lost <= 2, "what is on its way when the stream ends"
