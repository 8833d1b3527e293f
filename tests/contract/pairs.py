"""What one commit can change of a tunnel, field by field, and the pairs of such changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

from reconciler.model.fabric import Fabric, IdType, IkeId, Vip
from tests.contract.sites import change_tunnels, rename_tunnels

NETWORKS: Final = {"paris": ("10.1.0.0/25", "10.1.0.128/25"), "tokyo": ("10.2.0.0/25", "10.2.0.128/25")}
"""What each end carries before a change: probes come from the first of each."""
_MORE: Final = "10.9.0.0/24"
_KEY: Final = "another key of the same tunnel"


@dataclass(frozen=True, slots=True)
class Commit:
    """A desired state with the key of its tunnels."""

    fabric: Fabric
    key: str | None = None
    """None for the key that they had before."""


Edit = Callable[[Commit], Commit]


def _fields(**fields: Any) -> Edit:
    return lambda commit: replace(commit, fabric=change_tunnels(commit.fabric, **fields))


def _renamed(names: Mapping[str, str]) -> Edit:
    return lambda commit: replace(commit, fabric=rename_tunnels(commit.fabric, names))


def _another_version(commit: Commit) -> Commit:
    versions = {tunnel.ike.version for tunnel in commit.fabric.tunnels.values()}
    return replace(commit, fabric=change_tunnels(commit.fabric, ike__version=2 if versions == {1} else 1))


def _networks(router: str, networks: tuple[str, ...]) -> Edit:
    """Another list of networks at one end, which the other end has as its peer's."""

    def edit(commit: Commit) -> Commit:
        tunnels = {
            name: replace(tunnel, local_cidrs=networks)
            if tunnel.router == router
            else replace(tunnel, peer_cidrs=networks)
            for name, tunnel in commit.fabric.tunnels.items()
        }
        return replace(commit, fabric=replace(commit.fabric, tunnels=tunnels))

    return edit


def _moved(router: str, address: str) -> Edit:
    """Another VIP at one end, which goes by it as before."""

    def edit(commit: Commit) -> Commit:
        fabric = commit.fabric
        [old] = [vip for vip in fabric.vips.values() if vip.router == router]
        vip: Vip = replace(old, address=address)
        tunnels = {
            name: replace(tunnel, vip=vip)
            if tunnel.router == router
            else replace(tunnel, peer_address=address)
            for name, tunnel in fabric.tunnels.items()
        }
        return replace(commit, fabric=replace(fabric, vips={**fabric.vips, vip.name: vip}, tunnels=tunnels))

    return edit


def _called(router: str, identity: IkeId) -> Edit:
    """Another identity of one end."""

    def edit(commit: Commit) -> Commit:
        tunnels = {
            name: replace(tunnel, local_id=identity)
            if tunnel.router == router
            else replace(tunnel, peer_id=identity)
            for name, tunnel in commit.fabric.tunnels.items()
        }
        return replace(commit, fabric=replace(commit.fabric, tunnels=tunnels))

    return edit


def _with_mss(commit: Commit) -> Commit:
    routers = {name: replace(router, mss=1280) for name, router in commit.fabric.routers.items()}
    return replace(commit, fabric=replace(commit.fabric, routers=routers))


EDITS: Final[Mapping[str, Edit]] = {
    "name of the initiating end": _renamed({"paris-tokyo": "zz-paris"}),
    "name of the answering end": _renamed({"tokyo-paris": "zz-tokyo"}),
    "description": _fields(description="another"),
    "key": lambda commit: replace(commit, key=_KEY),
    "VIP": _moved("paris", "203.0.113.21"),
    "identity of the initiating end": _called("paris", IkeId(IdType.FQDN, "paris.example")),
    "identity of the answering end": _called("tokyo", IkeId(IdType.EMAIL, "vpn@tokyo.example")),
    "network added": _networks("paris", (*NETWORKS["paris"], _MORE)),
    "network removed": _networks("tokyo", NETWORKS["tokyo"][:1]),
    "IKE version": _another_version,
    "IKE integrity": _fields(ike__integrity="sha512"),
    "IKE encryption": _fields(ike__encryption="aes-128"),
    "IKE group": _fields(ike__dh_group=19),
    "IKE lifetime": _fields(ike__lifetime=7200),
    "DPD switched off": _fields(ike__dpd_enabled=False),
    "DPD delay": _fields(ike__dpd_delay=45),
    "DPD action": _fields(ike__dpd_action="trap"),
    "ESP integrity": _fields(esp__integrity="sha512"),
    "ESP encryption": _fields(esp__encryption="aes-128"),
    "PFS group": _fields(esp__pfs_group=None),
    "ESP lifetime": _fields(esp__lifetime=1800),
    "deletion protection": _fields(protected=True),
    "reconnect": _fields(reconnect="2026-03-01"),
    "segment size": _with_mss,
    "disabled": _fields(enabled=False),
}
"""What a commit can change, each by its name, at both ends where that is needed."""

PAIRS: Final = tuple(combinations(EDITS, 2))
"""Every pair of them."""


def before(fabric: Fabric, version: int) -> Commit:
    """The two routers with two networks at each end."""
    tunnels = {}
    for name, tunnel in change_tunnels(
        fabric, ike__version=version, ike__dh_group=31, esp__pfs_group=31
    ).tunnels.items():
        other = "tokyo" if tunnel.router == "paris" else "paris"
        tunnels[name] = replace(tunnel, local_cidrs=NETWORKS[tunnel.router], peer_cidrs=NETWORKS[other])
    return Commit(replace(fabric, tunnels=tunnels))


def edited(commit: Commit, pair: tuple[str, str]) -> Commit:
    """Both changes of a pair in one commit."""
    first, second = pair
    return EDITS[second](EDITS[first](commit))


def reverted(commit: Commit, pair: tuple[str, str]) -> Commit:
    """The commit that takes a pair back: what it was, called by its old names again."""
    names = {
        old: tunnel.name
        for tunnel in edited(commit, pair).fabric.tunnels.values()
        for old in tunnel.previous_names
    }
    tunnels = {
        name: replace(tunnel, previous_names=(names[name],)) if name in names else tunnel
        for name, tunnel in commit.fabric.tunnels.items()
    }
    return replace(commit, fabric=replace(commit.fabric, tunnels=tunnels))
