"""Causes of tunnels that are down or carry nothing: what is done by hand on a router, and its findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.topology import Role
from tests.lab.bench import ESP, ESP_DROP, IKE, IKE_DROP, THEIRS, Bench


def drop_vip(bench: Bench) -> None:
    bench.sh("router-b", "ip address delete 203.0.113.20/24 dev wan0")


def drop_guard(bench: Bench) -> None:
    """At a tunnel that is kept down by something that is no drift."""
    bench.load(lambda s: s.update(proposals=["aes128-sha256-modp2048"]))
    bench.sh("router-a", "nft delete table inet tunnelwright")


def forget(bench: Bench) -> None:
    """The responder loses its SAs without a word."""
    bench.diagnose()
    (bench.lab.places.run("router-b") / "ready").unlink()
    bench.sh("router-b", "pkill -KILL charon-systemd")
    bench.lab.wait_ready("router-b")


def take_vip(bench: Bench) -> None:
    """The bystander takes the VIP, and asks for router-a in its name, by which router-a learns of it."""
    learns = "ip neigh flush dev eth0; ping -c 1 -W 1 -I 203.0.113.20 203.0.113.10; true"
    script = f"ip address add 203.0.113.20/24 dev eth0; {learns}"
    bench.lab.run(Role.BYSTANDER, "wan", ["sh", "-c", script])


def translate(bench: Bench) -> None:
    """A NAT on the path, which keeps no state."""
    bench.wire(
        "iifname {router-a} oifname {router-b} ip saddr 203.0.113.10 udp sport 500 ip saddr set 203.0.113.2",
        "iifname {router-b} oifname {router-a} ip daddr 203.0.113.2 udp dport 500 ip daddr set 203.0.113.10",
    )


def try_in_vain(bench: Bench) -> None:
    """The peer sends, and receives nothing."""
    bench.nft("router-b", IKE_DROP)
    bench.sh("router-b", f"swanctl --initiate --child net --ike {THEIRS} --timeout 1; true")


def claim(bench: Bench) -> None:
    foreign = {
        "local_addrs": ["203.0.113.3"],
        "remote_addrs": ["203.0.113.77"],
        "local": {"auth": "psk"},
        "remote": {"auth": "psk"},
        "children": {
            "all": {"local_ts": ["10.2.0.0/16"], "remote_ts": ["10.0.0.0/8"], "start_action": "trap"}
        },
    }
    bench.vici("router-b", "load-conn", {"foreign": foreign})


@dataclass(frozen=True, slots=True)
class Cause:
    """What is done by hand, and what has to be said of it: (code, tunnel, path) of each finding."""

    name: str
    make: Callable[[Bench], None]
    expected: frozenset[tuple[str, str, str]]
    words: str = ""
    up: bool = False
    """The tunnel stays up while it is made."""
    rekey: bool = False
    listed: bool = False
    """What is loaded by hand is listed by charon from 6.0.7 on, so that it is drift there."""
    all_udp: bool = False
    """It also concerns ESP in UDP, which 5.9.8 sends with the userspace data plane."""

    def findings(self, bench: Bench) -> frozenset[tuple[str, str, str]]:
        """What has to be said of it between the releases of a bench."""
        found = set(self.expected)
        if self.listed and bench.version("router-b") >= (6, 0, 7):
            found.add(DRIFT)
        if self.all_udp and min(map(bench.version, ("router-a", "router-b"))) < (6,):
            found.add(("esp-blocked", "b-to-a", "spec.peer.address"))
        return frozenset(found)


def lost(way: str, matches: tuple[str, ...]) -> tuple[str, ...]:
    """Rules of the wire that drop what matches."""
    return tuple(f"{way} {match} drop" for match in matches)


def cause(
    name: str, make: Callable[[Bench], None], *expected: tuple[str, str, str], words: str = "", **flags: bool
) -> Cause:
    return Cause(name, make, frozenset(expected), words, **flags)


DRIFT = ("drift", "b-to-a", "spec.router")
NEGOTIATED = [
    cause(
        "wrong key",
        lambda b: b.load_key(b"another key altogether"),
        ("wrong-key", "a-to-b", "spec.authentication.key"),
    ),
    cause(
        "IKE proposal",
        lambda b: b.load(lambda s: s.update(proposals=["aes128-sha256-modp2048"])),
        ("ike-proposal-mismatch", "b-to-a", "spec.ike.encryption"),
        words="configured proposals: IKE:AES_CBC_128/",
        listed=True,
    ),
    cause(
        "ESP proposal",
        lambda b: b.load(b.child(esp_proposals=["aes256-sha512-modp2048"])),
        ("esp-proposal-mismatch", "b-to-a", "spec.ipsec.integrity"),
        words="configured proposals: ESP:AES_CBC_256/HMAC_SHA2_512_256",
        listed=True,
    ),
    cause(
        "peer expects another ID",
        lambda b: b.load(lambda s: s["remote"].update(id="fqdn:other")),
        ("id-mismatch", "b-to-a", "spec.identity.peer"),
        DRIFT,
    ),
    cause(
        "peer has another ID",
        lambda b: b.load(lambda s: s["local"].update(id="fqdn:other")),
        ("id-mismatch", "b-to-a", "spec.identity.local"),
        DRIFT,
    ),
    cause(
        "selectors",
        lambda b: b.load(b.child(local_ts=["10.99.0.0/24"])),
        ("selector-mismatch", "b-to-a", "spec.source"),
        DRIFT,
    ),
    cause(
        "narrowing",
        lambda b: b.load(b.child(local_ts=["10.2.0.0/25"])),
        ("selector-narrowed", "b-to-a", "spec.source"),
        DRIFT,
    ),
]
PFS = cause(
    "PFS",
    lambda b: b.load(b.child(esp_proposals=["aes256-sha256-modp3072"])),
    ("pfs-mismatch", "b-to-a", "spec.ipsec.pfs"),
    words="MODP_3072",
    listed=True,
)
AROUND = [
    cause(
        "PFS that only a rekey shows",
        PFS.make,
        *PFS.expected,
        words=PFS.words,
        rekey=True,
        listed=True,
    ),
    cause(
        "connection not loaded",
        lambda b: b.vici("router-b", "unload-conn", {"name": THEIRS}),
        DRIFT,
    ),
    cause(
        "nothing keeps it from leaking",
        drop_guard,
        ("cleartext-leak", "a-to-b", "spec.router"),
        ("ike-proposal-mismatch", "b-to-a", "spec.ike.encryption"),
        listed=True,
    ),
    cause("one end has forgotten", forget, ("one-sided-sa", "a-to-b", "spec.ike.dpd")),
    cause("VIP missing", drop_vip, ("vip-missing", "b-to-a", "spec.vip")),
    cause(
        "IKE dropped at the responder",
        lambda b: b.nft("router-b", IKE_DROP),
        ("ike-blocked", "b-to-a", "spec.peer.address"),
        words="retransmit 1 of request",
    ),
    cause(
        "IKE dropped at the responder once it is up",
        lambda b: b.nft("router-b", IKE_DROP),
        ("ike-blocked", "b-to-a", "spec.peer.address"),
        up=True,
        all_udp=True,
    ),
    cause(
        "IKE dropped on the path once it is up, as a rekeying shows",
        lambda b: b.wire(*lost("oifname {router-b}", IKE)),
        ("ike-blocked", "a-to-b", "spec.peer.address"),
        words="retransmit 1 of request",
        up=True,
        rekey=True,
    ),
    cause(
        "ESP dropped on the path",
        lambda b: b.wire(*lost("oifname {router-b}", ESP)),
        ("esp-blocked", "b-to-a", "spec.peer.address"),
        words="0 decrypted at router-b",
        up=True,
    ),
    cause(
        "ESP dropped on the way back",
        lambda b: b.wire(*lost("iifname {router-b}", ESP)),
        ("esp-blocked", "a-to-b", "spec.peer.address"),
        words="0 decrypted at router-a",
        up=True,
    ),
    cause(
        "large packets lost on the path",
        lambda b: b.wire("oifname {router-b} ip length gt 1300 drop"),
        ("path-mtu", "a-to-b", "spec.mss"),
        up=True,
    ),
    cause(
        "the peer address is the router's own",
        lambda b: b.sh("router-a", "ip address add 203.0.113.20/24 dev wan0"),
        ("peer-is-local", "a-to-b", "spec.peer.address"),
        up=True,
    ),
    cause("another machine has the VIP", take_vip, ("duplicate-address", "b-to-a", "spec.vip"), up=True),
    cause(
        "a NAT on the path",
        translate,
        ("address-translated", "b-to-a", "spec.peer.address"),
        words="no IKE config found for 203.0.113.20...203.0.113.2",
    ),
    cause(
        "ESP dropped",
        lambda b: b.nft("router-b", ESP_DROP),
        ("esp-blocked", "b-to-a", "spec.peer.address"),
        words="0 decrypted at router-b",
        up=True,
    ),
    cause(
        "NAT before the exemption",
        lambda b: b.nft("router-b", "add rule inet foreign early ip saddr 10.2.0.0/24 masquerade"),
        ("nat-steals", "b-to-a", "spec.source"),
        up=True,
    ),
    cause(
        "a more specific route",
        lambda b: b.sh("router-b", "ip route add 10.1.0.0/26 via 203.0.113.254 dev wan0 table 220"),
        ("route-steals", "b-to-a", "spec.peer.cidrs"),
        up=True,
    ),
    cause(
        "forwarding dropped",
        lambda b: b.nft("router-b", "add rule inet foreign forward ip daddr 10.2.0.0/24 drop"),
        ("forward-blocked", "b-to-a", "spec.source"),
        up=True,
    ),
    cause(
        "a foreign policy",
        claim,
        ("overlapping-policy", "b-to-a", "spec.peer.cidrs"),
        up=True,
    ),
]
