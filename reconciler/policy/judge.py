"""The limits, one function each, and the judgement that they make together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from reconciler.diff.live import Live
from reconciler.model.fabric import Fabric
from reconciler.model.judgement import Deferral, Finding, Judgement, Override, Refusal
from reconciler.model.listing import counted, listed
from reconciler.model.plan import Action, Plan, Resource, ResourceKind
from reconciler.model.router_config import PREFIX, Pair, RouterState
from reconciler.model.safety import SafetyPolicy
from reconciler.policy import lone
from reconciler.policy.strangers import exceeds, is_large, is_protected, tunnels_on
from reconciler.policy.turns import in_turn
from reconciler.policy.units import End, Known, Traffic, Unit, connections_of, traffic_on, units_of
from reconciler.policy.unspoken import unspoken
from reconciler.policy.windows import next_permitted, permitted
from schemas.addresses import parse_cidr

_Limits: TypeAlias = tuple[SafetyPolicy, ...]
_RIGHT: Final = "check that this is the right revision and folder"


def judge(
    plan: Plan,
    fabric: Fabric,
    states: Mapping[str, RouterState],
    now: datetime,
    overrides: frozenset[Override] = frozenset(),
    *,
    known: Known = lambda _: True,
    simulated: bool = False,
) -> Judgement:
    """Which part of a plan may be done at `now`, which has a time zone. `states` are those it was made from.
    `simulated` are states that were compiled from another revision: what waits at one router while the others
    go on is a reason to refuse the commit there, since its author can correct it.

    Every reason to refuse is found, not the first. What is overridden is reported as such. Tunnels that are
    not `known` to have been Git's count for no refusal: `withholdings` says which routers they cost.
    """
    live = {name: Live(state) for name, state in states.items()}
    units = units_of(plan, fabric, live, known)
    kept_there = [
        *_protected(units, states, known, simulated=simulated),
        *_deletions(units, fabric, states, known, simulated=simulated),
    ]
    carrying = list(_management(units, fabric, live))
    kept_out = {resource for item in carrying for resource in item.resources}
    if Override.MANAGEMENT not in overrides:
        units = tuple(unit for unit in units if kept_out.isdisjoint(unit.resources))
    lone_end = lone.refused if simulated else lone.deferred
    alone = [lone_end(unit, reason) for unit, reason in lone.lone_ends(units, fabric, live)]
    mute = list(unspoken(units, fabric, states))
    # What stays as it is uses up nothing that others wait for.
    staying = {
        resource
        for item in (*kept_there, *alone, *mute)
        if isinstance(item, Deferral) and item.override not in overrides
        for resource in item.resources
    }
    waiting = _waiting(
        (unit for unit in units if staying.isdisjoint(unit.resources)), fabric, states, now, overrides
    )
    found: list[Finding] = [*kept_there, *carrying, *alone, *mute, *waiting]
    kept = [finding for finding in found if finding.override not in overrides]
    return Judgement(
        tuple(finding for finding in kept if isinstance(finding, Refusal)),
        tuple(finding for finding in kept if isinstance(finding, Deferral)),
        tuple(finding for finding in found if finding.override in overrides),
    )


def _protected(
    units: tuple[Unit, ...], states: Mapping[str, RouterState], known: Known, *, simulated: bool
) -> Iterator[Finding]:
    """What a revision says refuses a commit. What a router says of its own files costs that tunnel alone."""
    reason = "it is protected from deletion, as its"
    hint = "first commit and apply `deletionProtection: false`, then remove or disable it"
    for unit in units:
        protected = tuple(what for what in _destroyed(unit, known) if is_protected(states, what))
        if protected and simulated:
            yield Refusal(protected, f"{reason} file on the router says", hint)
        elif protected:
            routers = sorted({what.router for what in protected})
            says = f"file on {routers[0]} says" if len(routers) == 1 else f"files on {listed(routers)} say"
            yield Deferral(unit.resources, f"{reason} {says} ({hint})", None)


def _deletions(
    units: tuple[Unit, ...],
    fabric: Fabric,
    states: Mapping[str, RouterState],
    known: Known,
    *,
    simulated: bool,
) -> Iterator[Finding]:
    """A plan that destroys many tunnels of what is there was rarely meant: it is refused as a whole, unless
    that hangs on the word of one router, which may hide what it has. Then what is destroyed there waits."""
    policy = fabric.safety
    doomed = [resource for unit in units for resource in _destroyed(unit, known)]
    if not doomed:
        return
    there = {name: _of_git(fabric, state, known) for name, state in states.items()}
    gone = Counter(resource.router for resource in doomed)
    reasons = {
        name: _too_many(policy, gone[name], there[name], f"on {name}")
        for name in sorted(there)
        if exceeds(policy, gone[name], there[name])
    }
    total = sum(there.values())
    in_all = ""
    if len(there) > 1 and exceeds(policy, len(doomed), total):
        in_all = _too_many(policy, len(doomed), total, "on all routers")
    most = max(sorted(there), key=lambda name: gone[name] * 100 - there[name] * policy.max_deleted_share)
    others = is_large(policy, len(doomed) - gone[most], total - there[most])
    if simulated or len(there) == 1 or (in_all and others):
        for name, reason in reasons.items():
            found = tuple(what for what in doomed if what.router == name)
            yield Refusal(found, reason, _RIGHT, Override.DELETIONS)
        if in_all:
            yield Refusal(tuple(doomed), in_all, _RIGHT, Override.DELETIONS)
        return
    if in_all:
        reasons.setdefault(most, f"{in_all}, most of them on {most}")
    for name, reason in reasons.items():
        for unit in units:
            if any(what.router == name for what in _destroyed(unit, known)):
                yield Deferral(unit.resources, f"{reason} ({_RIGHT})", Override.DELETIONS)


def _destroyed(unit: Unit, known: Known) -> Iterator[Resource]:
    """The ends of a unit that go, as far as something shows that Git had them."""
    for end in unit.ends:
        if end.change.action is Action.DELETE and known(end.change.resource):
            yield end.change.resource


def _too_many(policy: SafetyPolicy, gone: int, total: int, where: str) -> str:
    ends = counted(total, "tunnel end")
    return f"{gone} of the {ends} {where} would be destroyed, more than {policy.max_deleted_share}%"


def _of_git(fabric: Fabric, state: RouterState, known: Known) -> int:
    """How many tunnel ends on a router Git has or had: a router that lists others makes no share smaller."""
    names = (name.removeprefix(PREFIX) for name in tunnels_on(state))
    return sum(
        (name in fabric.tunnels and fabric.tunnels[name].router == state.router)
        or known(Resource(state.router, ResourceKind.TUNNEL, name))
        for name in names
    )


def _management(units: tuple[Unit, ...], fabric: Fabric, live: Mapping[str, Live]) -> Iterator[Deferral]:
    """A tunnel that carries our own way to a router, or would from now on: the plan would cut itself off in
    the middle. Which end brings about an interruption does not matter, nor whether the other end changes."""
    for unit in units:
        problems = [(end.change.resource.router, _moves(end, live)) for end in unit.ends]
        if unit.goes_down:
            ends = {(end.change.resource.router, end.change.resource.name) for end in unit.ends}
            ends |= {(fabric.tunnels[n].router, n) for n in _both_ends(unit, fabric) if n in fabric.tunnels}
            problems += [
                (router, "the interrupted tunnel carries")
                for router, name in sorted(ends)
                if router in live
                and _rides(traffic_on(live[router], connections_of(fabric, name)), live[router].state)
            ]
        for router, problem in problems:
            way = live[router].state.management if problem else None
            if way is not None:
                yield Deferral(
                    unit.resources,
                    f"{problem} the connection to {router} itself ({way[1]} to {way[0]})",
                    Override.MANAGEMENT,
                )


def _moves(end: End, live: Mapping[str, Live]) -> str:
    """How our own way to a router would come to lie in a tunnel, or outside; empty when it stays."""
    state = live[end.change.resource.router].state
    before, after = _rides(end.before, state), _rides(end.after, state)
    if before and not after and end.after.pairs:
        return "the tunnel would no longer carry"
    return "the tunnel would from now on carry" if after and not before else ""


def _rides(traffic: Traffic, state: RouterState) -> bool:
    way = state.management
    return way is not None and any(_carries(pair, way) for pair in traffic.pairs)


def _carries(pair: Pair, way: Pair) -> bool:
    """Whether packets between two addresses match a pair of selectors."""
    return all(parse_cidr(cidr).includes(address) for cidr, address in zip(pair, way, strict=True))


def _waiting(
    units: Iterable[Unit],
    fabric: Fabric,
    states: Mapping[str, RouterState],
    now: datetime,
    overrides: frozenset[Override],
) -> Iterator[Deferral]:
    """Who has to wait: what interrupts while a window that concerns it is closed, else those for whom a
    budget is spent, as routers take turns: none uses up the budget of the others with what it lists. What is
    overridden waits for nothing, so it counts as interrupted."""
    interrupting = [(unit, _limits(unit, fabric)) for unit in in_turn(filter(_interrupts, units), now)]
    opening: dict[_Limits, tuple[bool, datetime | None]] = {}
    permitted_now: list[tuple[Unit, _Limits]] = []
    for unit, limits in interrupting:
        windows = [policy.windows for policy in limits]
        if limits not in opening:
            opening[limits] = permitted(windows, now), next_permitted(windows, now)
        is_open, until = opening[limits]
        if not is_open:
            yield Deferral(unit.resources, "no maintenance window is open", Override.WINDOWS, until)
        if is_open or Override.WINDOWS in overrides:
            permitted_now.append((unit, limits))
    members, up = _redundant(fabric, states)
    going: Counter[SafetyPolicy] = Counter()
    spent: set[str] = set()
    for unit, limits in permitted_now:
        groups = _groups(unit, fabric)
        reason = _without_stand_in(sorted(groups), _both_ends(unit, fabric), spent, members, up)
        reason = reason or next(filter(None, (_spent(policy, going[policy]) for policy in limits)), "")
        if reason:
            yield Deferral(unit.resources, reason, Override.BUDGET)
        if not reason or Override.BUDGET in overrides:
            going.update(limits)
            spent |= groups


def _interrupts(unit: Unit) -> bool:
    return unit.interrupts


def _limits(unit: Unit, fabric: Fabric) -> _Limits:
    """The policies that concern a unit: the fleet's, and those that select an end by its labels. Of a tunnel
    that Git has no more the labels of the router are known."""
    if not fabric.part_safety:
        return (fabric.safety,)
    labels = [fabric.tunnels[name].labels for name in _both_ends(unit, fabric) if name in fabric.tunnels]
    labels += [
        fabric.routers[end.router].labels
        for end in unit.resources
        if end.name not in fabric.tunnels and end.router in fabric.routers
    ]
    selecting = (policy for policy in fabric.part_safety if any(map(policy.selector.matches, labels)))
    return (fabric.safety, *selecting)


def _spent(policy: SafetyPolicy, going: int) -> str:
    """Why a budget allows no further tunnel; empty when it does."""
    if policy.max_interrupted is None or going < policy.max_interrupted:
        return ""
    whose = f" of the SafetyPolicy {policy.name!r}" if policy.name else ""
    return f"the budget{whose} allows {counted(policy.max_interrupted, 'interrupted tunnel')} at once"


def _redundant(
    fabric: Fabric, states: Mapping[str, RouterState]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Redundancy group to the enabled tunnels in it, and to those of them that are up."""
    members: dict[str, set[str]] = {}
    up: dict[str, set[str]] = {}
    carrying = {router: _carrying(state) for router, state in states.items()}
    for tunnel in fabric.tunnels.values():
        if tunnel.redundancy_group and tunnel.enabled:
            members.setdefault(tunnel.redundancy_group, set()).add(tunnel.name)
            if not carrying.get(tunnel.router, set()).isdisjoint(connections_of(fabric, tunnel.name)):
                up.setdefault(tunnel.redundancy_group, set()).add(tunnel.name)
    return members, up


