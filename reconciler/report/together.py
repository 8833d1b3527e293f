"""What is shown together in a plan: many resources, fields or steps of one kind."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from reconciler.model.listing import counted
from reconciler.model.plan import Action, Disruption, Phase, ResourceChange, ResourceKind, Step
from reconciler.model.swanctl import Change

ONE_BY_ONE = 3
"""So many of one kind are shown one by one; more are shown together."""
NOUNS = {
    ResourceKind.TUNNEL: "tunnel end",
    ResourceKind.VIP: "VIP",
    ResourceKind.VIP_RECORD: "record of VIPs",
    ResourceKind.KEY: "key",
    ResourceKind.FIREWALL: "nftables table",
    ResourceKind.SYSCTLS: "set of kernel settings",
    ResourceKind.BOOT: "set of boot files",
}
StepKind = tuple[Phase, type, Disruption]
Item = TypeVar("Item", ResourceChange, Step, Change)


def changes_together(changes: Iterable[ResourceChange]) -> list[list[ResourceChange]]:
    """Resources of one kind to which the same happens for the same reason: created or deleted whatever their
    fields are, updated in the same fields from and to the same values."""
    return _together((_change_kind(change), change) for change in changes)


def steps_together(steps: Iterable[Step]) -> list[list[Step]]:
    """Steps of one phase that do the same kind of thing with the same disruption."""
    return _together((step_kind(step), step) for step in steps)


def fields_together(fields: Iterable[Change]) -> list[list[Change]]:
    """Elements of one set, `guarded[…]`, to which the same happens; every other field is alone."""
    return _together((_field_kind(field), field) for field in fields)


def step_kind(step: Step) -> StepKind:
    """What steps that are shown together have in common."""
    return step.phase, type(step.operation), step.disruption


def noun(changes: Sequence[ResourceChange]) -> str:
    """`40 tunnel ends`."""
    name = NOUNS[changes[0].resource.kind]
    first, _, rest = name.partition(" of ")
    return counted(len(changes), name, f"{first}s of {rest}" if rest else "")


def like_it(others: int, where: str = "") -> str:
    """How many more the first of them stands for; empty for none."""
    return f" (and {others} more like it{where})" if others else ""


def brief(change: ResourceChange) -> str:
    """What distinguishes a created or deleted resource from the others: the addresses and networks of a
    tunnel end, else its only field. Empty where there is nothing to say."""
    values: dict[str, str] = {}
    for field in change.changes:
        value = field.before if field.after is None else field.after
        values.setdefault(field.path, ", ".join(value) if isinstance(value, tuple) else str(value))
    if change.resource.kind is not ResourceKind.TUNNEL:
        return next((f"{path}: {value}" for path, value in values.items()), "") if len(values) == 1 else ""
    pairs = []
    for here, there in (("local_addrs", "remote_addrs"), ("local_ts", "remote_ts")):
        for path, value in values.items():
            head, _, last = path.rpartition(".")
            other = values.get(f"{head}.{there}" if head else there)
            if last == here and other is not None:
                pairs.append(f"{value} to {other}")
    return ", ".join(pairs)


def _change_kind(change: ResourceChange) -> Hashable:
    fields = change.changes if change.action is Action.UPDATE else ()
    return change.resource.kind, change.action, change.reason, fields


def _field_kind(field: Change) -> Hashable:
    family, bracket, _ = field.path.partition("[")
    return (family if bracket else field.path), bracket, field.before, field.after, field.source


def _together(items: Iterable[tuple[Hashable, Item]]) -> list[list[Item]]:
    """Each kind that has many items at the place of the first of them; the others one by one."""
    found: dict[Hashable, list[Item]] = {}
    given = list(items)
    for key, item in given:
        found.setdefault(key, []).append(item)
    shown: list[list[Item]] = []
    for key, item in given:
        if len(found[key]) <= ONE_BY_ONE:
            shown.append([item])
        elif found[key][0] is item:
            shown.append(found[key])
    return shown
