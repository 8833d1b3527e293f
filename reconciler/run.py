"""The pipeline put together: Fabric -> preview -> apply -> report. What the command line calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from reconciler.apply import Progress, apply_plan
from reconciler.desired import check_every_key, compile_fabric
from reconciler.diagnosis import Finding, diagnose
from reconciler.diagnosis.finding import locate
from reconciler.examine import examine
from reconciler.load import Document
from reconciler.measure import Measured, measured
from reconciler.model import bounds
from reconciler.model.absence import Absence
from reconciler.model.errors import PlanStale, PlanUnsafe, RouterWithheld, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.model.observation import Observation
from reconciler.model.outcome import Check, Outcome, Status
from reconciler.model.plan import Phase, Plan, ResourceChange
from reconciler.model.router_config import PREFIX, RouterConfig
from reconciler.observe import observe
from reconciler.plan import Selector, make_plan
from reconciler.policy import Judgement, Known, Override, connections_of, judge, withholdings
from reconciler.routers.fleet import PARALLELISM, Connect
from reconciler.routers.quota import within
from reconciler.secrets import SecretStore
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
    exception; so is a tunnel whose key cannot be had.
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
    observation = _leaving_out(before.observation, failures)
    plan = _plan(before.desired, observation, before.selected, before.reconnect)
    return replace(before, observation=observation, plan=plan)


def _leaving_out(seen: Observation, failures: Mapping[str, TunnelwrightError]) -> Observation:
    states = {name: state for name, state in seen.states.items() if name not in failures}
    return Observation(states, {**seen.failures, **failures})


def judge_preview(
    before: Preview, known: Known, overrides: frozenset[Override] = frozenset()
) -> tuple[Preview, Judgement]:
    """What of a preview's plan may be done now; and the preview, without the routers that hold too much of
    what is not `known` to have been Git's."""
    states = before.observation.states
    withheld = withholdings(before.plan, before.fabric, states, known)
    before = without(
        before,
        {
            item.router: RouterWithheld(item.reason, router=item.router, hint=item.hint)
            for item in withheld
            if item.override not in overrides
        },
    )
    states, now = before.observation.states, datetime.now(UTC)
    found = judge(before.plan, before.fabric, states, now, overrides, known=known)
    overridden = tuple(item for item in withheld if item.override in overrides)
    return before, replace(found, overridden=(*found.overridden, *overridden))


def within_limits(before: Preview, judgement: Judgement) -> Preview:
    """What of a judged preview may be done now: all of it, some, or nothing when anything is refused."""
    whole = not (judgement.refusals or judgement.deferrals)
    return before if whole else narrowed(before, judgement.allows)


def check_safe(judgement: Judgement) -> None:
    """Raises PlanUnsafe with every reason when a plan is refused."""
    if judgement.refusals:
        reasons = "; ".join(found.reason for found in judgement.refusals)
        raise PlanUnsafe(f"refused as unsafe, nothing was done: {reasons}")


def confirmed(
    before: Preview, connect: Connect, parallelism: int = PARALLELISM
) -> tuple[Preview, dict[str, TunnelwrightError]]:
    """Look again at the routers that a plan changes: the same plan, without those that do not answer any more
    or whose own changes are others now, each with the reason. A tunnel goes with both of its ends.

    What is planned twice and the same was true for as long as nobody else was at the routers.
    """
    planned = {change.resource for change in before.plan.changes}
    again = compare(
        before.fabric,
        {name: before.desired[name] for name in sorted(before.plan.routers)},
        connect,
        lambda change: change.resource in planned,
        parallelism=parallelism,
        reconnect=before.reconnect,
    )
    left_out = dict(again.observation.failures)
    # What is left changes with what is left out, at most once for each router.
    while moved := _differing(without(before, left_out).plan, again.plan):
        left_out |= {name: PlanStale("it has changed since it was looked at", router=name) for name in moved}
        again = without(again, left_out)
    return again, left_out


