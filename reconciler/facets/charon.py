"""charon's settings: what it does at its start, and how soon it sends a request again. They count for every
connection of the router (strongswan.conf), so they are a facet of the router, not of a tunnel.

charon reads `/etc/strongswan.d/*.conf` by way of Debian's strongswan.conf. A command of VICI,
`reload-settings`, makes it read them again: the retransmission counts for IKE_SAs that are set up from then
on (task_manager.c reads it for each), the start script when charon starts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from reconciler.model.router_config import LiveOwnedFile, OwnedFile, RouterConfig

SETTINGS: Final = "/etc/strongswan.d/tunnelwright.conf"
START: Final = "/etc/tunnelwright/start"
PLACES: Final = (START, SETTINGS)
"""The paths that files of this facet have."""


def files(desired: RouterConfig) -> dict[str, OwnedFile]:
    """The files by path, in the order in which they are written. A router without connections of ours has
    none."""
    if not desired.connections:
        return {}
    return {START: OwnedFile(_text("start"), 0o755), SETTINGS: OwnedFile(_text("charon.conf"), 0o644)}


@cache
def _text(name: str) -> str:
    return resources.files("reconciler.facets").joinpath("router_files", name).read_text("utf-8")


def as_applied(written: Mapping[str, OwnedFile]) -> dict[str, LiveOwnedFile]:
    """What would be observed of files once they are written."""
    return {path: LiveOwnedFile(_digest(file), file.mode) for path, file in written.items()}


def differing(
    wanted: Mapping[str, OwnedFile], live: Mapping[str, LiveOwnedFile]
) -> dict[str, tuple[str | None, str]]:
    """(what is there, what shall be there) in words for each file to write."""
    found: dict[str, tuple[str | None, str]] = {}
    for path, file in wanted.items():
        there, right = live.get(path), LiveOwnedFile(_digest(file), file.mode)
        if there is None:
            found[path] = (None, "present")
        elif there.digest != right.digest:
            found[path] = ("other content", "tunnelwright's")
        elif there != right:
            found[path] = (f"mode {there.mode:04o}, owner {there.owner}", f"mode {right.mode:04o}, owner 0:0")
    return found


def _digest(file: OwnedFile) -> str:
    return hashlib.sha256(file.content.encode()).hexdigest()
