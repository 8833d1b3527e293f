"""Documents as an author writes them: one router in two networks, and what is added to that."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reconciler.load.documents import Source
from reconciler.load.reading import read
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import Fabric
from reconciler.validate import validate

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


def peer(*cidrs: str, address: str = "198.51.100.7") -> Data:
    return {"address": address, "cidrs": list(cidrs)}


def addresses() -> Iterator[str]:
    return (
        f"{first}.{second}.{third}.1" for first in (11, 12) for second in range(4) for third in range(256)
    )


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


def validated(documents: list[Data]) -> tuple[Fabric, Diagnostics]:
    content = "\n---\n".join(map(json.dumps, documents)).encode()
    return validate(read({"all.yaml": content}, Source("", ""), Diagnostics()))
