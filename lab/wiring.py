"""Plugs the containers of a lab together: one shell script, run once in the wire.

The wire is privileged and shares the host's process namespace, so it reaches the network namespace of
every container by process id (`nsenter -t PID -n`). Bridges and veth pairs belong to its namespace and
vanish with it: the host's own network, its firewall and its bridge filter are never involved.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from lab.topology import Node, Topology

PREPARE = """\
set -eu
# br_netfilter would send bridged packets through iptables; in this namespace nothing may interfere.
for knob in arptables ip6tables iptables; do
    file=/proc/sys/net/bridge/bridge-nf-call-$knob
    if [ -w "$file" ]; then echo 0 > "$file"; fi
done
"""


def wiring_script(topology: Topology, pids: Mapping[Node, int]) -> str:
    """The script that makes all bridges and plugs in every node. `pids` are the engine host's."""
    lines = [PREPARE]
    for _kind, _network, bridge in topology.bridges:
        # No snooping: multicast must reach every port, or its absence at the far end proves nothing.
        lines.append(f"ip link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0")
        lines.append(f"echo 1 > /proc/sys/net/ipv6/conf/{bridge}/disable_ipv6 || true")
        lines.append(f"ip link set {bridge} up")
    lines += plugging_lines(topology.nodes, pids)
    return "\n".join(lines) + "\n"


def plugging_lines(nodes: Iterable[Node], pids: Mapping[Node, int]) -> list[str]:
    """Commands that plug nodes into bridges that exist already, as after a container's restart."""
    lines = []
    for node in nodes:
        pid = pids[node]
        batch = []
        for port in node.ports:
            interface = shlex.quote(port.interface)
            lines.append(f"ip link delete {port.wire_name} 2>/dev/null || true")
            lines.append(f"ip link add {port.wire_name} type veth peer name {interface} netns {pid}")
            lines.append(f"ip link set {port.wire_name} master {port.bridge} up")
            batch += [f"address add {address} dev {interface}" for address in port.addresses]
            batch.append(f"link set {interface} up")
        batch += [f"route add {route.destination} via {route.gateway}" for route in node.routes]
        lines.append(f"nsenter -t {pid} -n ip -batch - <<'BATCH'")
        lines += [*batch, "BATCH"]
    return lines


def replugging_script(node: Node, pid: int) -> str:
    """The script that plugs one restarted container in again."""
    return "\n".join([PREPARE, *plugging_lines([node], {node: pid})]) + "\n"


def ports_of(topology: Topology) -> frozenset[str]:
    """Names of all veth ends that a whole wire holds."""
    return frozenset(port.wire_name for node in topology.nodes for port in node.ports)
