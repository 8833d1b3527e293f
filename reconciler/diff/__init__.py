"""RouterConfig against RouterState -> what changes, with its steps, for one router. Pure.

What belongs to one tunnel end (connection, secret, file, running SAs) is one resource, because it
changes together and in a fixed order; a VIP, the firewall table, the sysctls and the boot files are one each.

Each facet has its comparer in the module of its name. `tunnel_difference.py` calls those of a tunnel end
(`connections`, `secrets`, `sas`, `files`), `diff_router` those of the router as a whole (`addresses`,
`firewall`, `sysctls`, `boot`).
"""

from __future__ import annotations

from reconciler.diff.addresses import address_changes, address_removals
from reconciler.diff.boot import boot_changes
from reconciler.diff.firewall import firewall_changes
from reconciler.diff.live import Live
from reconciler.diff.removals import removed_tunnels
from reconciler.diff.sysctls import sysctl_changes
from reconciler.diff.tunnels import tunnel_changes
from reconciler.diff.withdrawals import leaving, withdrawn
from reconciler.model.plan import ResourceChange
from reconciler.model.router_config import RouterConfig, RouterState


def diff_router(desired: RouterConfig, state: RouterState) -> tuple[ResourceChange, ...]:
    """Every resource of one router that differs; nothing when the router is as desired."""
    live = Live(state)
    removals = tuple(address_removals(desired, state))
    tunnels = (*tunnel_changes(desired, live), *removed_tunnels(desired, live))
    return (
        *sysctl_changes(desired, state),
        *address_changes(desired, state),
        *firewall_changes(desired, state),
        *boot_changes(desired, state),
        *leaving(desired, live, tunnels, withdrawn(removals)),
        *removals,
    )
