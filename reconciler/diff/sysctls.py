"""The facet `sysctls`: kernel settings that are wrong. One resource of a router."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diff.router_step import router_step
from reconciler.facets import sysctls
from reconciler.model.listing import counted
from reconciler.model.operation import SetSysctls
from reconciler.model.plan import Action, Phase, Resource, ResourceChange
from reconciler.model.router_config import RouterConfig, RouterState
from reconciler.model.swanctl import Change


def sysctl_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """At most one resource, with every kernel setting that would drop or redirect tunnel traffic."""
    wrong = sysctls.wrong(desired.sysctls, live.sysctls)
    if not wrong:
        return
    summary = f"set {counted(len(wrong), 'kernel setting')}"
    operation = SetSysctls({key: value for key, _, value in wrong})
    yield ResourceChange(
        Resource.sysctls(desired.router),
        Action.UPDATE,
        "kernel settings would drop or redirect tunnel traffic",
        tuple(Change(key, before, value, "kernel") for key, before, value in wrong),
        (router_step(desired, Phase.HOST, summary, operation),),
    )
