"""Documents as an author writes them: one router in two networks, and what is added to that."""

from __future__ import annotations

Data = dict[str, object]


def document(kind: str, name: str, spec: Data, **metadata: object) -> Data:
    return {
        "apiVersion": "tunnelwright/v1",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


def network(name: str, cidr: str) -> Data:
    return document("VpcNetwork", name, {"cidr": cidr})


def tunnel(name: str, **spec: object) -> Data:
    body = {
        "router": "r",
        "vip": {"system": True},
        "peer": {"address": "198.51.100.7", "cidrs": ["10.2.0.0/24"]},
        "source": {"networks": ["lan"]},
        "authentication": {"mode": "psk", "key": {"env": "TUNNELWRIGHT_KEY_K"}},
    }
    return document("IPsecTunnel", name, {**body, **spec})


WAN = document("PublicNetwork", "wan", {"cidr": "203.0.113.0/24"})
LAN = network("lan", "10.1.0.0/24")
ROUTER = document(
    "VpcRouter",
    "r",
    {
        "publicNetworks": [{"network": "wan", "interface": "wan0", "address": "203.0.113.2"}],
        "vpcNetworks": [{"network": "lan", "interface": "lan0", "address": "10.1.0.1"}],
    },
)
BASE = (WAN, LAN, ROUTER)
