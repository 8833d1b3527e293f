"""The tunnel ends of a fleet by their groups: the two ends of a managed pair share one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from reconciler.model.operation import PairEnd
from reconciler.model.router_config import Connection, RouterConfig

Ends: TypeAlias = tuple[tuple[PairEnd, Connection], ...]


def ends_by_group(desired: Mapping[str, RouterConfig]) -> dict[str, Ends]:
    """The enabled tunnel ends of each group, by the names of their routers."""
    found: dict[str, Ends] = {}
    for router, config in sorted(desired.items()):
        for name, connection in config.connections.items():
            group = config.groups[connection.tunnel]
            found[group] = (*found.get(group, ()), (PairEnd(router, name), connection))
    return found
