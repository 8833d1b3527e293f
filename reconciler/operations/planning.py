"""What a command wants planned, and steps 2 to 5 of the order of a change (`operations/converge.py`): `plan`
ends after them, `apply`, `reconnect` and `vip release` take them under the locks."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.fabric import Fabric
from reconciler.model.router_config import NOTHING_ASKED, Asked
from reconciler.operations.desired import shown_by_files
from reconciler.operations.preview import Decision, Preview, check_selection, decide, preview
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

    @property
    def routers(self) -> frozenset[str]:
        """The routers at which it may select something."""
        return routers_of(self.fabric, self.targets, self.excluded)

    def observed(self) -> Preview:
        """Steps 2 and 3: what the routers hold, and the plan of what was named.

        Raises what `preview` raises.
        """
        release = self.asked.release
        selected = releasing(release) if release else targeting(self.fabric, self.targets, self.excluded)
        return preview(self.fabric, self.store, self.fleet, selected, self.asked)

    def check_names(self, found: Preview) -> None:
        """Raises TunnelwrightError for a name that selects nothing, or a VIP that cannot be released."""
        if self.asked.release:
            check_released(found.plan, found.desired, self.asked.release)
        else:
            check_selection(found, self.targets, self.excluded)

    def decided(self, found: Preview) -> Decision:
        """Steps 4 and 5: what may be done now of what `observed` found."""
        known = shown_by_files(self.fabric, self.store, found.observation.states)
        return decide(found, known, self.overrides)
