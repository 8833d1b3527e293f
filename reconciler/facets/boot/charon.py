"""charon's settings: what it does at its start, and how soon it sends a request again. They count for every
connection of the router (strongswan.conf), so they are files of the router, not of a tunnel.

charon reads `/etc/strongswan.d/*.conf` by way of Debian's strongswan.conf. A command of VICI,
`reload-settings`, makes it read them again: the retransmission counts for IKE_SAs that are set up from then
on (task_manager.c reads it for each), the start script when charon starts.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from reconciler.model.router_config import OwnedFile

SETTINGS: Final = "/etc/strongswan.d/tunnelwright.conf"
START: Final = "/etc/tunnelwright/start"
PLACES: Final = (START, SETTINGS)
"""The paths that these files have."""
SENT: Final = 6
"""How often charon sends a request: once, and again as often as `retransmit_tries` says by default."""


def files(give_up_after: int) -> dict[str, OwnedFile]:
    """The files by path, in the order in which they are written, for a charon that gives up a request after
    so many seconds."""
    settings = text_of("charon.conf").replace("@INTERVAL@", f"{give_up_after / SENT:.3f}")
    return {START: OwnedFile(text_of("start.sh"), 0o700), SETTINGS: OwnedFile(settings, 0o644)}


@cache
def text_of(name: str) -> str:
    """One of the files that are the same on every router."""
    return resources.files("reconciler.facets").joinpath("router_files", name).read_text("utf-8")
