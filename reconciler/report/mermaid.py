"""A fabric as a Mermaid flowchart, which forges draw in Markdown: routers with their VIPs, the networks
around them, and the tunnels between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from reconciler.model.fabric import Fabric, Tunnel, Vip
from reconciler.report.encoding import mermaid_label
from reconciler.validate.vips import system_vip_name

_SHOWN_CIDRS = 4


def graph_lines(fabric: Fabric) -> Iterator[str]:
    """The flowchart, line by line. Equal fabrics give equal lines; an id follows from its name alone."""
    tunnels = [fabric.tunnels[name] for name in sorted(fabric.tunnels)]
    yield "flowchart LR"
    yield from _networks(fabric)
    yield from _routers(fabric, {tunnel.vip.name for tunnel in tunnels})
    peers = [tunnel for tunnel in tunnels if tunnel.other_end is None]
    yield from _peers(peers)
    yield from _attachments(fabric)
    for tunnel in tunnels:
        # Of two managed ends the first by name draws the line.
        if tunnel.other_end is None or tunnel.name < tunnel.other_end:
            yield _tunnel(fabric, tunnel)
    if peers:
        yield "    classDef unmanaged stroke-dasharray: 2 4"


def _networks(fabric: Fabric) -> Iterator[str]:
    for name in sorted(fabric.public_networks):
        yield f"    {_id('public', name)}{{{{{_label(name, fabric.public_networks[name].cidr)}}}}}"
    for name in sorted(fabric.vpc_networks):
        yield f"    {_id('vpc', name)}[{_label(name, fabric.vpc_networks[name].cidr)}]"


def _routers(fabric: Fabric, used: set[str]) -> Iterator[str]:
    for router in sorted(fabric.routers):
        yield f"    subgraph {_id('router', router)}[{_label(router)}]"
        for vip in fabric.vips_of(router):
            # Every router has a system VIP, most of them for no tunnel.
            if vip.name in used or not _is_system(vip):
                name = "system VIP" if _is_system(vip) else vip.name
                yield f"        {_id('vip', vip.name)}([{_label(name, vip.address)}])"
        yield "    end"


def _is_system(vip: Vip) -> bool:
    return vip.name == system_vip_name(vip.router)


def _peers(tunnels: Iterable[Tunnel]) -> Iterator[str]:
    cidrs: dict[str, list[str]] = {}
    for tunnel in tunnels:
        cidrs.setdefault(tunnel.peer_address, []).extend(tunnel.peer_cidrs)
    for address, found in sorted(cidrs.items()):
        behind = list(dict.fromkeys(found))
        rest = len(behind) - _SHOWN_CIDRS
        words = [*behind[:_SHOWN_CIDRS], *([f"and {rest} more"] if rest > 0 else [])]
        yield f"    {_id('peer', address)}[/{_label('unmanaged peer', address, *words)}/]:::unmanaged"


def _attachments(fabric: Fabric) -> Iterator[str]:
    for name in sorted(fabric.routers):
        router = fabric.routers[name]
        for network in router.vpc:
            yield f"    {_id('vpc', network.network)} --- {_id('router', name)}"
        for network in router.public:
            yield f"    {_id('router', name)} --- {_id('public', network.network)}"


def _tunnel(fabric: Fabric, tunnel: Tunnel) -> str:
    """Thick when it is enabled at every managed end, dashed when it is not."""
    ends = fabric.ends_of(tunnel.name)
    far = _id("peer", tunnel.peer_address) if tunnel.other_end is None else _id("vip", ends[1].vip.name)
    enabled = all(end.enabled for end in ends)
    names = [end.name for end in ends] if tunnel.origin is None else [tunnel.origin.name]
    words = names + ([] if enabled else ["disabled"])
    line = "===" if enabled else "-.-"
    return f"    {_id('vip', tunnel.vip.name)} {line}|{_label(*words)}| {far}"


def _id(kind: str, name: str) -> str:
    """A word that Mermaid takes as an id and not for one of its own, such as `end`."""
    return f"{kind}_{re.sub(r'[^A-Za-z0-9]', '_', name)}"


def _label(*lines: str) -> str:
    """Lines of text in quotes."""
    return f'"{"<br>".join(map(mermaid_label, lines))}"'
