"""What the reconciler needs from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reconciler.apply.phases import Progress
from reconciler.history.kept import Kept
from reconciler.model.condition import Carriage
from reconciler.model.fabric import Fabric
from reconciler.model.observation import Observation
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore
from reconciler.service.fleet_state import FleetState
from reconciler.service.repository import FollowedRepository
from reconciler.service.signatures import Signers
from reconciler.service.trust import Trust


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a run needs from outside. Without `signers` every commit counts."""

    repository: FollowedRepository
    history: Kept
    store: SecretStore
    fleet_of: Callable[[Fabric], Fleet]
    """How the routers of a fabric are reached, and how many at once."""
    signers: Signers | None = None
    timeout: float = 10.0
    rollback: bool = True
    confirm: int | None = None
    """Seconds after which routers go back by themselves unless a run confirms them; None: they do not."""
    anew: Callable[[], None] = lambda: None
    """Closes the connections that are kept: routers are reached by new ones from then on."""
    progress: Progress = lambda _: None
    stopping: Callable[[], bool] = lambda: False
    """Ends transfers and runs; asked again and again while they go on."""
    moved: Callable[[], None] = lambda: None
    """There was progress in what has no outcome yet: a lock was asked for, a tunnel was probed."""
    on_observation: Callable[[Observation], None] = lambda _: None
    """Routers were observed."""
    rested: Callable[[], None] = lambda: None
    """A run has ended: what it reached routers by, and what it has left in memory, is not kept until the next
    one."""
    saw: Callable[[FleetState], None] = lambda _: None
    followed: Callable[[Fabric], None] = lambda _: None
    """The routers of a desired state are to be followed from now on, and its tunnels probed. What is refused,
    such as the deletion of all tunnels, ends nothing of what is known of them."""
    impaired: Callable[[], Iterable[Carriage]] = tuple
    """The connections that carry nothing, or less well than they should, as far as they are probed."""
    diagnosed: dict[str, float] | None = None
    """When each tunnel that carries nothing was last diagnosed, by the monotonic clock; runs fill it in. None
    where self-repair is off."""

    @property
    def trust(self) -> Trust:
        """Which commits count."""
        return Trust(self.repository, self.history, self.signers, self.stopping)
