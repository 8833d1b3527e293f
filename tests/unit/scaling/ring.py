"""A ring of sites: each has a tunnel to the site on either side."""

from __future__ import annotations

from pathlib import Path

_COMMON = """\
apiVersion: tunnelwright/v1
kind: PublicNetwork
metadata: {name: wan}
spec:
  cidr: 198.18.0.0/15
  normalRanges:
    - {name: main, first: 198.18.100.1, last: 198.18.199.254}
---
apiVersion: tunnelwright/v1
kind: FabricDefaults
metadata: {name: defaults}
spec:
  ike: {dhGroup: 14}
"""
_SITE = """\
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata: {{name: net-{site:04}}}
spec: {{cidr: 10.{high}.{low}.0/24}}
---
apiVersion: tunnelwright/v1
kind: VpcRouter
metadata: {{name: router-{site:04}}}
spec:
  publicNetworks:
    - {{network: wan, interface: wan0, address: 198.18.{high}.{low}}}
  vpcNetworks:
    - {{network: net-{site:04}, interface: lan0, address: 10.{high}.{low}.1}}
---
apiVersion: tunnelwright/v1
kind: Vip
metadata: {{name: vip-{site:04}}}
spec: {{router: router-{site:04}, publicNetwork: wan, managed: true, address: {vip}}}
"""
_TUNNEL = """\
apiVersion: tunnelwright/v1
kind: IPsecTunnel
metadata: {{name: tunnel-{site:04}-{other:04}}}
spec:
  router: router-{site:04}
  vip: {{name: vip-{site:04}}}
  peer: {{address: {vip}, cidrs: [10.{high}.{low}.0/24]}}
  source: {{networks: [net-{site:04}]}}
  authentication: {{mode: psk, key: {{file: {first:04}--{last:04}.psk}}}}
"""


_CONNECTION = """\
apiVersion: tunnelwright/v1
kind: IPsecConnection
metadata: {{name: tunnel-{site:04}-{other:04}}}
spec:
  ends:
    - router: router-{site:04}
      vip: {{name: vip-{site:04}}}
      networks: [net-{site:04}]
    - router: router-{other:04}
      vip: {{name: vip-{other:04}}}
      networks: [net-{other:04}]
  authentication: {{mode: psk, key: {{file: {site:04}--{other:04}.psk}}}}
"""


def write_connected_ring(tree: Path, sites: int) -> Path:
    """The same ring with a connection for each two neighbours. The tree."""
    write_ring(tree, sites)
    for file in tree.glob("tunnel-*"):
        file.unlink()
    for site in range(sites):
        other = (site + 1) % sites
        (tree / f"tunnel-{site:04}.yaml").write_text(_CONNECTION.format(site=site, other=other))
    return tree


_STAR = """\
apiVersion: tunnelwright/v1
kind: IPsecTopology
metadata: {{name: star}}
spec:
  star:
    hubs: {{routers: [router-0000]}}
    members: {{routers: [{members}]}}
  vip: {{system: true}}
  authentication: {{mode: psk, key: {{file: "{{a}}--{{b}}.psk"}}}}
"""


def write_star(tree: Path, sites: int) -> Path:
    """The sites of the ring, each joined to the first by one topology. The tree."""
    write_ring(tree, sites)
    for file in tree.glob("tunnel-*"):
        file.unlink()
    members = ", ".join(f"router-{site:04}" for site in range(1, sites))
    (tree / "star.yaml").write_text(_STAR.format(members=members))
    return tree


def write_ring(tree: Path, sites: int) -> Path:
    """Documents of so many sites, 3 to 25,000: a file for each, and for each end of a tunnel. The tree."""
    tree.mkdir()
    (tree / "common.yaml").write_text(_COMMON)
    for site in range(sites):
        (tree / f"site-{site:04}.yaml").write_text(_SITE.format(site=site, **_addresses(site)))
        for other in ((site + 1) % sites, (site - 1) % sites):
            first, last = sorted((site, other))
            text = _TUNNEL.format(site=site, other=other, first=first, last=last, **_addresses(other))
            (tree / f"tunnel-{site:04}-{other:04}.yaml").write_text(text)
    return tree


def _addresses(site: int) -> dict[str, object]:
    high, low = site // 250, site % 250 + 1
    return {"high": high, "low": low, "vip": f"198.18.{100 + high}.{low}"}
