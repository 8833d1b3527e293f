"""Small Fabrics for the lab's tests, made by hand, and plain strongSwan files to configure them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.model.diagnostic import Location
from reconciler.model.fabric import (
    Attachment,
    DesiredRouter,
    DockerAccess,
    EspPolicy,
    Fabric,
    IdType,
    IkeId,
    IkePolicy,
    PskRef,
    PublicNetwork,
    Tunnel,
    Vip,
    VpcNetwork,
)

HERE = Location("fabric.yaml", 1, 1)
INTERNET = "203.0.113.0/24"
ENDS = (("paris", 1), ("tokyo", 2))


def two_routers() -> Fabric:
    """paris (10.1.0.0/24, VIP .11) and tokyo (10.2.0.0/24, VIP .12), one tunnel between them."""
    routers, vips, tunnels, networks = {}, {}, {}, {}
    for (name, me), (other, far) in (ENDS, ENDS[::-1]):
        cidr = f"10.{me}.0.0/24"
        networks[f"{name}-net"] = VpcNetwork(f"{name}-net", cidr, HERE)
        routers[name] = DesiredRouter(
            name=name,
            access=DockerAccess(name, "/run/charon/charon.vici"),
            management_cidr=None,
            public=(Attachment("internet", INTERNET, "eth0", f"203.0.113.{me}"),),
            vpc=(Attachment(f"{name}-net", cidr, "eth1", f"10.{me}.0.1"),),
            mss=1300,
            give_up_after=6,
            location=HERE,
        )
        vips[f"{name}-vip"] = Vip(
            f"{name}-vip", f"203.0.113.1{me}", 24, "internet", name, "eth0", managed=True, location=HERE
        )
        tunnels[f"{name}-{other}"] = Tunnel(
            name=f"{name}-{other}",
            description="",
            router=name,
            vip=vips[f"{name}-vip"],
            peer_address=f"203.0.113.1{far}",
            local_cidrs=(cidr,),
            peer_cidrs=(f"10.{far}.0.0/24",),
            local_id=IkeId(IdType.IP, f"203.0.113.1{me}"),
            peer_id=IkeId(IdType.IP, f"203.0.113.1{far}"),
            psk=PskRef("env", "TUNNELWRIGHT_KEY_LAB"),
            ike=IkePolicy(2, "sha256", "aes-256", 14, 86400, True, 30, "restart"),
            esp=EspPolicy("sha256", "aes-256", 14, 3600),
            enabled=True,
            location=HERE,
            other_end=f"{other}-{name}",
        )
    public = {"internet": PublicNetwork("internet", INTERNET, HERE)}
    return Fabric(public, networks, routers, vips, tunnels)


def many_tunnels(count: int) -> Fabric:
    """The two routers with up to a hundred tunnels between them (`paris-000`, `tokyo-000`, …), each with
    VIPs and networks of its own."""
    if count > 100:
        raise ValueError("the addresses are for a hundred tunnels")
    base = two_routers()
    vips, tunnels = {}, {}
    for number in range(count):
        for (router, here), (other, far) in (ENDS, ENDS[::-1]):
            name = f"{router}-{number:03d}"
            own, peer = (f"203.0.113.{30 + 100 * (end - 1) + number}" for end in (here, far))
            vips[name] = Vip(name, own, 24, "internet", router, "eth0", managed=True, location=HERE)
            tunnels[name] = replace(
                base.tunnels[f"{router}-{other}"],
                name=name,
                vip=vips[name],
                peer_address=peer,
                local_cidrs=(f"10.{100 + here}.{number}.0/24",),
                peer_cidrs=(f"10.{100 + far}.{number}.0/24",),
                local_id=IkeId(IdType.IP, own),
                peer_id=IkeId(IdType.IP, peer),
                other_end=f"{other}-{number:03d}",
            )
    return replace(base, vips=vips, tunnels=tunnels)


RING = ("ada", "bob", "cyd")


def ring(addresses: Sequence[str]) -> Fabric:
    """Three routers, each with a VIP towards the next one (`ada-out`) and one towards the router before it
    (`ada-in`), and a tunnel between each two. The VIPs have these addresses, in the order of RING, out before
    in."""
    base = two_routers()
    hosts = {
        f"{name}-{way}": addresses[2 * number + (way == "in")]
        for number, name in enumerate(RING)
        for way in ("out", "in")
    }
    routers, networks, vips, tunnels = {}, {}, {}, {}
    for number, name in enumerate(RING, start=1):
        cidr = f"10.{number}.0.0/24"
        networks[name] = VpcNetwork(name, cidr, HERE)
        routers[name] = replace(
            base.routers["paris"],
            name=name,
            access=DockerAccess(name, "/run/charon/charon.vici"),
            public=(Attachment("internet", INTERNET, "eth0", f"203.0.113.{number}"),),
            vpc=(Attachment(name, cidr, "eth1", f"10.{number}.0.1"),),
        )
    for number, name in enumerate(RING):
        after = (number + 1) % 3
        ends = ((f"{name}-out", name, number), (f"{RING[after]}-in", RING[after], after))
        for (vip, router, here), (far, _, there) in (ends, ends[::-1]):
            vips[vip] = Vip(
                vip, hosts[vip], 24, "internet", router, "eth0", managed=True, location=HERE, created=True
            )
            tunnels[vip] = replace(
                base.tunnels["paris-tokyo"],
                name=vip,
                router=router,
                vip=vips[vip],
                peer_address=hosts[far],
                local_cidrs=(f"10.{here + 1}.0.0/24",),
                peer_cidrs=(f"10.{there + 1}.0.0/24",),
                local_id=IkeId(IdType.IP, hosts[vip]),
                peer_id=IkeId(IdType.IP, hosts[far]),
                other_end=far,
            )
    return Fabric(base.public_networks, networks, routers, vips, tunnels)


def number_of(tunnel: str) -> int:
    """`paris-007` -> 7."""
    return int(tunnel.rpartition("-")[2])


def with_system_vip(fabric: Fabric) -> Fabric:
    """The same Fabric, whose paris VIP is one that the router has without this tool."""
    vip = replace(fabric.vips["paris-vip"], managed=False)
    return replace(fabric, vips={**fabric.vips, "paris-vip": vip})


def swanctl_conf(tunnel: Tunnel, psk: str, esp_proposal: str) -> str:
    """One end of a tunnel as a swanctl.conf, established by the first packet."""
    return f"""\
