"""The facet `firewall`: the nftables table. One resource of a router."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.diff.exposure import exposed
from reconciler.diff.router_step import router_step
from reconciler.facets import firewall
from reconciler.model.listing import counted
from reconciler.model.operation import ChangeFirewall
from reconciler.model.plan import Action, Phase, Resource, ResourceChange
from reconciler.model.router_config import Firewall, LiveFirewall, Pair, RouterConfig, RouterState
from reconciler.model.swanctl import Change

_Pairs: TypeAlias = dict[str, frozenset[Pair]]
"""Elements by the name of their set."""

_Step: TypeAlias = tuple[Phase, str, ChangeFirewall]
"""The phase, the summary and the operation of a step."""


def firewall_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """Elements are added before the tunnels that they guard and deleted after those are gone."""
    wanted, table = desired.firewall, live.firewall
    if table is None and not (wanted.guarded or wanted.peers):
        return
    elements = _Elements.between(wanted, table)
    steps = tuple(
        router_step(desired, phase, summary, operation)
        for phase, summary, operation in (*_guarding(wanted, table, elements), *_unguarding(wanted, elements))
    )
    if steps:
        yield ResourceChange(
            Resource.firewall(desired.router),
            Action.CREATE if table is None else Action.UPDATE,
            "the table is missing" if table is None else "the table is not as desired",
            tuple(_fields(wanted, table, elements)),
            steps,
        )


@dataclass(frozen=True, slots=True)
class _Elements:
    """How the elements of each set of the table differ."""

    added: _Pairs
    removed: _Pairs
    replaced: _Pairs
    """Those of `removed` that are in the way of an added one, and so go at once."""

    @classmethod
    def between(cls, wanted: Firewall, table: LiveFirewall | None) -> _Elements:
        delta = firewall.differences(wanted, table)
        added = {name: add for name, (add, _) in delta.items()}
        removed = {name: gone for name, (_, gone) in delta.items()}
        replaced = {name: firewall.in_the_way(added[name], removed[name]) for name in removed}
        return cls(added, removed, replaced)

    @property
    def retired(self) -> _Pairs:
        """Those of `removed` that stay until their tunnels are gone."""
        return {name: self.removed[name] - self.replaced[name] for name in self.removed}


def _fields(wanted: Firewall, table: LiveFirewall | None, elements: _Elements) -> Iterator[Change]:
    """What differs: the rules, then the elements, then what else the table holds."""
    if not firewall.same_rules(wanted, table):
        yield Change("rules", None if table is None else "changed", "tunnelwright's", "kernel")
    for name, pairs in elements.added.items():
        for pair in sorted(pairs):
            yield Change(firewall.element_path(name, pair), None, "present", "kernel")
    unlike = {change.path: change for change in table.unlike} if table is not None else {}
    for name, pairs in elements.removed.items():
        for pair in sorted(pairs):
            path = firewall.element_path(name, pair)
            there = unlike.pop(path).before if path in unlike else "present"
            yield Change(path, there, None, "kernel")
    yield from unlike.values()


def _guarding(wanted: Firewall, table: LiveFirewall | None, elements: _Elements) -> Iterator[_Step]:
    """Before the tunnels: the whole table is loaded anew where more than its elements differs."""
    retired = elements.retired
    if table is None or table.unlike or not firewall.same_rules(wanted, table):
        document = firewall.rebuild(wanted, retired)
        summary = "load the nftables table inet tunnelwright in one transaction"
        gap = table is not None
    elif any(elements.added.values()):
        document = firewall.element_changes(add=elements.added, delete=elements.replaced)
        summary = f"add {_counted(elements.added)} to the nftables sets"
        # Between the deletion of an element and the addition of one that overlaps it is a gap.
        gap = any(elements.replaced.values())
    else:
        return
    copy = firewall.rebuild(wanted, retired, firewall.COPY) if gap else ""
    guarded = wanted.guarded | retired["guarded"]
    yield (
        Phase.GUARD,
        summary,
        ChangeFirewall(document, exposed(elements.replaced["guarded"], guarded), copy),
    )


def _unguarding(wanted: Firewall, elements: _Elements) -> Iterator[_Step]:
    """After the tunnels."""
    retired = elements.retired
    if any(retired.values()):
        document = firewall.element_changes(delete=retired)
        operation = ChangeFirewall(document, exposed(retired["guarded"], wanted.guarded))
        yield Phase.UNGUARD, f"delete {_counted(retired)} from the nftables sets", operation


def _counted(pairs: _Pairs) -> str:
    return counted(sum(map(len, pairs.values())), "element")
