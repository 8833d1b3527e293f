"""The status as text: every IKE_SA and CHILD_SA of every tunnel, and drift."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.absence import Absence
from reconciler.model.fabric import Fabric
from reconciler.model.observation import Observation
from reconciler.model.plan import Plan
from reconciler.model.router_config import ChildSa, IkeSa, RouterState, connection_name
from reconciler.report.line import Line


def status_lines(fabric: Fabric, seen: Observation, plan: Plan) -> Iterator[Line]:
    """Tunnel by tunnel, router by router."""
    drifted = {(c.resource.router, c.resource.name): c.reason for c in plan.changes}
    for router in sorted(fabric.routers):
        if router in seen.failures:
            yield Line(f"{router}: {Absence.of(seen.failures[router])}", "bold red")
            continue
        state = seen.states[router]
        yield Line(f"{router}: strongSwan {state.version}, {state.data_plane} data plane", "bold")
        for tunnel in fabric.tunnels_of(router):
            drift = drifted.get((router, tunnel.name))
            suffix = f"  drift: {drift}" if drift else ""
            if not tunnel.enabled:
                yield Line(f"  {tunnel.name}: disabled{suffix}", "dim")
                continue
            up = tunnel_is_up(state, tunnel.name)
            word, style = ("up", "green") if up else ("down", "red")
            route = f"{tunnel.vip.address} <-> {tunnel.peer_address}"
            yield Line(f"  {tunnel.name}: {word}  {route}{suffix}", style)
            yield from _sa_lines(state.sas_of(connection_name(tunnel.name)))
        used = {tunnel.vip.name for tunnel in fabric.tunnels_of(router)}
        for vip in fabric.vips_of(router):
            if vip.managed and vip.name not in used:
                yield Line(
                    f"  VIP {vip.address} on {vip.interface}: no tunnel uses it ({vip.document})", "dim"
                )
        others = [c for c in plan.changes if c.resource.router == router and not c.resource.is_tunnel]
        for change in others:
            yield Line(f"  drift: {change.resource.kind} {change.resource.name}: {change.reason}", "yellow")


def tunnel_is_up(state: RouterState, tunnel: str) -> bool:
    """True when an IKE_SA is established and a CHILD_SA installed: an IKE_SA alone carries nothing."""
    return any(
        sa.state == "ESTABLISHED" and any(child.state == "INSTALLED" for child in sa.children)
        for sa in state.sas_of(connection_name(tunnel))
    )


def _sa_lines(found: tuple[IkeSa, ...]) -> Iterator[Line]:
    for sa in found:
        role = "initiator" if sa.initiator else "responder"
        yield Line(f"    IKE_SA {sa.id}: {sa.state}, IKEv{sa.version}, {sa.algorithms}, {role}, {sa.age} s")
        for child in sa.children:
            yield Line(f"      {_child_text(child)}")


def _child_text(child: ChildSa) -> str:
    selectors = f"{' '.join(child.local_ts)} === {' '.join(child.remote_ts)}"
    traffic = (
        f"in {child.packets_in} packets {child.bytes_in} bytes, "
        f"out {child.packets_out} packets {child.bytes_out} bytes"
    )
    wire = "ESP in UDP" if child.encapsulated else child.protocol
    return (
        f"CHILD_SA {child.name} {child.id}: {child.state}, {wire} {child.algorithms}, "
        f"SPIs in {child.spi_in} out {child.spi_out}, {selectors}, {traffic}, {child.age} s"
    )
