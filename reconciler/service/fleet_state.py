"""What one run saw on the routers, as they are when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.absence import Absence
from reconciler.model.events import PlannedChange
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Resource
from reconciler.model.router_config import ChildSa, RouterConfig, RouterState, connection_name


@dataclass(frozen=True, slots=True)
class FleetState:
    """The routers at the end of a run, and what in them no commit had made different."""

    fabric: Fabric
    desired: Mapping[str, RouterConfig]
    states: Mapping[str, RouterState]
    """Of the routers that answered."""
    absent: Mapping[str, Absence] = field(default_factory=dict)
    """Routers without a state, and why."""
    differs: Mapping[Resource, PlannedChange] = field(default_factory=dict)
    """What differs still, whatever has made it so."""
    drift: frozenset[Resource] = frozenset()
    """What of it no commit has made different."""
    repaired: frozenset[Resource] = frozenset()
    """What the run has repaired."""
    keyless: frozenset[str] = frozenset()
    """Tunnels that were withheld for want of a key."""

    def children(self, tunnel: str) -> Mapping[str, tuple[ChildSa, ...]] | None:
        """Each child that an enabled tunnel should have, with its CHILD_SAs; None for a disabled tunnel, and
        for one whose router did not answer."""
        known = self.fabric.tunnels[tunnel]
        state = self.states.get(known.router)
        if not known.enabled or state is None:
            return None
        name = connection_name(tunnel)
        running = state.installed(name)
        return {
            child: tuple(sa for sa in running if sa.name == child)
            for child in sorted(self.desired[known.router].connections[name].children)
        }
