"""Plugs the containers of a lab together: `wiring.sh`, run once in the wire, reads what to plug.

The wire is privileged and shares the host's process namespace, so it reaches the network namespace of
every container by process id (`nsenter -t PID -n`). Bridges and veth pairs belong to its namespace and
vanish with it: the host's own network, its firewall and its bridge filter are never involved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources

from lab.topology import Node, Port, Topology


def wiring_script() -> str:
    """The script; its argument is the folder that has the files."""
    return resources.files("lab").joinpath("wiring.sh").read_text("utf-8")


def wiring_files(topology: Topology, pids: Mapping[Node, int]) -> dict[str, str]:
    """Files by name that make all bridges and plug in every node. `pids` are the engine host's."""
    bridges = "".join(f"{bridge}\n" for _kind, _network, bridge in topology.bridges)
    return {"bridges": bridges, **_plugging(topology.nodes, pids)}


def replugging_files(node: Node, pid: int) -> dict[str, str]:
    """Files that plug one restarted container in again."""
    return {"bridges": "", **_plugging([node], {node: pid})}


def _plugging(nodes: Iterable[Node], pids: Mapping[Node, int]) -> dict[str, str]:
    """Files that plug nodes into bridges that exist already."""
    ports, batches = "", {}
    for node in nodes:
        pid, batch = pids[node], ""
        for port in node.ports:
            ports += f"{port.wire_name} {port.interface} {port.bridge} {pid} {_ethernet_address(port)}\n"
            batch += "".join(f"address add {address} dev {port.interface}\n" for address in port.addresses)
            batch += f"link set {port.interface} up\n"
        batch += "".join(f"route add {route.destination} via {route.gateway}\n" for route in node.routes)
        batches[f"{pid}.batch"] = batch
    return {"ports": ports, **batches}


def _ethernet_address(port: Port) -> str:
    """Its own for as long as the lab lives: a router that was restarted is the same one to its neighbours."""
    digest = hashlib.sha256(port.wire_name.encode()).digest()
    # Locally administered (IEEE 802, section 8.4).
    return ":".join(f"{byte:02x}" for byte in (2, *digest[:5]))


def ports_of(topology: Topology) -> frozenset[str]:
    """Names of all veth ends that a whole wire holds."""
    return frozenset(port.wire_name for node in topology.nodes for port in node.ports)
