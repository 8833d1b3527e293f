"""Measures the loss of changed tunnels during an apply: a stream of echo requests through each.

The plan says beforehand what each step interrupts; this is how far it was right.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from reconciler.model.bounds import STREAM_PACE, STREAM_SECONDS, STREAMS
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel, probe_addresses
from reconciler.model.observation import Observation
from reconciler.model.operation import Switch
from reconciler.model.outcome import Dropped, Loss
from reconciler.model.plan import Disruption, Phase, Plan
from reconciler.model.router_config import ChildSa
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from schemas.addresses import parse_cidr

INTERVAL = 0.02
"""Seconds between two requests, of few streams: what is lost is known to that. Of many they are more."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A tunnel that carries packets and is about to be changed, and between which addresses."""

    tunnel: Tunnel
    source: str
    destination: str
    predicted: Disruption


_Stream = tuple[_Way, str]
"""One that runs, with what to stop it by."""


@dataclass(slots=True)
class Measured:
    """Filled when the measurement ends."""

    losses: tuple[Loss, ...] = ()
    unmeasured: tuple[str, ...] = ()
    """Changed tunnels that carried packets and were not measured: no address behind them is known to answer,
    none answered, or there are too many."""


@contextlib.contextmanager
def measured(plan: Plan, fabric: Fabric, before: Observation, fleet: Fleet) -> Iterator[Measured]:
    """Measure while the body runs. A router that fails is no error here: its tunnels are not measured."""
    ways, others = _ways(plan, fabric, before)
    by_router: dict[str, list[_Way]] = {}
    for way in ways[:STREAMS]:
        by_router.setdefault(way.tunnel.router, []).append(way)
    result = Measured()
    with fleet.kept() as sessions:
        interval = max(INTERVAL, min(len(ways), STREAMS) / STREAM_PACE)
        started = sessions.each(by_router, partial(_start, ways=by_router, interval=interval))
        running = {
            name: streams for name, streams in started.items() if isinstance(streams, tuple) and streams
        }
        try:
            yield result
        finally:
            stopped = sessions.each(running, partial(_stop, running=running))
    found = [loss for losses in stopped.values() if isinstance(losses, tuple) for loss in losses]
    # Where not one reply came, packets may be lost, or no host answers them.
    result.losses = tuple(loss for loss in found if loss.lost < loss.sent)
    known = {loss.tunnel for loss in result.losses}
    result.unmeasured = (*(way.tunnel.name for way in ways if way.tunnel.name not in known), *others)


def dropped(plan: Plan, before: Observation, after: Observation) -> tuple[Dropped, ...]:
    """What the kernels of the routers that take part in a switch have counted from one observation to the
    other. A counter that went back is that of a router that has started again."""
    switches = [(step.router, step.operation) for step in plan.steps if isinstance(step.operation, Switch)]
    names = {router for router, _ in switches}
    names |= {item.other_end.router for _, item in switches if item.other_end is not None}
    found = []
    for name in sorted(names & before.states.keys() & after.states.keys()):
        first, last = before.states[name].dropped, after.states[name].dropped
        if first is not None and last is not None and last >= first:
            found.append(Dropped(name, last - first))
    return tuple(found)


def _ways(plan: Plan, fabric: Fabric, before: Observation) -> tuple[list[_Way], list[str]]:
    """The changed tunnels that carry packets now and are to go on, one end of each pair: those through which
    echo requests can be sent, and the others."""
    predicted: dict[str, Disruption] = {}
    for change in plan.changes:
        if change.resource.is_tunnel and change.resource.name in fabric.tunnels:
            name = min(end.name for end in fabric.ends_of(change.resource.name))
            known = predicted.get(name, Disruption.NONE)
            # What is taken out of a tunnel is not measured: it has gone for good.
            switches = [step.disruption for step in change.steps if step.phase is Phase.SWITCH]
            predicted[name] = max(known, *switches, key=lambda item: item.rank) if switches else known
    ways, others = [], []
    for name, worst in sorted(predicted.items()):
        tunnel = fabric.tunnels[name]
        children = _carrying(tunnel, before)
        if not (tunnel.enabled and children):
            continue
        ends = probe_addresses(fabric, tunnel)
        if ends is not None and _covered(children, *ends):
            ways.append(_Way(tunnel, *ends, worst))
        else:
            others.append(name)
    return ways, others


def _carrying(tunnel: Tunnel, before: Observation) -> Sequence[ChildSa]:
    """The CHILD_SAs by which a tunnel runs, under whichever name."""
    state = before.states.get(tunnel.router)
    if state is None:
        return ()
    return [child for name in tunnel.connections for child in state.installed(name)]


def _covered(children: Iterable[ChildSa], source: str, destination: str) -> bool:
    return any(
        _within(source, child.local_ts) and _within(destination, child.remote_ts) for child in children
    )


def _within(address: str, selectors: Iterable[str]) -> bool:
    for selector in selectors:
        # charon writes a selector of a protocol or port in another way: not everything goes through it.
        with contextlib.suppress(ValueError):
            if parse_cidr(selector).includes(address):
                return True
    return False


def _start(router: Router, ways: Mapping[str, Sequence[_Way]], interval: float) -> tuple[_Stream, ...]:
    """Begin a stream through each tunnel of this router where it can be done."""
    streams = []
    for way in ways[router.name]:
        with contextlib.suppress(TunnelwrightError):
            token = router.host.start_stream(way.source, way.destination, interval, STREAM_SECONDS)
            streams.append((way, token))
    return tuple(streams)


def _stop(router: Router, running: Mapping[str, Sequence[_Stream]]) -> tuple[Loss, ...]:
    """End the streams of this router; what each of them has seen."""
    losses = []
    for way, token in running[router.name]:
        with contextlib.suppress(TunnelwrightError):
            seen = router.host.stop_stream(token)
            numbers = (seen.sent, seen.lost, seen.longest, seen.silent)
            losses.append(Loss(way.tunnel.name, router.name, way.predicted, *numbers))
    return tuple(losses)