connections {{
  {tunnel.name} {{
    version = 2
    local_addrs = {tunnel.vip.address}
    remote_addrs = {tunnel.peer_address}
    proposals = aes256-sha256-modp2048
    local {{
      auth = psk
      id = {tunnel.local_id.value}
    }}
    remote {{
      auth = psk
      id = {tunnel.peer_id.value}
    }}
    children {{
      {tunnel.name} {{
        local_ts = {",".join(tunnel.local_cidrs)}
        remote_ts = {",".join(tunnel.peer_cidrs)}
        esp_proposals = {esp_proposal}
        start_action = trap
      }}
    }}
  }}
}}
secrets {{
  ike-{tunnel.name} {{
    id-1 = {tunnel.local_id.value}
    id-2 = {tunnel.peer_id.value}
    secret = "{psk}"
  }}
}}
"""


def by_hand(tunnel: Tunnel, file: str, conf: str) -> list[str]:
    """The command that brings a router to where an apply would, without this program: a file of swanctl, and
    what it needs besides IKE: VIP, forwarding, NAT exemption, and a drop for what would leak."""
    directed = ", ".join(cidr.replace(".0/24", ".255") for cidr in tunnel.peer_cidrs)
    script = Path(__file__).with_name("site.sh").read_text()
    vip = f"{tunnel.vip.address}/{tunnel.vip.prefix_length}"
    networks = (", ".join(tunnel.local_cidrs), ", ".join(tunnel.peer_cidrs))
    return ["sh", "-c", script, "site.sh", file, conf, vip, tunnel.vip.interface, *networks, directed]
