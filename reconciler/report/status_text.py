"""The status as text: a row for each connection, the worst first; in detail every IKE_SA and CHILD_SA."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.filesize import decimal

from reconciler.model.absence import Absence
from reconciler.model.condition import WELL, Carriage, ConnectionCondition, EndCondition, LastChange, State
from reconciler.model.fabric import Fabric
from reconciler.model.listing import counted
from reconciler.model.observation import Observation
from reconciler.model.plan import Plan, ResourceChange
from reconciler.model.router_config import ChildSa, IkeSa
from reconciler.report.line import Line

MANY = 40
"""Connections from which on a table lists those alone that need attention."""

_STYLES = {
    State.UP: "green",
    State.CARRYING: "green",
    State.DISABLED: "dim",
    State.UNKNOWN: "yellow",
    State.DEGRADED: "yellow",
}

TITLES = ("CONNECTION", "STATE", "BETWEEN", "OUT", "IN", "SA AGE", "ALGORITHMS")
PROBED = ("SINCE", "LOSS", "RTT")


def status_lines(
    found: Sequence[ConnectionCondition], now: datetime, *, every: bool, wide: bool
) -> Iterator[Line]:
    """The table and a line that sums it up. Of many connections those alone that need attention are listed,
    unless `every` one is asked for; `wide` adds the addresses of both ends. What the service knows has
    columns of its own where it was asked."""
    shown = found if every or len(found) <= MANY else [one for one in found if one.needs_attention]
    probed = any(one.carriage is not None for one in found)
    rows = [(*row(one, wide=wide), *(probed_cells(one.carriage, now) if probed else ())) for one in shown]
    titles = (*TITLES, *(("ADDRESSES",) if wide else ()), *(PROBED if probed else ()))
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    if rows:
        yield Line(_columns(titles, widths), "bold")
    for one, cells in zip(shown, rows, strict=True):
        yield Line(_columns(cells, widths), _STYLES.get(one.state, "red"))
        if one.reason:
            yield Line(f"    {one.reason}")
        change = one.last_change
        if change is not None and (wide or one.needs_attention):
            yield Line(f"    last change: {last_change_text(change)}")
        for end in one.ends:
            if end.drift:
                yield Line(f"    drift at {end.tunnel.router}: {end.drift}", "yellow")
            if end.moved:
                yield Line(f"    {moved_text(end)}", "yellow")
    yield Line(summary(found), "bold")
    if len(shown) < len(found):
        left = len(found) - len(shown)
        yield Line(f"{left:,} that need no attention are not listed; --all lists them.", "dim")


def router_lines(fabric: Fabric, seen: Observation, plan: Plan, *, detail: bool) -> Iterator[Line]:
    """What concerns no connection: routers that were not observed, unused VIPs, drift of a router as a whole.
    In `detail` also the version of every router."""
    drift: dict[str, list[ResourceChange]] = {}
    for change in plan.changes:
        if not change.resource.is_tunnel:
            drift.setdefault(change.resource.router, []).append(change)
    for router in sorted(fabric.routers):
        if router in seen.failures:
            yield Line(f"{router}: {Absence.of(seen.failures[router])}", "bold red")
        elif detail:
            state = seen.states[router]
            yield Line(f"{router}: strongSwan {state.version}, {state.data_plane} data plane", "bold")
        used = {tunnel.vip.name for tunnel in fabric.tunnels_of(router)}
        for vip in fabric.vips_of(router):
            if vip.managed and vip.name not in used:
                where = f"{router}: VIP {vip.address} on {vip.interface}"
                yield Line(f"{where}: no tunnel uses it ({vip.document})", "dim")
        for change in drift.get(router, ()):
            what = f"{change.resource.kind} {change.resource.name}"
            yield Line(f"{router}: drift: {what}: {change.reason}", "yellow")


def detail_lines(found: Sequence[ConnectionCondition]) -> Iterator[Line]:
    """Every IKE_SA and CHILD_SA of both ends."""
    for one in found:
        yield Line(f"{one.name}: {one.state}", "bold")
        for end in one.ends:
            local, remote = end.addresses
            yield Line(f"  {end.tunnel.name} at {end.tunnel.router}: {end.state}  {local} <-> {remote}")
            yield from _sa_lines(end)


def row(one: ConnectionCondition, *, wide: bool) -> tuple[str, ...]:
    """What the table says of a connection, in the order of TITLES; `wide` adds its addresses."""
    first = one.ends[0]
    children = first.children
    beyond = one.ends[1].tunnel.router if len(one.ends) > 1 else first.tunnel.peer_address
    traffic = ("-", "-")
    if children:
        traffic = (
            _traffic([(child.packets_out, child.bytes_out) for child in children]),
            _traffic([(child.packets_in, child.bytes_in) for child in children]),
        )
    algorithms = sorted({child.algorithms for child in children})
    cells = (
        one.name,
        str(one.state),
        f"{first.tunnel.router} - {beyond}",
        *traffic,
        span(min(child.age for child in children)) if children else "-",
        ", ".join(algorithms) or "-",
    )
    return (*cells, " - ".join(first.addresses)) if wide else cells


def last_change_text(change: LastChange) -> str:
    """When a run changed a connection last, and whose commit asked for it."""
    by = f" by {change.author}" if change.author else ""
    return f"{change.at:%Y-%m-%d %H:%M:%SZ}, commit {change.commit[:12]}{by}"


def probed_cells(known: Carriage | None, now: datetime) -> tuple[str, str, str]:
    """What the table says of what probes know, in the order of PROBED."""
    if known is None:
        return "-", "-", "-"
    usual = f" (usually {known.baseline * 1000:.1f})" if known.baseline is not None else ""
    return (
        span(max(0, int((now - known.since).total_seconds()))),
        "-" if known.loss is None else f"{known.loss:.0%}",
        "-" if known.rtt is None else f"{known.rtt * 1000:.1f} ms{usual}",
    )


def _traffic(counts: Sequence[tuple[int, int]]) -> str:
    packets, octets = (sum(column) for column in zip(*counts, strict=True))
    return f"{decimal(octets)} ({counted(packets, 'packet')})"


def span(seconds: int) -> str:
    """A time span in its two largest units: `2 d 3 h`."""
    found: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count or (found and len(found) < 2):
            found.append(f"{count} {unit}")
    return " ".join(found[:2]) or "0 s"


def _columns(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()


def moved_text(end: EndCondition) -> str:
    """That an end runs between other addresses than it should."""
    live, desired = end.addresses, (end.tunnel.vip.address, end.tunnel.peer_address)
    return f"at {end.tunnel.router} between {' and '.join(live)}; desired: {' and '.join(desired)}"


def summary(found: Sequence[ConnectionCondition]) -> str:
    """`7 of 8 connections are up: 1 down, 2 with drift.`"""
    counts = Counter(one.state for one in found)
    parts = [f"{counts[state]} {state}" for state in State if counts[state] and state not in WELL]
    drifting = sum(one.drifts for one in found)
    parts += [f"{drifting} with drift"] if drifting else []
    enabled = len(found) - counts[State.DISABLED]
    noun = "connection is" if enabled == 1 else "connections are"
    well = sum(counts[state] for state in WELL)
    return f"{well} of {enabled} {noun} up{': ' if parts else ''}{', '.join(parts)}."


def _sa_lines(end: EndCondition) -> Iterator[Line]:
    for sa in end.running:
        yield Line(f"    {ike_text(sa)}")
        for child in sa.children:
            yield Line(f"      {child_text(child)}")


def ike_text(sa: IkeSa) -> str:
    """One IKE_SA in a line, without its CHILD_SAs."""
    role = "initiator" if sa.initiator else "responder"
    return f"IKE_SA {sa.id}: {sa.state}, IKEv{sa.version}, {sa.algorithms}, {role}, {sa.age} s"


def child_text(child: ChildSa) -> str:
    """One CHILD_SA in a line."""
    selectors = f"{' '.join(child.local_ts)} === {' '.join(child.remote_ts)}"
    traffic = (
        f"in {counted(child.packets_in, 'packet')} {counted(child.bytes_in, 'byte')}, "
        f"out {counted(child.packets_out, 'packet')} {counted(child.bytes_out, 'byte')}"
    )
    wire = "ESP in UDP" if child.encapsulated else child.protocol
    return (
        f"CHILD_SA {child.name} {child.id}: {child.state}, {wire} {child.algorithms}, "
        f"SPIs in {child.spi_in} out {child.spi_out}, {selectors}, {traffic}, {child.age} s"
    )
