"""The facet `files` of one tunnel end: its file, and those of connections that it adopts. Part of its
resource."""

from __future__ import annotations

from typing import Final

from reconciler.diff.tunnel_end import TunnelEnd
from reconciler.facets import files
from reconciler.model.router_config import ForeignFile
from reconciler.model.swanctl import Change

RECONNECT: Final = "reconnect"
"""The field that asks for the tunnel to be taken down and up."""


def compare(end: TunnelEnd, aside: tuple[ForeignFile, ...], *, explained: bool) -> tuple[Change, ...]:
    """How the file differs, apart from the connection and the key in it, and which files go (`aside`). That
    it is not what is rendered is said where nothing else differs: else (`explained`) it follows from that.
    """
    changes = [*_reconnect(end)]
    changes += [Change("adopted.file", file.path, f"{file.path}{files.ADOPTED}", "file") for file in aside]
    if end.file.is_there and end.file.protected != end.connection.protected:
        on_off = ("off", "on") if end.connection.protected else ("on", "off")
        changes.append(Change("deletionProtection", *on_off, "file"))
    if not (end.file_is_right or explained or changes):
        changes.append(Change("file", "edited" if end.file.is_there else None, "rendered", "file"))
    elif has_wrong_mode(end):
        changes.append(Change("file.mode", f"{end.file.mode:04o}", f"{files.MODE:04o}", "file"))
    return tuple(changes)


def _reconnect(end: TunnelEnd) -> tuple[Change, ...]:
    """The command asks for a reconnect, or Git does and the file has another one as the last that was done.
    A file that does not say so is no reason."""
    wanted = end.connection.reconnect
    if end.reconnect_asked:
        return (Change(RECONNECT, end.file.reconnect or None, "now", "file"),)
    done = end.file.reconnect if wanted else None
    if done is None or done == wanted:
        return ()
    return (Change(RECONNECT, done or None, wanted, "file"),)


def has_wrong_mode(end: TunnelEnd) -> bool:
    """Whether others than its owner may use the file, or its owner may not."""
    return end.file.mode != files.MODE and end.file.is_there


def adopted(end: TunnelEnd) -> tuple[ForeignFile, ...]:
    """Files of adopted connections that can go."""
    found = ((old, end.live.state.foreign_files.get(old)) for old in end.connection.former)
    return tuple(file for old, file in found if file is not None and _can_go(end, old, file))


def _can_go(end: TunnelEnd, old: str, file: ForeignFile) -> bool:
    """A file of several connections goes with the last that is taken over: were it renamed with an earlier
    one, and another's step failed, a restart of charon would leave that one without any."""

    def taken_over(name: str) -> bool:
        return not end.live.holds(name) and any(
            name in other.former and files.file_name(other.name) in end.live.state.files
            for other in end.desired.connections.values()
        )

    if not all(map(taken_over, file.others)):
        return False
    return not taken_over(old) or old < min(file.others, default=f"{old}.")