def _differing(one: Plan, other: Plan) -> set[str]:
    """The routers to blame for what two plans do differently: those whose own part differs, else all. A
    tunnel is switched at one end, as both need it: what one end needs may show at the other."""
    here, there = ({change.resource: change for change in plan.changes} for plan in (one, other))
    found = {what for what in here.keys() | there.keys() if here.get(what) != there.get(what)}
    own = {what for what in found if _own(here.get(what)) != _own(there.get(what))}
    return {what.router for what in own or found}


def _own(change: ResourceChange | None) -> ResourceChange | None:
    if change is None:
        return None
    return replace(change, steps=tuple(step for step in change.steps if step.phase is not Phase.SWITCH))


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
    act = partial(
        apply_plan,
        connect=connect,
        patience=patience,
        parallelism=parallelism,
        progress=progress,
        stopping=stopping,
    )
    with measured(before.plan, before.fabric, before.observation, connect, parallelism) as cost:
        outcomes = act(before.plan)
        after, remaining = _left(before, connect, parallelism)
        crossed = remaining.closing({step.group for step in before.plan.steps})
        if not (crossed.empty or stopping()):
            # What the peer, or a packet, had begun to negotiate came up after the tunnel had come to rest.
            outcomes += act(crossed)
            after, remaining = _left(before, connect, parallelism)
    touched = frozenset(
        name
        for change in before.plan.changes
        if change.resource.kind == "tunnel"
        for end in {change.resource.name, *(end.name for end in before.fabric.ends_of(change.resource.name))}
        for name in connections_of(before.fabric, end)
    )
    touched |= _far_ends(touched, before.observation)
    return Applied(outcomes, remaining, check_untouched(touched, before.observation, after), cost, after)


def _left(before: Preview, connect: Connect, parallelism: int) -> tuple[Observation, Plan]:
    """What there is after a preview was applied, and what is left to do. Who had no part in it is not asked
    again, and has left nothing undone."""
    absent = before.observation.failures
    there = {name: config for name, config in before.desired.items() if name not in absent}
    after = _leaving_out(look(there, connect, parallelism), absent)
    return after, _plan(before.desired, after, before.selected)


def _far_ends(touched: frozenset[str], seen: Observation) -> frozenset[str]:
    """The connections at the other ends of what runs: Git may no longer know that they belong together."""
    running = [sa for state in seen.states.values() for sa in state.sas]
    ways = {(sa.remote_address, sa.local_address) for sa in running if sa.connection in touched}
    return frozenset(sa.connection for sa in running if (sa.local_address, sa.remote_address) in ways)


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
    ends = {end.name: end for name in tunnels for end in fabric.ends_of(name)}
    chosen = {
        name: tunnel
        for name, tunnel in sorted(ends.items())
        if tunnel.enabled and tunnel.router in before.observation.states
    }
    routers = {tunnel.router for tunnel in chosen.values()}
    desired = {name: config for name, config in before.desired.items() if name in routers}
    part = replace(fabric, tunnels=ends)
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

    Raises SecretUnavailable for a key that one of them needs, and TunnelwrightError for a name that no tunnel
    has.
    """
    unknown = sorted(set(names) - set(fabric.tunnels))
    if unknown:
        raise TunnelwrightError(
            f"no tunnel is called {', '.join(unknown)}",
            hint=f"there are: {', '.join(sorted(fabric.tunnels))}",
        )
    chosen = names or tuple(fabric.tunnels)
    desired = compile_fabric(fabric, store)
    check_every_key(fabric, desired, set(chosen))
    gathered = examine(fabric, desired, connect, chosen, rekey=rekey, parallelism=parallelism)
    return tuple(
        Diagnosis(
            tuple(end.tunnel.name for end in evidence.ends),
            tuple(locate(item, documents) for item in diagnose(evidence)),
        )
        for evidence in gathered
    )