def _without_stand_in(
    groups: list[str],
    names: set[str],
    spent: set[str],
    members: Mapping[str, set[str]],
    up: Mapping[str, set[str]],
) -> str:
    """Why a tunnel, by the names of its ends, may not be interrupted for the sake of its redundancy groups;
    empty when it may. A group without another member protects nothing."""
    for group in groups:
        if group in spent:
            return f"another tunnel of the redundancy group {group} is interrupted"
        if members.get(group, set()) - names and not up.get(group, set()) - names:
            return f"no other tunnel of the redundancy group {group} is up"
    return ""


def _both_ends(unit: Unit, fabric: Fabric) -> set[str]:
    names = {resource.name for resource in unit.resources}
    return names | {end.name for name in names for end in fabric.ends_of(name)}


def _groups(unit: Unit, fabric: Fabric) -> set[str]:
    known = (fabric.tunnels.get(name) for name in _both_ends(unit, fabric))
    return {tunnel.redundancy_group for tunnel in known if tunnel is not None and tunnel.redundancy_group}


def _carrying(state: RouterState) -> set[str]:
    """The connections with a CHILD_SA that is installed."""
    return {
        sa.connection
        for sa in state.sas
        if sa.state == "ESTABLISHED" and any(child.installed for child in sa.children)
    }
