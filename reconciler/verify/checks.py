"""Live routers -> checks: whether each tunnel carries traffic as desired. Sends real packets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from reconciler.facets import sas
from reconciler.facets.sas import agreement
from reconciler.model.absence import Absence
from reconciler.model.condition import State
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.listing import counted
from reconciler.model.observation import Observation
from reconciler.model.outcome import Check, Echoes
from reconciler.model.router_config import ChildSa, RouterConfig, RouterState, connection_name


@dataclass(frozen=True, slots=True)
class Probed:
    """What was learnt about a fabric: `before` and `after` lie on either side of the probe; `echoes` has
    the tunnels between managed ends, each with what came back or why it was not probed."""

    fabric: Fabric
    desired: Mapping[str, RouterConfig]
    before: Observation
    after: Observation
    echoes: Mapping[str, Echoes | TunnelwrightError]


def check_tunnels(probed: Probed) -> Iterator[Check]:
    """The verdicts over every enabled tunnel. Pure."""
    tunnels = probed.fabric.tunnels
    for tunnel in (tunnels[name] for name in sorted(tunnels)):
        if tunnel.enabled:
            yield from check_tunnel(probed, tunnel)


def check_tunnel(probed: Probed, tunnel: Tunnel) -> Iterator[Check]:
    """The verdicts over one enabled tunnel. Pure."""
    state = probed.after.states.get(tunnel.router)
    if state is None:
        failure = probed.after.failures.get(tunnel.router)
        why = Absence.of(failure).sentence(tunnel.router) if failure is not None else "it was not observed"
        yield Check(f"{tunnel.name}: up", False, why)
        return
    name = connection_name(tunnel.name)
    connection = probed.desired[tunnel.router].connections[name]
    children = state.installed(name)
    missing = sorted(set(connection.children) - {child.name for child in children})
    spis = _pairs(children)
    yield Check(
        f"{tunnel.name}: up",
        not missing,
        f"CHILD_SAs {spis} (in/out)" if not missing else f"no CHILD_SA for {', '.join(missing)}",
    )
    stale = [change for sa in state.sas_of(name) for change in sas.stale_fields(connection, sa)]
    negotiated = ", ".join(sorted({child.algorithms for child in children}))
    yield Check(
        f"{tunnel.name}: negotiated as desired",
        bool(children) and not stale,
        "; ".join(f"{c.path} is {c.before}, not {c.after}" for c in stale) or negotiated or "no SA",
    )
    other = probed.fabric.tunnels.get(tunnel.other_end or "")
    if other is not None and other.router in probed.after.states:
        yield _check_agreement(tunnel, state, probed.after.states[other.router], other)
    if tunnel.name in probed.echoes:
        yield _check_traffic(probed.before, state, tunnel, probed.echoes[tunnel.name])


def _check_agreement(tunnel: Tunnel, here: RouterState, there: RouterState, other: Tunnel) -> Check:
    """What either end takes for current the other one holds as well, be it as one that another has followed
    (IKEv1 keeps both until the older one expires)."""
    ours = here.sas_of(connection_name(tunnel.name))
    theirs = there.sas_of(connection_name(other.name))
    alone = [child for child in agreement.one_sided(ours, theirs) if child.installed]
    missing = [child for child in agreement.one_sided(theirs, ours) if child.installed]
    evidence = f"{_pairs(agreement.installed(ours))} at both"
    if alone or missing:
        turned = ", ".join(f"{child.spi_out}/{child.spi_in}" for child in missing)
        evidence = f"only here: {_pairs(alone) or 'none'}; only at {other.router}: {turned or 'none'}"
    name = f"{tunnel.name}: both ends hold the same SAs"
    return Check(name, bool(agreement.installed(ours)) and not alone and not missing, evidence)


def _pairs(children: Iterable[ChildSa]) -> str:
    return ", ".join(f"{child.spi_in}/{child.spi_out}" for child in children)


def _check_traffic(
    before: Observation, state: RouterState, tunnel: Tunnel, echoes: Echoes | TunnelwrightError
) -> Check:
    """Replies came back, and they came through the tunnel's own CHILD_SAs."""
    if isinstance(echoes, TunnelwrightError):
        return Check(f"{tunnel.name}: traffic", False, f"not probed from {tunnel.router}: {echoes.message}")
    name = connection_name(tunnel.name)
    earlier = before.states.get(tunnel.router)
    known = {c.id: c for c in agreement.carrying(earlier.sas_of(name))} if earlier is not None else {}
    carrying = agreement.carrying(state.sas_of(name))
    received = sum(
        child.packets_in - (known[child.id].packets_in if child.id in known else 0) for child in carrying
    )
    # In the words of `status` and of the service's probes.
    shown = State.DEGRADED if echoes.received else State.SILENT
    word = f"{shown}: " if carrying and echoes.received < echoes.sent else ""
    return Check(
        f"{tunnel.name}: traffic",
        echoes.received == echoes.sent and received >= echoes.sent,
        f"{word}{echoes.received} of {echoes.sent} echo replies, "
        f"{counted(received, 'packet')} decrypted by its CHILD_SAs",
    )


def check_unaffected(changed: frozenset[str], before: Observation, after: Observation) -> tuple[Check, ...]:
    """One check for each router: connections outside `changed` that had CHILD_SAs still hold their SPIs. An
    SA that its peer did not hold any more was broken already, by whatever had restarted the peer."""
    checks = []
    held = {
        (child.spi_out, child.spi_in)
        for state in before.states.values()
        for sa in state.sas
        for child in sa.children
    }
    known = {address.host for state in before.states.values() for address in state.addresses}
    for router in sorted(set(before.states) & set(after.states)):
        running = {sa.connection for sa in before.states[router].sas} - changed
        names = {name for name in running if _spis(before.states[router], name)}
        lost = [
            name
            for name in sorted(names)
            if not _alive(before.states[router], name, held, known) <= _spis(after.states[router], name)
        ]
        if names:
            one, many = "unrelated tunnel kept its SPIs", "unrelated tunnels kept their SPIs"
            evidence = f"{len(names) - len(lost)} of {counted(len(names), one, many)}"
            suffix = f"; changed: {', '.join(lost)}" if lost else ""
            checks.append(Check(f"{router}: unrelated tunnels untouched", not lost, evidence + suffix))
    return tuple(checks)


def _alive(
    state: RouterState, connection: str, held: Set[tuple[str, str]], known: Set[str]
) -> set[tuple[str, str]]:
    """The SPIs of a connection, without those of a peer that was observed too and does not hold them."""
    peers = {sa.remote_address for sa in state.sas_of(connection)}
    spis = _spis(state, connection)
    return {pair for pair in spis if pair in held} if peers <= known else spis


def _spis(state: RouterState, connection: str) -> set[tuple[str, str]]:
    return {(child.spi_in, child.spi_out) for child in state.installed(connection)}
