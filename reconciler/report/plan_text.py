"""A plan as text, with the terms and symbols of Terraform."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from reconciler.model.bounds import FIELDS_SHOWN
from reconciler.model.listing import counted, listed
from reconciler.model.outcome import Check, Outcome, Status
from reconciler.model.plan import Action, Disruption, Duplicate, HeldAddress, Plan, ResourceChange, Step
from reconciler.model.router_config import Pair
from reconciler.model.swanctl import UNOBSERVABLE, Change, Live
from reconciler.report.check_text import check_lines
from reconciler.report.line import Line
from reconciler.report.together import brief, changes_together, fields_together, like_it, noun, steps_together

_STYLE = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red"}
_DISRUPTION_STYLE = {
    Disruption.NONE: "dim",
    Disruption.MAKE_BEFORE_BREAK: "cyan",
    Disruption.INTERRUPTS: "bold red",
    Disruption.DESTROYS: "bold red",
}
EXPOSED = (
    "No tunnel guards this traffic after the plan: it leaves for the public network in the clear, or "
    "masqueraded if a NAT rule of the router matches it"
)
"""What a plan says of the traffic of tunnels, and of pairs of networks, that it removes."""
EXPOSED_LATER = (
    "Once the rest of the plan is applied, no tunnel guards this traffic: it leaves for the public network "
    "in the clear, or masqueraded if a NAT rule of the router matches it"
)
"""What it says of such traffic that keeps its guard for now."""
MOST_EXPOSED = 100
"""Pairs of networks that a text names; JSON names up to `bounds.EXPOSED_WRITTEN`."""
MOST_ADDRESSES = 20
"""Duplicate addresses, and unused VIPs, that a text names."""
MOST_TOGETHER = 20
"""Resources, or tunnels, of one kind that a text names."""
MOST_WITHHELD = 50
"""Reasons to withhold tunnels that a text names; JSON names all."""
NO_CHANGES = "No changes. The live routers match the desired state."
NO_ROUTERS = "No changes. The desired state describes no router, so none was observed."


def plan_lines(
    plan: Plan, unchanged: str = "", now: Plan | None = None, *, whole: bool = False
) -> Iterator[Line]:
    """A plan: its resources with their fields, its steps with their disruption, the summary. Many of one kind
    are shown together, unless the `whole` of it is wanted.
    `unchanged` is what to say of an empty one; by default that the routers match, if all have answered.
    `now` is the part of it that may be done now; None for all of it."""
    yield from left_out_lines(plan)
    if plan.empty:
        if unchanged or not (plan.unreachable or plan.keyless or plan.duplicates):
            yield Line(unchanged or NO_CHANGES, "bold green")
        return
    resources = [[change] for change in plan.changes] if whole else changes_together(plan.changes)
    for changes in resources:
        yield from _resource_lines(changes[0], whole) if len(changes) == 1 else _together_lines(changes)
    yield Line()
    yield Line("Steps, in this order:", "bold")
    steps = [[step] for step in plan.listed_steps] if whole else steps_together(plan.listed_steps)
    for number, (first, *others) in enumerate(steps, start=1):
        yield Line(f"  {number:>3}. {step_text(first, others)}", _DISRUPTION_STYLE[first.disruption])
    for heading, pairs in exposed_parts(plan, now):
        yield from _exposed_lines(heading, pairs)
    yield Line()
    yield Line(summary(plan, now), "bold")
    yield Line(disruption_summary(plan, now), "bold")
    if len(resources) < len(plan.changes) or len(steps) < len(plan.listed_steps):
        yield Line("Many of one kind are shown together; `-v` shows each.")


def left_out_lines(plan: Plan) -> Iterator[Line]:
    """Routers and tunnels that have no part in a plan, and why."""
    for router, absence in sorted(plan.unreachable.items()):
        yield Line(f"! {router}: not planned, {absence}", "bold red")
    yield from withheld_lines(plan)
    yield from address_lines(plan)


def address_lines(plan: Plan) -> Iterator[Line]:
    """Addresses that two routers have, and VIPs that deleted tunnels have left."""
    for duplicate in plan.duplicates[:MOST_ADDRESSES]:
        yield Line(f"! {duplicate_text(duplicate)}", "bold red")
    if (more := len(plan.duplicates) - MOST_ADDRESSES) > 0:
        yield Line(f"! and {counted(more, 'more duplicate address', 'more duplicate addresses')}", "bold red")
    for item in plan.unused[:MOST_ADDRESSES]:
        yield Line(f"  unused VIP: {unused_text(item)}", "yellow")
    if (more := len(plan.unused) - MOST_ADDRESSES) > 0:
        yield Line(f"  and {counted(more, 'more unused VIP')}", "yellow")


def duplicate_text(item: Duplicate) -> str:
    """A duplicate address as a sentence: where it is, who added it, where it should be."""
    places = [f"{held.address.interface} of {held.router} ({_added_by(held)})" for held in item.holders]
    wanted = f", and belongs to {listed(item.wanted)}" if item.wanted else ""
    return f"{item.address} is on {listed(places)}{wanted}: remove it where it does not belong"


def unused_text(item: HeldAddress) -> str:
    """An unused VIP, where it is, and how it goes."""
    left = f"{item.address.cidr} on {item.address.interface} of {item.router}, left by {item.owner}"
    return f"{left} (`tunnelwright vip release {item.host}` removes it)"


def _added_by(held: HeldAddress) -> str:
    return f"added for {held.owner}" if held.owner else "not added by tunnelwright"


def withheld_lines(plan: Plan) -> Iterator[Line]:
    """Tunnels that have no part in a plan, those of one reason together."""
    together = withheld_together(plan)
    for reason, tunnels in together[:MOST_WITHHELD]:
        yield Line(f"! {listed(tunnels)}: withheld, {reason}", "bold red")
    if more := sum(len(tunnels) for _, tunnels in together[MOST_WITHHELD:]):
        yield Line(
            f"! and {counted(more, 'more tunnel end is', 'more tunnel ends are')} withheld", "bold red"
        )


def withheld_together(plan: Plan) -> list[tuple[str, list[str]]]:
    """Each reason to withhold tunnels, with those tunnels, in order of the first."""
    found: dict[str, list[str]] = {}
    for tunnel, reason in sorted(plan.withheld.items()):
        found.setdefault(reason, []).append(tunnel)
    return list(found.items())


def exposed_parts(plan: Plan, now: Plan | None) -> Iterator[tuple[str, Sequence[tuple[str, Pair]]]]:
    """The traffic that a plan lets out, under what is to be said of it: what leaves now, what would later."""
    soon = set((plan if now is None else now).exposed)
    for heading, pairs in (
        (EXPOSED, [pair for pair in plan.exposed if pair in soon]),
        (EXPOSED_LATER, [pair for pair in plan.exposed if pair not in soon]),
    ):
        if pairs:
            yield heading, pairs


def _exposed_lines(heading: str, pairs: Sequence[tuple[str, Pair]]) -> Iterator[Line]:
    yield Line()
    yield Line(f"{heading}:", "bold red")
    for router, (source, destination) in pairs[:MOST_EXPOSED]:
        yield Line(f"  ! [{router}] from {source} to {destination}", "bold red")
    if len(pairs) > MOST_EXPOSED:
        yield Line(f"  ! and {len(pairs) - MOST_EXPOSED} more", "bold red")


def _resource_lines(change: ResourceChange, whole: bool) -> Iterator[Line]:
    style = _STYLE[change.action]
    yield Line()
    yield Line(f"  # {change.resource}: {change.reason}", "bold")
    kind, name = change.resource.kind, change.resource.name
    yield Line(f'  {change.action.symbol} {kind} "{name}" at {change.resource.router}', style)
    yield from _field_lines(change, whole)


def _together_lines(changes: Sequence[ResourceChange]) -> Iterator[Line]:
    """Resources of one kind to which the same happens."""
    first, style = changes[0], _STYLE[changes[0].action]
    yield Line()
    yield Line(f"  # {noun(changes)}: {first.reason}", "bold")
    symbol = first.action.symbol
    if first.action is Action.UPDATE:
        names = [f'"{change.resource.name}" at {change.resource.router}' for change in changes]
        yield Line(f"  {symbol} {first.resource.kind} {listed(names)}", style)
        yield from _field_lines(first, whole=False)
        return
    for change in changes[:MOST_TOGETHER]:
        yield Line(f"  {symbol} {resource_text(change)}", style)
    if (more := len(changes) - MOST_TOGETHER) > 0:
        yield Line(f"  {symbol} and {more} more", style)


def resource_text(change: ResourceChange) -> str:
    """A created or deleted resource in a line."""
    said = brief(change)
    name = f'{change.resource.kind} "{change.resource.name}" at {change.resource.router}'
    return f"{name}: {said}" if said else name


def _field_lines(change: ResourceChange, whole: bool) -> Iterator[Line]:
    """What changes of a resource; of fields that cannot be compared their number, since they may be as
    desired."""
    style = _STYLE[change.action]
    unknown = [] if whole else [field for field in change.changes if field.before is UNOBSERVABLE]
    shown = [field for field in change.changes if field not in unknown] if unknown else list(change.changes)
    kinds = [[field] for field in shown] if whole else fields_together(shown)
    for first, *others in kinds[:FIELDS_SHOWN]:
        text = f"{_field_symbol(first)} {_field_text(first, change.action)}{like_it(len(others))}"
        yield Line(f"      {text}", style)
    if more := sum(len(fields) for fields in kinds[FIELDS_SHOWN:]):
        yield Line(f"      … and {counted(more, 'more field')}", style)
    if unknown:
        count = counted(len(unknown), "field")
        yield Line(f"      … {count} cannot be compared (`-v` shows what is written)", style)


def _field_symbol(field: Change) -> str:
    if field.before is None:
        return "+"
    return "-" if field.after is None else "~"


def _field_text(field: Change, action: Action) -> str:
    if field.before is None:
        return f"{field.path}: {value_text(field.after)}"
    if field.after is None:
        return f"{field.path}: {value_text(field.before)}"
    unknown = field.before is UNOBSERVABLE or action is Action.CREATE
    known = "" if unknown else f"  (known from {_SOURCES[field.source]})"
    return f"{field.path}: {value_text(field.before)} -> {value_text(field.after)}{known}"


_SOURCES = {
    "vici": "charon",
    "file": "the router's file",
    "sa": "the running SA",
    "kernel": "the kernel",
    "base": "the base revision",
}


def value_text(value: Live) -> str:
    """One value for a person."""
    if value is UNOBSERVABLE:
        return "(unobservable)"
    if value is None:
        return "(none)"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def step_text(step: Step, others: Sequence[Step] = ()) -> str:
    """A step and what it does to traffic, and those `others` that are shown together with it."""
    routers = {item.router for item in (step, *others)}
    where = f" at {len(routers)} routers" if len(routers) > 1 else ""
    if step.disruption in {Disruption.INTERRUPTS, Disruption.DESTROYS}:
        where += f": {listed(sorted({other.group for other in others}), MOST_TOGETHER)}"
    what = "" if step.disruption is Disruption.NONE else f": {step.disruption}"
    return f"[{step.router}] {step.summary}{what}{like_it(len(others), where)}"


def summary(plan: Plan, now: Plan | None = None) -> str:
    """Terraform's summary line, and how much of it is not done now."""
    return (
        f"Plan: {plan.count(Action.CREATE)} to add, {plan.count(Action.UPDATE)} to change, "
        f"{plan.count(Action.DELETE)} to destroy{_not_now(plan, now)}."
    )


