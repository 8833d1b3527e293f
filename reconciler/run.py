"""The pipeline put together: Fabric -> preview -> apply -> report. What the command line calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reconciler.apply import Progress, apply_plan
from reconciler.compile import compile_router
from reconciler.diagnosis import Finding, diagnose
from reconciler.diagnosis.finding import locate
from reconciler.examine import examine
from reconciler.facets.connections import connection_name
from reconciler.load import Document
from reconciler.measure import Measured, measured
from reconciler.model import bounds
from reconciler.model.absence import Absence
from reconciler.model.errors import KeysDiffer, PlanUnsafe, TunnelwrightError, WeakKey
from reconciler.model.fabric import Fabric, PskRef
from reconciler.model.observation import Observation
from reconciler.model.outcome import Check, Outcome, Status
from reconciler.model.plan import LoadSecret, Plan, ResourceChange
from reconciler.model.router_config import PREFIX, RouterConfig
from reconciler.model.secret import Secret
from reconciler.observe import observe
from reconciler.plan import Selector, make_plan
from reconciler.policy import Judgement, Override, judge
from reconciler.routers.fleet import PARALLELISM, Connect
from reconciler.routers.quota import within
from reconciler.secrets import STRONG_KEY_HINT, SecretStore, weakness
from reconciler.verify import Probed, check_tunnel, check_tunnels, check_untouched, probe


def everything(_: object) -> bool:
    """The selector that leaves nothing out."""
    return True


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with what it was made from."""

    fabric: Fabric
    desired: dict[str, RouterConfig]
    observation: Observation
    plan: Plan
    selected: Selector = everything
    reconnect: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Applied:
    """An apply with its proof: the outcome of each step, what is still different, the checks, the cost."""

    outcomes: tuple[Outcome, ...]
    remaining: Plan
    checks: tuple[Check, ...]
    cost: Measured
    """What it cost the tunnels that were changed."""
    after: Observation
    """The routers that were to be changed, as they are now."""

    @property
    def unfinished(self) -> tuple[str, ...]:
        """What keeps it from being converged, a sentence each: a step that was not done and what its router
        said of it, what is still different, a check that failed."""
        return (
            *(
                f"{outcome.step.router}: {outcome.step.summary}: {outcome.status}: {outcome.message}"
                for outcome in self.outcomes
                if outcome.status is not Status.DONE
            ),
            *(
                f"{change.resource}: {change.reason or 'still differs'}"
                f" ({', '.join(field.path for field in change.changes) or change.action})"
                for change in self.remaining.changes
            ),
            *(f"{check.name}: {check.evidence}" for check in self.checks if not check.passed),
        )

    @property
    def converged(self) -> bool:
        """True when every step was done, nothing is left to do and every check passed."""
        return not self.unfinished


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One tunnel: its managed ends, and what is wrong between them, each with the field to blame."""

    tunnels: tuple[str, ...]
    findings: tuple[Finding, ...]


def compile_fabric(fabric: Fabric, store: SecretStore) -> dict[str, RouterConfig]:
    """What every router should hold.

    Raises SecretUnavailable, and KeysDiffer before anything is touched.
    """
    keys = keys_of(fabric, store)
    if not keys:
        fingerprint_key = Secret(b"")
    elif fabric.fingerprint_key is not None:
        fingerprint_key = keys[fabric.fingerprint_key]
    else:
        fingerprint_key = store.fingerprint_key()
    return {name: compile_router(fabric, name, keys, fingerprint_key) for name in sorted(fabric.routers)}


def keys_of(fabric: Fabric, store: SecretStore) -> dict[PskRef, Secret]:
    """The key of every enabled tunnel, and the one that makes fingerprints where the fabric names it.

    Raises SecretUnavailable and KeysDiffer.
    """
    wanted = {tunnel.psk for tunnel in fabric.tunnels.values() if tunnel.enabled}
    if wanted and fabric.fingerprint_key is not None:
        wanted.add(fabric.fingerprint_key)
    keys = store.keys(wanted)
    _check_equal(fabric, keys)
    return keys


def _check_equal(fabric: Fabric, keys: Mapping[PskRef, Secret]) -> None:
    """Both ends of a managed pair must hold one key, whatever each of them calls it."""
    different = [
        f"{tunnel.location} ({tunnel.psk}) and {mirror.location} ({mirror.psk})"
        for name, tunnel in sorted(fabric.tunnels.items())
        if (mirror := fabric.tunnels.get(tunnel.mirror or "")) is not None
        and name < mirror.name
        and tunnel.enabled
        and mirror.enabled
        and keys[tunnel.psk] != keys[mirror.psk]
    ]
    if different:
        raise KeysDiffer(
            "the two ends of a tunnel have different keys: " + "; ".join(different),
            hint="let both ends refer to one key, or give both references the same one",
        )


def preview(
    fabric: Fabric,
    store: SecretStore,
    connect: Connect,
    selected: Selector = everything,
    *,
    parallelism: int = PARALLELISM,
    reconnect: frozenset[str] = frozenset(),
) -> Preview:
    """Compile, observe and plan. Changes nothing.

    Raises SecretUnavailable, and KeysDiffer. A router that does not answer is part of the plan, not an
    exception.
    """
    desired = compile_fabric(fabric, store)
    return compare(fabric, desired, connect, selected, parallelism=parallelism, reconnect=reconnect)


def compare(
    fabric: Fabric,
    desired: dict[str, RouterConfig],
    connect: Connect,
    selected: Selector = everything,
    *,
    parallelism: int = PARALLELISM,
    reconnect: frozenset[str] = frozenset(),
) -> Preview:
    """Observe and plan what was compiled before."""
    observation = look(desired, connect, parallelism)
    plan = _plan(desired, observation, selected, reconnect)
    return Preview(fabric, desired, observation, plan, selected, reconnect)


def narrowed(before: Preview, also: Selector) -> Preview:
    """A preview from the same look, of what is selected already and by `also`."""

    def selected(change: ResourceChange) -> bool:
        return before.selected(change) and also(change)

    plan = _plan(before.desired, before.observation, selected, before.reconnect)
    return replace(before, plan=plan, selected=selected)


def without(before: Preview, failures: Mapping[str, TunnelwrightError]) -> Preview:
    """A preview from the same look, in which some routers have no part; tunnels with an end there are
    withheld."""
    if not failures:
        return before
    seen = before.observation
    states = {name: state for name, state in seen.states.items() if name not in failures}
    observation = Observation(states, {**seen.failures, **failures})
    plan = _plan(before.desired, observation, before.selected, before.reconnect)
    return replace(before, observation=observation, plan=plan)


def judge_preview(before: Preview, overrides: frozenset[Override] = frozenset()) -> Judgement:
    """What of a preview's plan may be done now."""
    return judge(before.plan, before.fabric, before.observation.states, datetime.now(UTC), overrides)


