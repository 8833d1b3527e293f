"""What a command wants planned, and steps 2 to 6 of the order of a change (`operations/converge.py`): `plan`
and `preview --live` end after them; `apply`, `reconnect` and `vip release` take steps 2 to 5 under the locks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import NOTHING_ASKED, Asked
from reconciler.operations.desired import check_keys, shown_by_files
from reconciler.operations.observed_plan import (
    Decision,
    ObservedPlan,
    check_selection,
    decide,
    everything,
    observed_plan,
    without,
)
from reconciler.plan.fleet import ChangeFilter
from reconciler.plan.targets import check_released, releasing, routers_of, targeting
from reconciler.policy import Override
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore


@dataclass(frozen=True, slots=True)
class Planning:
    """The part of a fabric that a command names, and where its keys and routers are."""

    fabric: Fabric
    store: SecretStore
    fleet: Fleet
    targets: tuple[str, ...] = ()
    """Names as `targeting` takes them; empty for all."""
    excluded: tuple[str, ...] = ()
    overrides: frozenset[Override] = frozenset()
    """The limits that are set aside."""
    asked: Asked = NOTHING_ASKED
    """What is wanted beside the documents. Where VIPs are to be released, only their removal is planned."""

    also: ChangeFilter = everything
    """Narrows what was named once it is found."""

    @property
    def routers(self) -> frozenset[str]:
        """The routers at which it may select something."""
        return routers_of(self.fabric, self.targets, self.excluded)

    def decided(
        self,
        refused: Mapping[str, TunnelwrightError] = MappingProxyType({}),
        accept: Callable[[ObservedPlan], None] | None = None,
    ) -> Decision:
        """Steps 2 to 5: what the routers hold, except those that are `refused`, and what may be done now of
        what was named. `accept` raises for a plan that is not to be judged, in place of the check of names.

        Raises what `observed_plan` and `accept` raise; TunnelwrightError for a name that selects nothing, or
        a VIP that cannot be released.
        """
        release = self.asked.release
        selected = releasing(release) if release else targeting(self.fabric, self.targets, self.excluded)
        found = without(observed_plan(self.fabric, self.store, self.fleet, selected, self.asked), refused)
        (accept or self._check_names)(found)
        known = shown_by_files(self.fabric, self.store, found.observation.states)
        return decide(found, known, self.overrides, self.also)

    def checked(self, show: Callable[[Decision], None] = lambda _: None) -> Decision:
        """Steps 2 to 6, of which nothing is carried out: a plan that is refused is returned as such. `show`
        gets the decision before its keys are checked.

        Raises what `decided` raises, and WeakKey.
        """
        decision = self.decided()
        show(decision)
        check_keys(self.fabric, decision.allowed.plan)
        return decision

    def _check_names(self, found: ObservedPlan) -> None:
        if self.asked.release:
            check_released(found.plan, found.desired, self.asked.release)
        else:
            check_selection(found, self.targets, self.excluded)