def _not_now(plan: Plan, now: Plan | None) -> str:
    later = 0 if now is None else len(plan.later(now).changes)
    if not later:
        return ""
    if later == len(plan.changes):
        return "; none of this is done now, see below"
    return f"; {later} of these {'is' if later == 1 else 'are'} not done now, see below"


def disruption_summary(plan: Plan, now: Plan | None = None) -> str:
    """How many steps of each disruption, the harmless ones left out; and those of what is done now."""
    whole, soon = _disruptions(plan), _disruptions(plan if now is None else now)
    return f"Disruption: {whole}." if whole == soon else f"Disruption: {whole}; of what is done now: {soon}."


def _disruptions(plan: Plan) -> str:
    counts = {
        disruption: sum(step.disruption is disruption for step in plan.steps)
        for disruption in Disruption
        if disruption is not Disruption.NONE
    }
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    return ", ".join(parts) or "none"


def outcome_line(outcome: Outcome) -> Line:
    """One step's end, as it happens."""
    mark, style = {
        Status.DONE: ("✓", "green"),
        Status.FAILED: ("✗", "bold red"),
        Status.NOT_ATTEMPTED: ("-", "yellow"),
    }[outcome.status]
    text = f"  {mark} [{outcome.step.router}] {outcome.step.summary}"
    if outcome.status is Status.DONE:
        return Line(f"{text} ({outcome.seconds * 1000:.0f} ms)", style)
    return Line(f"{text}: {outcome.status}: {outcome.message}", style)


