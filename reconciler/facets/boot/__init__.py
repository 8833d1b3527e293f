"""Boot files: what a router needs to have its guards, its VIPs and its kernel settings back after a boot,
before the first packet, without tunnelwright.

A kernel forgets all three. `load` loads the guards and fails closed; `up` sets the kernel settings and adds
the VIPs that tunnelwright has added before (`/etc/tunnelwright/addresses`). With systemd, units call both;
elsewhere whatever starts the router has to. A drop-in makes nftables.service keep the guards when it loads
the router's own rules: those would flush them (Debian's begin with `flush ruleset`).
`watch` loads the guards again when another program takes them out of the kernel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from reconciler.facets.boot import charon
from reconciler.facets.firewall import nft_file
from reconciler.model.router_config import (
    InterfaceAddress,
    LiveOwnedFile,
    OwnedFile,
    Pair,
    Platform,
    RouterConfig,
)

FOLDER: Final = "/etc/tunnelwright"
GUARD: Final = f"{FOLDER}/guard.nft"
SYSCTLS: Final = "/etc/sysctl.d/99-tunnelwright.conf"
_UNITS: Final = "/etc/systemd/system"
_DROP_IN: Final = "tunnelwright.conf"
_NFTABLES: Final = f"{_UNITS}/nftables.service.d"
_RULES: Final = "tunnelwright.sh"
"""Beside the drop-in, which needs it also where /etc/tunnelwright is gone; systemd reads `*.conf` alone."""
_NETWORKS: Final = "/etc/systemd/network"
_IF_UP: Final = "/etc/network/if-up.d/tunnelwright"
_GOOD: Final = f"{FOLDER}/guard.good.nft"
_CLOSED: Final = f"{FOLDER}/closed.nft"
_LOAD: Final = f"{FOLDER}/load"
_UP: Final = f"{FOLDER}/up"
_WATCH: Final = f"{FOLDER}/watch"

PLACES: Final = (
    GUARD,
    _GOOD,
    _CLOSED,
    _LOAD,
    _UP,
    _WATCH,
    *charon.PLACES,
    SYSCTLS,
    f"{_UNITS}/tunnelwright-*.service",
    f"{_UNITS}/*.d/{_DROP_IN}",
    f"{_NFTABLES}/{_RULES}",
    f"{_NETWORKS}/*.network.d/{_DROP_IN}",
    _IF_UP,
)
"""Shell patterns of every path that a file of ours without keys has, or had."""

NOTHING: Final[Mapping[str, frozenset[Pair]]] = MappingProxyType({})
"""No elements."""
_PLAIN, _PROGRAM, _PRIVATE = 0o644, 0o755, 0o600


def boot_files(
    desired: RouterConfig,
    platform: Platform,
    vips: Collection[InterfaceAddress],
    kept: Mapping[str, frozenset[Pair]] = NOTHING,
) -> dict[str, OwnedFile]:
    """The files by path, in the order in which they are written: what starts something comes after what it
    starts. `vips` are those that tunnelwright has added or adds, `kept` elements of the table that stay for
    now.

    A router without tunnels and without VIPs of ours has none.
    """
    if not (desired.guards or desired.addresses):
        return {}
    guard = OwnedFile(nft_file.render(desired.firewall, kept), _PRIVATE)
    found = {GUARD: guard, _GOOD: guard, _CLOSED: OwnedFile(charon.text_of("closed.nft"), _PRIVATE)}
    found[SYSCTLS] = OwnedFile("".join(_settings(desired)), _PLAIN)
    found[_LOAD] = OwnedFile(charon.text_of("load.sh"), 0o700)
    found[_UP] = OwnedFile(charon.text_of("up.sh"), 0o700)
    found[_WATCH] = OwnedFile(charon.text_of("watch.sh"), 0o700)
    found |= charon.files(desired.give_up_after)
    if platform.systemd:
        found |= _units(platform)
        found |= _networks(vips, platform)
    if platform.ifupdown:
        found[_IF_UP] = OwnedFile(charon.text_of("if-up.sh"), _PROGRAM)
    return found


def _settings(desired: RouterConfig) -> Iterator[str]:
    """The lines of a file for sysctl.d(5). An interface may not be there yet, which is no error."""
    yield "# Written by tunnelwright.\n"
    for key, allowed in sorted(desired.sysctls.items()):
        yield f"-{key} = {max(allowed)}\n"


def _units(platform: Platform) -> Iterator[tuple[str, OwnedFile]]:
    for service in ("guard", "addresses", "watch"):
        name = f"tunnelwright-{service}.service"
        yield f"{_UNITS}/{name}", OwnedFile(charon.text_of(name), _PLAIN)
    if platform.ruleset:
        yield f"{_NFTABLES}/{_RULES}", OwnedFile(charon.text_of("nftables.sh"), _PLAIN)
        yield f"{_NFTABLES}/{_DROP_IN}", OwnedFile(_nftables(platform.ruleset), _PLAIN)
    # A drop-in instead of a link in a `.wants` folder: a file that is compared like the others.
    for target, services in (("sysinit", ("guard",)), ("multi-user", ("addresses", "watch"))):
        content = "[Unit]\n" + "".join(f"Wants=tunnelwright-{service}.service\n" for service in services)
        yield f"{_UNITS}/{target}.target.d/{_DROP_IN}", OwnedFile(content, _PLAIN)


def _nftables(ruleset: str) -> str:
    """The drop-in for nftables.service: it loads the guards together with the router's own rules."""
    load = f"/bin/sh {_NFTABLES}/{_RULES} with {ruleset}"
    flush = f"/bin/sh {_NFTABLES}/{_RULES} flush"
    lines = ("ExecStart=", f"ExecStart={load}", "ExecReload=", f"ExecReload={load}")
    return "\n".join(("[Service]", *lines, "ExecStop=", f"ExecStop={flush}", ""))


def _networks(vips: Collection[InterfaceAddress], platform: Platform) -> Iterator[tuple[str, OwnedFile]]:
    """systemd-networkd takes away what its own files do not have."""
    for interface, network in sorted(platform.networkd.items()):
        addresses = sorted(vip.cidr for vip in vips if vip.interface == interface)
        if addresses:
            lines = "".join(f"Address={address}\n" for address in addresses)
            yield f"{_NETWORKS}/{network}.d/{_DROP_IN}", OwnedFile(f"[Network]\n{lines}", _PLAIN)


def as_applied(files: Mapping[str, OwnedFile]) -> dict[str, LiveOwnedFile]:
    """What would be observed of files once they are written."""
    return {path: LiveOwnedFile(_digest(file), file.mode) for path, file in files.items()}


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