def check_safe(judgement: Judgement) -> None:
    """Raises PlanUnsafe with every reason when a plan is refused."""
    if judgement.refusals:
        reasons = "; ".join(found.reason for found in judgement.refusals)
        raise PlanUnsafe(f"refused as unsafe, nothing was done: {reasons}")


def renewed(before: Preview, connect: Connect, parallelism: int = PARALLELISM) -> Preview:
    """Look again at the routers that a plan changes, and plan the same resources for them alone."""
    planned = {change.resource for change in before.plan.changes}
    return compare(
        before.fabric,
        {name: before.desired[name] for name in sorted(before.plan.routers)},
        connect,
        lambda change: change.resource in planned,
        parallelism=parallelism,
        reconnect=before.reconnect,
    )


def look(desired: dict[str, RouterConfig], connect: Connect, parallelism: int = PARALLELISM) -> Observation:
    """Observe every router of a compiled fabric."""
    adopted = {
        name: frozenset(
            old for item in config.connections.values() for old in item.former if not old.startswith(PREFIX)
        )
        for name, config in desired.items()
    }
    return observe(connect, {name: config.sysctls for name, config in desired.items()}, parallelism, adopted)


def _plan(
    desired: dict[str, RouterConfig],
    seen: Observation,
    selected: Selector,
    reconnect: frozenset[str] = frozenset(),
) -> Plan:
    failures = {name: Absence.of(error) for name, error in seen.failures.items()}
    return make_plan(desired, seen.states, failures, selected, reconnect)


def within_one_apply(connect: Connect, plan: Plan) -> Connect:
    """Connections that are to apply a plan: all answers of one router together have a time, which grows with
    its steps, from its lock to its proof."""
    steps = Counter(step.router for change in plan.changes for step in change.steps)
    return within(
        connect,
        lambda name: bounds.ROUTER_APPLY_SECONDS_IN_ALL + bounds.ROUTER_STEP_SECONDS * steps[name],
        "one apply",
    )


