"""The facet `firewall`: the nftables table. One resource of a router."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diff.exposure import exposed
from reconciler.diff.router_step import router_step
from reconciler.facets import firewall
from reconciler.model.listing import counted
from reconciler.model.operation import ChangeFirewall
from reconciler.model.plan import Action, Phase, Resource, ResourceChange
from reconciler.model.router_config import Pair, RouterConfig, RouterState
from reconciler.model.swanctl import Change


def firewall_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """Elements are added before the tunnels that they guard and deleted after those are gone."""
    wanted, table = desired.firewall, live.firewall
    if table is None and not (wanted.guarded or wanted.peers):
        return
    delta = firewall.differences(wanted, table)
    added = {name: add for name, (add, _) in delta.items()}
    removed = {name: gone for name, (_, gone) in delta.items()}
    replaced = {name: firewall.in_the_way(added[name], removed[name]) for name in removed}
    retired = {name: removed[name] - replaced[name] for name in removed}
    guarded = wanted.guarded | retired["guarded"]
    changes = [
        Change(firewall.element_path(name, pair), None, "present", "kernel")
        for name, pairs in added.items()
        for pair in sorted(pairs)
    ]
    unlike = {change.path: change for change in table.unlike} if table is not None else {}
    for name, pairs in removed.items():
        for pair in sorted(pairs):
            path = firewall.element_path(name, pair)
            there = unlike.pop(path).before if path in unlike else "present"
            changes.append(Change(path, there, None, "kernel"))
    changes += unlike.values()
    steps = []
    same = firewall.same_rules(wanted, table)
    if not same:
        changes.insert(0, Change("rules", None if table is None else "changed", "tunnelwright's", "kernel"))
    if table is None or table.unlike or not same:
        document = firewall.rebuild(wanted, retired)
        summary = "load the nftables table inet tunnelwright in one transaction"
        copy = firewall.rebuild(wanted, retired, firewall.COPY) if table is not None else ""
        operation = ChangeFirewall(document, exposed(replaced["guarded"], guarded), copy)
        steps.append(router_step(desired, Phase.GUARD, summary, operation))
    elif any(added.values()):
        summary = f"add {_elements(added)} to the nftables sets"
        document = firewall.element_changes(add=added, delete=replaced)
        # Between the deletion of an element and the addition of one that overlaps it is a gap.
        copy = firewall.rebuild(wanted, retired, firewall.COPY) if any(replaced.values()) else ""
        operation = ChangeFirewall(document, exposed(replaced["guarded"], guarded), copy)
        steps.append(router_step(desired, Phase.GUARD, summary, operation))
    if any(retired.values()):
        summary = f"delete {_elements(retired)} from the nftables sets"
        document = firewall.element_changes(delete=retired)
        operation = ChangeFirewall(document, exposed(retired["guarded"], wanted.guarded))
        steps.append(router_step(desired, Phase.UNGUARD, summary, operation))
    if steps:
        yield ResourceChange(
            Resource.firewall(desired.router),
            Action.CREATE if table is None else Action.UPDATE,
            "the table is missing" if table is None else "the table is not as desired",
            tuple(changes),
            tuple(steps),
        )


def _elements(pairs: dict[str, frozenset[Pair]]) -> str:
    count = sum(len(elements) for elements in pairs.values())
    return counted(count, "element")
