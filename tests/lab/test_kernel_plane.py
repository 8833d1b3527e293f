"""The kernel data plane (XFRM) in a virtual machine, driven by the command line over SSH."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.packets import PROTOCOL_ESP, Packet, esp_of, read_pcap
from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from tests.contract.test_ssh import END
from tests.documents import WAN
from tests.lab.kernel.machine import Machine, machine

pytestmark = [pytest.mark.engine, pytest.mark.alone]

ENDS = (("paris", "tokyo", 1, 2), ("tokyo", "paris", 2, 1))
TOKEN = b"tunnelwright-clear"
PING = f"ip netns exec host-paris ping -n -i 0.02 -p {TOKEN[:16].hex()}"
CHANGES = {
    "ESP proposal": ("ike: {dhGroup: 14}", "ike: {dhGroup: 14}\n  ipsec: {encryption: aes-128}"),
    "IKE proposal": ("ike: {dhGroup: 14}", "ike: {dhGroup: 15}"),
}
OUTAGE = 10
"""Round trips (0.2 s) that no change may cost. It tells a switch from an outage, and no more than that."""


class Site:
    """Desired state with its keys, and the machine that it is applied to."""

    def __init__(self, there: Machine, folder: Path) -> None:
        self.machine = there
        self.tree, self.keys = folder / "tree", folder / "keys"
        self.tree.mkdir()
        self.keys.mkdir(mode=0o700)
        (self.keys / "psk").mkdir()
        self.set_key("first-9f2kQz71Lx0pVu4sTtR8")
        text = WAN
        for here, peer, me, far in ENDS:
            access = f"host: 127.0.0.1, port: {there.ports[here]}, identityFile: {there.identity},"
            end = END.format(here=here, there=peer, me=me, far=far)
            text += end.replace(f"host: {here},", f"{access} hostKey: {there.host_key},")
        self.text = text
        self.write(text)

    def set_key(self, key: str) -> None:
        """The key of both ends."""
        path = self.keys / "psk" / "pair.psk"
        path.touch(mode=0o600)
        path.write_text(key)

    def write(self, text: str) -> None:
        """The desired state."""
        (self.tree / "fabric.yaml").write_text(text)

    def command(self, name: str, *options: str) -> int:
        """Run a command on the desired state; its exit code."""
        return main([name, str(self.tree), "--secrets", str(self.keys), *options])

    def apply(self) -> None:
        """Apply, and have nothing left to plan."""
        assert self.command("apply", "--auto-approve", "--wait", "30") == ExitCode.OK
        assert self.command("plan", "--detailed-exitcode") == ExitCode.OK


@pytest.fixture(scope="module")
def site(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with machine(engine, image, tmp_path_factory.mktemp("machine")) as booted:
        made = Site(booted, tmp_path_factory.mktemp("site"))
        made.apply()
        yield made


@contextmanager
def captured(there: Machine) -> Iterator[list[Packet]]:
    """What paris sends and receives on its public network, filled at the end."""
    found: list[Packet] = []
    there.run(
        "rm -f /run/wan.*; (tcpdump -i wan-paris -n -U --immediate-mode -Z root -w /run/wan.pcap"
        " >/dev/null 2>/run/wan.err & echo $! > /run/wan.pid);"
        " until grep -q 'listening on' /run/wan.err; do sleep 0.05; done"
    )
    yield found
    there.run("kill -INT $(cat /run/wan.pid); until grep -q 'dropped by' /run/wan.err; do sleep 0.05; done")
    assert "\n0 packets dropped by kernel" in there.run("cat /run/wan.err")
    found += read_pcap(there.fetch("/run/wan.pcap"))


def spis(there: Machine, router: str) -> set[str]:
    """The SPIs of the kernel's ESP states."""
    return set(re.findall(r"proto esp spi 0x([0-9a-f]{8})", there.run("ip xfrm state", router)))


def test_packets_cross_as_kernel_esp(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with captured(site.machine) as packets:
        assert " 20 received" in site.machine.run(f"{PING} -c 20 -q 10.2.0.10")
    assert not [packet for packet in packets if TOKEN[:16] in packet.frame], "nothing in the clear"
    esp = [found for packet in packets if (found := esp_of(packet))]
    assert len(esp) >= 40
    assert {found.packet.protocol for found in esp} == {PROTOCOL_ESP}
    for router in ("paris", "tokyo"):
        reported = site.machine.run("swanctl --list-sas --raw", router)
        sas = set(re.findall(r"spi-(?:in|out)=([0-9a-f]{8})", reported))
        assert {f"{found.spi:08x}" for found in esp} <= sas == spis(site.machine, router)
        assert "kernel-libipsec" not in site.machine.run("swanctl --stats", router)
    assert site.command("verify") == ExitCode.OK
    capsys.readouterr()
    assert site.command("status", "--json") == ExitCode.OK
    assert all(json.loads(line) for line in capsys.readouterr().out.splitlines())


def test_a_tunnel_that_is_down_leaks_nothing(site: Site) -> None:
    """Without SAs and policies the kernel would route the packets out: the table drops them."""
    ping = f"{PING} -c 10 -q -W 1 10.2.0.10 || true"
    site.machine.run("ip xfrm policy flush; ip xfrm state flush", "paris")
    with captured(site.machine) as packets:
        assert " 0 received" in site.machine.run(ping)
    assert not [packet for packet in packets if TOKEN[:16] in packet.frame]
    site.machine.run("nft delete table inet tunnelwright", "paris")
    with captured(site.machine) as packets:
        site.machine.run(ping)
    assert [packet for packet in packets if TOKEN[:16] in packet.frame], "the table alone held them back"
    # Charon does not know what was taken from the kernel: it starts anew.
    site.machine.run("pkill -x charon-systemd; rm -f /run/charon/ready", "paris")
    site.machine.run("until test -e /run/charon/ready; do sleep 0.1; done", "paris")
    site.apply()


@pytest.mark.parametrize("change", [*CHANGES, "key"])
def test_a_change_is_no_outage(site: Site, change: str) -> None:
    """50 round trips a second, counted by ICMP's sequence numbers from the first answer on."""
    if change == "key":
        site.set_key("second-Wm3Hc8YdKe5-4Lq7XnBz1")
    else:
        site.text = site.text.replace(*CHANGES[change])
        site.write(site.text)
    site.machine.run(f"({PING} 10.2.0.10 > /run/ping 2>&1 & echo $! > /run/ping.pid)")
    site.machine.run("until [ $(grep -c icmp_seq /run/ping) -gt 20 ]; do sleep 0.1; done")
    before = spis(site.machine, "paris")
    site.apply()
    answered = len(answers(site.machine))
    site.machine.run(f"until [ $(grep -c icmp_seq /run/ping) -gt {answered + 20} ]; do sleep 0.1; done")
    site.machine.run("kill -INT $(cat /run/ping.pid)")
    seen = answers(site.machine)
    lost = sorted(set(range(min(seen), max(seen) + 1)) - set(seen))
    count = max(seen) - min(seen) + 1
    sys.stdout.write(f"{change}: {len(lost)} of {count} round trips lost: {lost}\n")
    assert before.isdisjoint(spis(site.machine, "paris")), "the change is in effect: other SAs"
    assert len(lost) <= OUTAGE


def answers(there: Machine) -> list[int]:
    """The sequence numbers that were answered."""
    return [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", there.run("cat /run/ping"))]
