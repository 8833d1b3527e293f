"""Writes a desired state of one router with many tunnels, as a user would have it: one file for each."""

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
