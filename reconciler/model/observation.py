"""The observation of a whole fabric at one time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.errors import TunnelwrightError
from reconciler.model.router_config import RouterState
from reconciler.model.way_back import Armed, WentBack


@dataclass(frozen=True, slots=True)
class Observation:
    """The live state of a fabric: the routers that answered, and why the others did not."""

    states: Mapping[str, RouterState] = field(default_factory=dict)
    failures: Mapping[str, TunnelwrightError] = field(default_factory=dict)
    rulesets: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    """The nftables ruleset of each router whose NAT decides where traffic goes that a plan lets out."""

    @property
    def ways_back(self) -> tuple[Armed | WentBack, ...]:
        """What the routers report of their ways back, in the order of their names."""
        return tuple(item for _, state in sorted(self.states.items()) for item in state.way_back.reported)
