"""Desired against live, over all routers -> Plan. Pure.

The two ends of a managed pair are planned as one group: they are loaded together, one of them brings
the tunnel up, and neither is touched while the other cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from reconciler.diff import diff_router
from reconciler.diff.addresses import unused_addresses
from reconciler.diff.boot import boot_changes
from reconciler.diff.firewall import firewall_changes
from reconciler.diff.live import Live
from reconciler.diff.tunnel_steps import switch_step
from reconciler.facets.firewall import beside
from reconciler.model.absence import Absence
from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import attempt
from reconciler.model.operation import Establish, Switch
from reconciler.model.plan import Action, Phase, Plan, Resource, ResourceChange, ResourceKind, Step
from reconciler.model.router_config import RouterConfig, RouterState
from reconciler.plan import busier
from reconciler.plan.holding import with_ends, with_priorities
from reconciler.plan.moves import Left, arrange
from reconciler.plan.one_sided_sas import one_sided_changes
from reconciler.plan.pairs import Ends, ends_by_group
from reconciler.plan.partial_pairs import with_abandoned, with_unselected

ChangeFilter = Callable[[ResourceChange], bool]


def make_plan(
    desired: Mapping[str, RouterConfig],
    live: Mapping[str, RouterState],
    unreachable: Mapping[str, Absence] | None = None,
    selected: ChangeFilter = lambda _: True,
) -> Plan:
    """What has to be done so that every reachable router becomes as desired.

    `unreachable` gives the routers without a usable live state and why; a group with an end on one of them is
    withheld. So it is where a router's state cannot be compared, because of an unforeseen error. `selected`
    narrows the plan (`--target`, `--exclude`). A tunnel that is `keyless` at either end is withheld at both;
    it always differs.
    """
    dead = dict(unreachable or {})
    differing: dict[str, tuple[ResourceChange, ...]] = {}
    for router in sorted(live):
        compared = attempt("router", router, partial(diff_router, desired[router], live[router]))
        if isinstance(compared, TunnelwrightError):
            dead[router] = Absence.of(compared)
        else:
            differing[router] = compared
    differing = _with_one_sided_sas(differing, desired, live)
    blocked = {
        group: f"its other end is at {router}, which {dead[router].ails}"
        for router in sorted(dead)
        for group in desired[router].groups.values()
    }
    keyless = {
        config.groups[tunnel]: reason
        for config in desired.values()
        for tunnel, reason in config.keyless.items()
    }
    blocked |= keyless
    unselected: dict[str, list[ResourceChange]] = {}
    withheld: dict[str, str] = {}
    waiting: set[str] = set()
    kept: dict[str, list[ResourceChange]] = {router: [] for router in differing}
    groups: dict[str, set[str]] = {router: set() for router in differing}
    for router, found in differing.items():
        for change in found:
            if not selected(change):
                unselected.setdefault(change.group, []).append(change)
                continue
            if change.group in blocked:
                withheld[change.resource.name] = blocked[change.group]
                groups[router].add(change.group)
                waiting |= {change.resource.name} if change.group in keyless else set()
            else:
                kept[router].append(change)
    moves = arrange(Left(kept, groups, dead), desired, {router: live[router] for router in differing})
    withheld |= moves.withheld
    changes: list[ResourceChange] = []
    for router, found in differing.items():
        now = moves.kept[router]
        left_out = {change.resource for change in found} - {change.resource for change in now}
        changes += _guarding(now, left_out, desired[router], live[router]) if left_out else now
    for router in dead:
        # What is wrong with a key is reported whether or not its router answers.
        for tunnel, reason in desired[router].keyless.items():
            change = ResourceChange(
                Resource(router, ResourceKind.TUNNEL, tunnel), Action.UPDATE, reason, (), ()
            )
            if selected(change):
                withheld[tunnel] = reason
                waiting.add(tunnel)
    switches = _switches(changes, desired, live)
    known = {name: Live(live[name]) for name in sorted(differing)} if switches else {}
    chosen = {group: with_ends(step, desired, known) for group, step in switches.items()}
    changes = with_priorities(changes, chosen.values(), desired, known, selected=selected)
    joined = with_unselected(_one_initiator(changes, chosen), unselected)
    return Plan(
        tuple(with_abandoned(joined, desired, live)),
        dead,
        withheld,
        frozenset(waiting),
        moves.duplicates,
        tuple(item for router in differing for item in unused_addresses(desired[router], live[router])),
    )


def _with_one_sided_sas(
    differing: Mapping[str, tuple[ResourceChange, ...]],
    desired: Mapping[str, RouterConfig],
    live: Mapping[str, RouterState],
) -> dict[str, tuple[ResourceChange, ...]]:
    """What differs at each router, with the CHILD_SAs that its tunnels' other ends do not hold."""
    resources = {change.resource for found in differing.values() for change in found}
    found = dict(differing)
    for change in one_sided_changes(desired, {name: live[name] for name in differing}, resources):
        found[change.resource.router] += (change,)
    return found