def apply(
    before: Preview,
    connect: Connect,
    *,
    patience: float = 10.0,
    parallelism: int = PARALLELISM,
    progress: Progress = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Applied:
    """Run a preview's plan, look again, and prove: the plan is empty now, unrelated tunnels kept their
    SPIs. Steps that fail are outcomes, not exceptions."""
    with measured(before.plan, before.fabric, before.observation, connect, parallelism) as cost:
        outcomes = apply_plan(
            before.plan,
            connect,
            patience=patience,
            parallelism=parallelism,
            progress=progress,
            stopping=stopping,
        )
        after = look(before.desired, connect, parallelism)
        remaining = _plan(before.desired, after, before.selected)
        crossed = remaining.closing({step.group for step in before.plan.steps})
        if not crossed.empty:
            # What the peer, or a packet, had begun to negotiate came up after the tunnel had come to rest.
            apply_plan(crossed, connect, patience=patience, parallelism=parallelism)
            after = look(before.desired, connect, parallelism)
            remaining = _plan(before.desired, after, before.selected)
    touched = frozenset(
        name
        for change in before.plan.changes
        if change.resource.kind == "tunnel"
        for end in _both_ends(before.fabric, change.resource.name)
        for name in _connections(before.fabric, end)
    )
    touched |= _far_ends(touched, before.observation)
    return Applied(outcomes, remaining, check_untouched(touched, before.observation, after), cost, after)


def _far_ends(touched: frozenset[str], seen: Observation) -> frozenset[str]:
    """The connections at the other ends of what runs: Git may no longer know that they belong together."""
    running = [sa for state in seen.states.values() for sa in state.sas]
    ways = {(sa.remote_address, sa.local_address) for sa in running if sa.connection in touched}
    return frozenset(sa.connection for sa in running if (sa.local_address, sa.remote_address) in ways)


def _both_ends(fabric: Fabric, tunnel: str) -> tuple[str, ...]:
    known = fabric.tunnels.get(tunnel)
    return (tunnel, known.mirror) if known is not None and known.mirror is not None else (tunnel,)


def _connections(fabric: Fabric, tunnel: str) -> tuple[str, ...]:
    """The connections by which a tunnel may run."""
    known = fabric.tunnels.get(tunnel)
    names = (tunnel, *known.previous_names) if known is not None else (tunnel,)
    adopted = (known.adopts,) if known is not None and known.adopts else ()
    return (*map(connection_name, names), *adopted)


def verify(
    fabric: Fabric, store: SecretStore, connect: Connect, parallelism: int = PARALLELISM
) -> tuple[tuple[Check, ...], Plan]:
    """Probe every enabled tunnel with real packets and check it at both ends; with what has drifted.

    Raises SecretUnavailable.
    """
    desired = compile_fabric(fabric, store)
    before = look(desired, connect, parallelism)
    reachable = [
        tunnel for tunnel in fabric.tunnels.values() if tunnel.enabled and tunnel.router in before.states
    ]
    proving = within(connect, lambda _: bounds.ROUTER_APPLY_SECONDS_IN_ALL, "one proof")
    pings = probe(fabric, proving, reachable)
    after = look(desired, connect, parallelism)
    checks = tuple(check_tunnels(Probed(fabric, desired, before, after, pings)))
    return checks, _plan(desired, after, everything)


def prove(
    before: Preview,
    connect: Connect,
    tunnels: Iterable[str],
    parallelism: int = PARALLELISM,
    moved: Callable[[], None] = lambda: None,
) -> dict[str, tuple[Check, ...]]:
    """Probe some tunnels with real packets, and check each of them at both of its ends. Tunnels that are
    disabled, or end at a router that did not answer, are left out. `moved` hears of each ping."""
    fabric = before.fabric
    ends = {end for name in tunnels if name in fabric.tunnels for end in _both_ends(fabric, name)}
    chosen = {
        name: fabric.tunnels[name]
        for name in sorted(ends)
        if fabric.tunnels[name].enabled and fabric.tunnels[name].router in before.observation.states
    }
    routers = {tunnel.router for tunnel in chosen.values()}
    desired = {name: config for name, config in before.desired.items() if name in routers}
    part = replace(fabric, tunnels={name: fabric.tunnels[name] for name in ends})
    earlier = look(desired, connect, parallelism)
    ready = (tunnel for tunnel in chosen.values() if tunnel.router in earlier.states)
    pings = probe(part, connect, ready, moved)
    probed = Probed(part, desired, earlier, look(desired, connect, parallelism), pings)
    return {name: tuple(check_tunnel(probed, tunnel)) for name, tunnel in chosen.items()}


def diagnose_tunnels(
    fabric: Fabric,
    documents: Sequence[Document],
    store: SecretStore,
    connect: Connect,
    names: tuple[str, ...] = (),
    *,
    rekey: bool = False,
    parallelism: int = PARALLELISM,
) -> tuple[Diagnosis, ...]:
    """Find out what is wrong with tunnels (all, when none is named), each with both of its ends. Brings up
    what is down; changes nothing that runs, save that `rekey` renews CHILD_SAs.

    Raises SecretUnavailable, and TunnelwrightError for a name that no tunnel has.
    """
    unknown = sorted(set(names) - set(fabric.tunnels))
    if unknown:
        raise TunnelwrightError(
            f"no tunnel is called {', '.join(unknown)}",
            hint=f"there are: {', '.join(sorted(fabric.tunnels))}",
        )
    desired = compile_fabric(fabric, store)
    gathered = examine(
        fabric, desired, connect, names or tuple(fabric.tunnels), rekey=rekey, parallelism=parallelism
    )
    return tuple(
        Diagnosis(
            tuple(end.tunnel.name for end in evidence.ends),
            tuple(locate(item, documents) for item in diagnose(evidence)),
        )
        for evidence in gathered
    )


def check_keys(before: Preview, store: SecretStore) -> None:
    """Raises WeakKey for keys that the plan would load and that could be guessed. Judging one takes
    milliseconds, so those that are on the routers already are left alone."""
    loading = {
        before.fabric.tunnels[change.resource.name].psk
        for change in before.plan.changes
        for step in change.steps
        if isinstance(step.operation, LoadSecret)
    }
    weak = [
        f"{reference}: {reason}"
        for reference, key in sorted(store.keys(loading).items(), key=lambda item: str(item[0]))
        if (reason := weakness(key))
    ]
    if weak:
        raise WeakKey("keys are weak: " + "; ".join(weak), hint=STRONG_KEY_HINT)
