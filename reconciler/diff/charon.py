"""The facet `charon`: the settings of a router's charon. One resource of a router."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.facets import charon
from reconciler.model.plan import (
    Action,
    Disruption,
    Operation,
    Phase,
    RemoveOwned,
    Resource,
    ResourceChange,
    Step,
    WriteOwned,
)
from reconciler.model.router_config import RouterConfig, RouterState
from reconciler.model.settings import Change


def charon_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """At most one resource, with every file that differs."""
    wanted = charon.files(desired)
    there = {path: file for path, file in live.owned.items() if path in charon.PLACES}
    wrong = charon.differing(wanted, there)
    surplus = tuple(path for path in reversed(charon.PLACES) if path in there and path not in wanted)
    steps = []
    if wrong:
        write = WriteOwned({path: file for path, file in wanted.items() if path in wrong})
        steps.append(_step(desired, Phase.HOST, f"write {', '.join(wrong)}", write))
    if surplus:
        steps.append(_step(desired, Phase.RETIRE, f"remove {', '.join(surplus)}", RemoveOwned(surplus)))
    if not steps:
        return
    changes = [Change(path, before, after, "file") for path, (before, after) in wrong.items()]
    changes += [Change(path, "present", None, "file") for path in surplus]
    action, reason = Action.UPDATE, "the settings of charon differ"
    if not there:
        action, reason = Action.CREATE, "after a restart its tunnels would wait for packets"
    elif not wanted:
        action, reason = Action.DELETE, "the router has no tunnels any more"
    yield ResourceChange(Resource.charon(desired.router), action, reason, tuple(changes), tuple(steps))


def _step(desired: RouterConfig, phase: Phase, summary: str, operation: Operation) -> Step:
    return Step(desired.router, phase, "", summary, Disruption.NONE, operation)