def _guarding(
    kept: Iterable[ResourceChange], left_out: set[Resource], desired: RouterConfig, live: RouterState
) -> Iterator[ResourceChange]:
    """What is left of a router's changes when some are left out: a tunnel that stays for now keeps its
    guard, and its next one does not push that aside."""
    tunnels = {resource.name for resource in left_out if resource.is_tunnel}
    firewall = beside(desired.firewall, live.firewall, desired.guards, tunnels)
    narrowed = replace(desired, firewall=firewall)
    guards = {c.resource: c for c in (*firewall_changes(narrowed, live), *boot_changes(narrowed, live))}
    for found in kept:
        change = (
            guards.get(found.resource)
            if found.resource.kind in {ResourceKind.FIREWALL, ResourceKind.BOOT}
            else found
        )
        if change is None:
            continue
        steps = tuple(step for step in change.steps if step.phase is not Phase.UNGUARD)
        if steps or not change.steps:
            yield replace(change, steps=steps)


def _switches(
    changes: Iterable[ResourceChange],
    desired: Mapping[str, RouterConfig],
    live: Mapping[str, RouterState],
) -> Mapping[str, Step]:
    """One switch for each group whose ends need one. It does what the end with the wider need needs."""
    by_group: dict[str, list[Step]] = {}
    for change in changes:
        for step in change.steps:
            if step.phase is Phase.SWITCH:
                by_group.setdefault(step.group, []).append(step)
    ends = ends_by_group(desired) if by_group else {}
    return {group: _join(steps, desired, live, ends.get(group, ())) for group, steps in by_group.items()}


def _one_initiator(changes: Iterable[ResourceChange], chosen: Mapping[str, Step]) -> Iterator[ResourceChange]:
    """Leave one end of each group to bring the tunnel up: both would make two SAs of one tunnel."""
    for change in changes:
        steps = (
            chosen[step.group] if step.phase is Phase.SWITCH else step
            for step in change.steps
            if step.phase is not Phase.SWITCH or chosen[step.group].router == step.router
        )
        yield replace(change, steps=tuple(steps))


def _join(
    steps: list[Step],
    desired: Mapping[str, RouterConfig],
    live: Mapping[str, RouterState],
    ends: Ends,
) -> Step:
    """One switch for the group, at the end whose need is the widest: charon makes a new IKE_SA only where the
    running one does not serve. A renamed connection is another one at its own end alone, and only that end
    retires the SAs of the former one. Of two that need the same it is the end by which less is lost, else the
    end that initiates."""
    reach = max(_operation(step).reach for step in steps)
    widest = [step for step in steps if _operation(step).reach == reach]
    able = [step for step in widest if _renames(step)] or widest
    usual = next((step for step in able if _initiates(step, desired[step.router])), able[0])
    first = busier.chosen(able, desired, live) or usual
    disruption = max((step.disruption for step in steps), key=lambda item: item.rank)
    other_end = next((end for end, _ in ends if end.router != first.router), None)
    return switch_step(first.router, first.group, replace(_operation(first), other_end=other_end), disruption)


def _renames(step: Step) -> bool:
    return isinstance(step.operation, Establish) and bool(step.operation.replaces)


def _initiates(step: Step, config: RouterConfig) -> bool:
    return config.connections[_operation(step).connection].initiates


def _operation(step: Step) -> Switch:
    if not isinstance(step.operation, Switch):
        raise TypeError(f"{step.summary}: not a switch")
    return step.operation
