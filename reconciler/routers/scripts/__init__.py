"""What runs on a router: POSIX sh, coreutils, findutils, iproute2, nftables, tar, flock, ping.

Each script is a file of this folder. It gets what it needs to know as arguments and from its environment, so
nothing is ever written into its text. Nothing there has a name that another account could have taken: what is
written lies in folders of root's alone.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources

from reconciler.facets import addresses, boot
from reconciler.model import bounds
from reconciler.routers import traces, way_back

MARK = traces.MARK
"""Divides the parts of an answer."""
TAKEN = 75
"""The exit status of a lock that another owner holds (sysexits.h: EX_TEMPFAIL)."""
_INCLUDE = ". ./"


class Script(StrEnum):
    """The scripts that are run there, each by the file that says what it does."""

    SNAPSHOT = "snapshot.sh"
    INSPECT = "inspect.sh"
    TRACES = "traces.sh"
    ROUTE = "route.sh"
    READ = "read.sh"
    WRITE = "write.sh"
    REMOVE = "remove.sh"
    WRITE_OWNED = "write-owned.sh"
    REMOVE_OWNED = "remove-owned.sh"
    SET_ASIDE = "set-aside.sh"
    SYSCTLS = "sysctls.sh"
    ADD_ADDRESS = "add-address.sh"
    REMOVE_ADDRESS = "remove-address.sh"
    RECORD_ADDRESS = "record-address.sh"
    WRITE_RECORD = "write-record.sh"
    LOCK = "lock.sh"
    CHANGE_FIREWALL = "change-firewall.sh"
    ARM = "arm.sh"
    GO_BACK = "go-back.sh"
    CONFIRM = "confirm.sh"
    GO_BACK_NOW = "go-back-now.sh"
    FORGET = "forget.sh"
    PROBE = "probe.sh"
    SIZES = "sizes.sh"
    START_STREAM = "start-stream.sh"
    STOP_STREAM = "stop-stream.sh"
    CONTAINER_SHELL = "container-shell.sh"
    END = "end.sh"


def variables(folder: str) -> list[str]:
    """What every script may ask for, as `NAME=value`; `folder` is that of the router's swanctl files."""
    return [
        f"FOLDER={folder}",
        f"MARK={MARK}",
        f"TAKEN={TAKEN}",
        f"LEASE_SECONDS={bounds.LEASE_SECONDS}",
        f"LOCK_FILE_BYTES={bounds.LOCK_FILE_BYTES}",
        f"OWNED={' '.join(boot.PLACES)}",
        f"RECORD={addresses.RECORD}",
        f"RECORD_BYTES={bounds.ROUTER_RECORD_BYTES}",
        f"WAY_BACK={way_back.WAY_BACK}",
        f"WENT_BACK={way_back.WENT_BACK}",
        f"CONFIRMED={way_back.CONFIRMED}",
        "LC_ALL=C",
    ]


@cache
def text(name: str) -> str:
    """A script as it is sent, read when it is needed first: less its comments, since a shell may read its
    input byte by byte, and with the file in the place of a line `. ./file`, which no router has."""
    lines = resources.files(__name__).joinpath(name).read_text("utf-8").splitlines()
    said = (line for line in lines if line and not line.lstrip().startswith("#"))
    return "\n".join(
        text(line.removeprefix(_INCLUDE)) if line.startswith(_INCLUDE) else line for line in said
    )
