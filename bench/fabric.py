"""Writes desired states as a user would have them, one file for each tunnel end: one router with many
tunnels, and a fleet of routers."""

from __future__ import annotations

from pathlib import Path

ROUTER = "bench"
KEY = "bench.psk"

_SITE = """\
apiVersion: tunnelwright/v1
kind: PublicNetwork
metadata: {{name: wan}}
spec:
  cidr: 198.18.0.0/15
  normalRanges:
    - {{name: main, first: 198.18.0.10, last: 198.18.0.99}}
---
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata: {{name: lan}}
spec: {{cidr: 10.0.0.0/24}}
---
apiVersion: tunnelwright/v1
kind: VpcRouter
metadata: {{name: {router}}}
spec:
  publicNetworks:
    - {{network: wan, interface: wan0, address: 198.18.0.2}}
  vpcNetworks:
    - {{network: lan, interface: lan0, address: 10.0.0.1}}
---
apiVersion: tunnelwright/v1
kind: FabricDefaults
metadata: {{name: defaults}}
spec:
  ike: {{dhGroup: 14}}
"""

_TUNNEL = """\
apiVersion: tunnelwright/v1
kind: IPsecTunnel
metadata:
  name: {name}
spec:
  description: customer {number}, third-party device
  router: {router}
  vip:
    system: true
  peer:
    address: {peer}
    cidrs:
      - {cidr}
  source:
    networks: [lan]
  authentication:
    mode: psk
    key: {{file: {key}}}
  ike:
    version: 2
    encryption: aes-256
    integrity: sha256
  ipsec:
    encryption: aes-256
    integrity: {integrity}
    pfs: dh-group14
"""


def tunnel_file(number: int) -> str:
    """The file of one tunnel, below the tree."""
    return f"tunnels/{number // 100:03d}/{tunnel_name(number)}.yaml"


def tunnel_name(number: int) -> str:
    """The name of one tunnel."""
    return f"customer-{number:05d}"


def tunnel_text(number: int, integrity: str = "sha256") -> str:
    """One tunnel's document; `number` is below 60,000."""
    return _TUNNEL.format(
        name=tunnel_name(number),
        number=number,
        router=ROUTER,
        key=KEY,
        peer=f"198.19.{number // 250}.{number % 250 + 1}",
        cidr=f"172.{16 + number // 4096}.{number // 16 % 256}.{number % 16 * 16}/28",
        integrity=integrity,
    )


def write_tree(folder: Path, tunnels: int) -> None:
    """The whole desired state."""
    (folder / "site.yaml").write_text(_SITE.format(router=ROUTER))
    for number in range(tunnels):
        path = folder / tunnel_file(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tunnel_text(number))


_FLEET = """\
apiVersion: tunnelwright/v1
kind: PublicNetwork
metadata: {{name: wan}}
spec:
  cidr: 198.18.0.0/15
  normalRanges:
    - {{name: main, first: 198.19.0.1, last: 198.19.255.254}}
---
apiVersion: tunnelwright/v1
kind: FabricDefaults
metadata: {{name: defaults}}
spec:
  ike: {{dhGroup: 14}}
  ipsec: {{lifetime: {lifetime}}}
"""
_SITE_OF_FLEET = """\
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata:
  name: lan-{site:04}
spec:
  cidr: 10.{high}.{low}.0/24
---
apiVersion: tunnelwright/v1
kind: VpcRouter
metadata:
  name: site-{site:04}
spec:
  publicNetworks:
    - network: wan
      interface: wan0
      address: 198.18.{high}.{low}
  vpcNetworks:
    - network: lan-{site:04}
      interface: lan0
      address: 10.{high}.{low}.1
---
apiVersion: tunnelwright/v1
kind: Vip
metadata:
  name: vip-{site:04}
spec:
  router: site-{site:04}
  publicNetwork: wan
  managed: true
  address: 198.19.{high}.{low}
"""
_END_OF_FLEET = """\
apiVersion: tunnelwright/v1
kind: IPsecTunnel
metadata:
  name: {name}
spec:
  description: site {site} to site {other}
  router: site-{site:04}
  vip:
    name: vip-{site:04}
  peer:
    address: 198.19.{high}.{low}
    cidrs:
      - 10.{high}.{low}.0/24
  source:
    networks: [lan-{site:04}]
  authentication:
    mode: psk
    key:
      file: {first:04}--{last:04}.psk
  ike:
    version: 2
    encryption: {encryption}
    integrity: sha256
  ipsec:
    encryption: aes-256
    integrity: sha256
    pfs: dh-group14
"""
LIFETIME = 3600
"""Seconds of a CHILD_SA, by the fleet's one document of defaults."""


def fleet_text(lifetime: int = LIFETIME) -> str:
    """The documents of the whole fleet: its public network and its defaults."""
    return _FLEET.format(lifetime=lifetime)


def end_file(site: int, other: int) -> str:
    """The file of one tunnel end, below the tree."""
    return f"tunnels/{site:04}/{site:04}-{other:04}.yaml"


def end_text(site: int, other: int, encryption: str = "aes-256") -> str:
    """The document of a site's end of the tunnel to another one."""
    first, last = sorted((site, other))
    high, low = _place(other)
    return _END_OF_FLEET.format(
        name=f"tunnel-{site:04}-{other:04}",
        site=site,
        other=other,
        first=first,
        last=last,
        high=high,
        low=low,
        encryption=encryption,
    )


def neighbours(site: int, routers: int, ends: int) -> list[int]:
    """The sites to which one has a tunnel: the `ends` nearest of a ring."""
    return [(site + step) % routers for half in range(1, ends // 2 + 1) for step in (half, -half)]


def write_fleet(folder: Path, routers: int, ends: int) -> None:
    """A ring of at most 60,000 sites with one router each, which has a named VIP and an even number of tunnel
    ends."""
    (folder / "fleet.yaml").write_text(fleet_text())
    (folder / "sites").mkdir()
    for site in range(routers):
        high, low = _place(site)
        text = _SITE_OF_FLEET.format(site=site, high=high, low=low)
        (folder / "sites" / f"{site:04}.yaml").write_text(text)
        (folder / "tunnels" / f"{site:04}").mkdir(parents=True)
        for other in neighbours(site, routers, ends):
            (folder / end_file(site, other)).write_text(end_text(site, other))


def _place(site: int) -> tuple[int, int]:
    """The third and fourth number of a site's addresses; the second and third of its network's."""
    return site // 250, site % 250 + 1
