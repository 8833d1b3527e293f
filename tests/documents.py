"""Documents of two sites, paris and tokyo, each with one network behind it and a tunnel to the other."""

from __future__ import annotations

ENDS = (("paris", 1, "tokyo", 2), ("tokyo", 2, "paris", 1))
WAN = """\
apiVersion: tunnelwright/v1
kind: PublicNetwork
metadata: {name: internet}
spec:
  cidr: 203.0.113.0/24
  normalRanges:
    - {name: normal, first: 203.0.113.10, last: 203.0.113.99}
"""
SITE = """\
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata: {{name: {here}-net}}
spec: {{cidr: 10.{me}.0.0/24}}
---
apiVersion: tunnelwright/v1
kind: VpcRouter
metadata: {{name: {here}}}
spec:
  publicNetworks:
    - {{network: internet, interface: eth0, address: 203.0.113.{me}}}
  vpcNetworks:
    - {{network: {here}-net, interface: eth1, address: 10.{me}.0.1}}
"""
TUNNEL = """\
apiVersion: tunnelwright/v1
kind: IPsecTunnel
metadata: {{name: {here}-{there}}}
spec:
  router: {here}
  vip:
    create: {{publicNetwork: internet, address: 203.0.113.1{me}}}
  peer:
    address: 203.0.113.1{far}
    cidrs: [10.{far}.0.0/24]
  authentication:
    mode: psk
"""
"""Ends where the key is to follow: `    key: {{...}}`."""


def document(template: str, here: str) -> str:
    """One site's document."""
    _, me, there, far = next(end for end in ENDS if end[0] == here)
    return template.format(here=here, me=me, there=there, far=far)