def applied_lines(
    plan: Plan,
    outcomes: Iterable[Outcome],
    remaining: Plan,
    checks: Iterable[Check],
    left_out: Collection[str] = (),
) -> Iterator[Line]:
    """What an apply came to. It is complete only if every check passed, and nothing was `left_out`: routers
    and tunnels that had no part in it."""
    found, proof = list(outcomes), list(checks)
    broken = sum(not check.passed for check in proof)
    failed = [o for o in found if o.status is Status.FAILED]
    skipped = [o for o in found if o.status is Status.NOT_ATTEMPTED]
    yield from check_lines(proof)
    if failed or skipped:
        yield Line(
            f"Apply incomplete: {counted(len(found) - len(failed) - len(skipped), 'step')} done, "
            f"{len(failed)} failed, {len(skipped)} not attempted.",
            "bold red",
        )
        for undone in (failed, skipped):
            yield from (outcome_line(outcome) for outcome in undone[:MOST_TOGETHER])
            if (more := len(undone) - MOST_TOGETHER) > 0:
                yield Line(f"  … and {more} more: {undone[0].status}", "bold red")
    elif broken and not remaining.changes:
        said = f"Apply incomplete: every step was done, but {counted(broken, 'check')} failed."
        yield Line(said, "bold red")
    elif not remaining.changes:
        added, changed, destroyed = (plan.count(action) for action in Action)
        done = f"Resources: {added} added, {changed} changed, {destroyed} destroyed."
        if left_out:
            yield Line(f"Applied in part. {done} Left out: {listed(left_out)}", "bold yellow")
        else:
            yield Line(f"Apply complete! {done}", "bold green")
    if remaining.changes:
        names = listed((str(change.resource) for change in remaining.changes), MOST_TOGETHER)
        said = "" if failed or skipped else "Apply incomplete. "
        yield Line(f"{said}Still different from the desired state: {names}", "bold red")
