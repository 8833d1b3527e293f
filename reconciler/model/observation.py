"""The observation of a whole fabric at one time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.errors import TunnelwrightError
from reconciler.model.router_config import RouterState


@dataclass(frozen=True, slots=True)
class Observation:
    """The live state of a fabric: the routers that answered, and why the others did not."""

    states: Mapping[str, RouterState] = field(default_factory=dict)
    failures: Mapping[str, TunnelwrightError] = field(default_factory=dict)
