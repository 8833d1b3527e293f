"""What one step does at a router: a frozen value for each kind of operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from reconciler.model.router_config import InterfaceAddress, OwnedFile, Pair, SharedSecret
from reconciler.model.secret import Secret
from reconciler.model.swanctl import Settings
from reconciler.model.way_back import Arming, Saved


@dataclass(frozen=True, slots=True)
class SetSysctls:
    """Write kernel settings; keys are below /proc/sys."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AddAddress:
    """Record a VIP and the document that asks for it, then configure it on its interface."""

    address: InterfaceAddress
    owner: str
    after: tuple[str, ...] = ()
    """Routers, or this one, that hold it until the same plan takes it off them."""
    needed_by: tuple[str, ...] = ()
    """Groups of tunnels that cannot come up without it."""


@dataclass(frozen=True, slots=True)
class RemoveAddress:
    """Take a VIP off its interface, then out of the record."""

    address: InterfaceAddress


@dataclass(frozen=True, slots=True)
class RecordAddress:
    """Record another document for a VIP that tunnelwright added; with none, record it no longer."""

    address: InterfaceAddress
    owner: str


@dataclass(frozen=True, slots=True)
class TidyRecord:
    """Write the record of VIPs anew, without the lines that are not understood."""

    owners: Mapping[InterfaceAddress, str]


@dataclass(frozen=True, slots=True)
class ChangeFirewall:
    """One atomic nftables transaction, as libnftables JSON."""

    document: str
    exposes: tuple[Pair, ...] = ()
    """(Source, destination) CIDRs of traffic that nothing guards any more after it."""
    copy: str = ""
    """Another one, which makes a second table that guards as ours does after it: loaded before, and removed
    after it. Empty where nothing that guards is replaced."""


@dataclass(frozen=True, slots=True)
class LoadSecret:
    """VICI load-shared. Of several keys for one peer charon proves itself by the one that was loaded last."""

    secret: SharedSecret
    former: SharedSecret | None = None
    """The key before it, as the router's file has it: used again when the tunnel does not move."""


@dataclass(frozen=True, slots=True)
class UnloadSecret:
    """VICI unload-shared."""

    id: str


@dataclass(frozen=True, slots=True)
class LoadConnection:
    """VICI load-conn."""

    name: str
    settings: Settings
    former: Settings | None = None
    """What the router's file says of it, which runs: loaded again when the tunnel does not move."""


@dataclass(frozen=True, slots=True)
class UnloadConnection:
    """VICI unload-conn; SAs go on until they are terminated."""

    name: str


class Scope(StrEnum):
    """What has to come up: the first SAs of a tunnel, new CHILD_SAs inside its IKE_SA, a new IKE_SA beside
    the old one, or all of it anew after the old has gone. In rising order of reach."""

    FIRST = "first"
    CHILD = "child"
    IKE = "ike"
    RECONNECT = "reconnect"

    @property
    def rank(self) -> int:
        """0 for the least reach."""
        return list(Scope).index(self)

    @property
    def beside(self) -> bool:
        """Whether new SAs come up beside those that run."""
        return self in {Scope.CHILD, Scope.IKE}


@dataclass(frozen=True, slots=True)
class PairEnd:
    """One end of a managed pair: its router, and the connection there."""

    router: str
    connection: str


@dataclass(frozen=True, slots=True)
class CloseSurplus:
    """Close the CHILD_SAs of a connection of which there are more than are needed, or that are one-sided."""

    connection: str
    other_end: PairEnd | None = None
    """The other end, where that is managed: in the end both hold the same SAs, and one of each kind."""

    @property
    def reach(self) -> int:
        """How much of a tunnel a switch sets up anew; of the needs of two ends the one with more counts."""
        return 0


@dataclass(frozen=True, slots=True)
class Widen:
    """Ask the peer for the selectors of a connection that it has not agreed to."""

    connection: str
    children: tuple[str, ...]
    settings: Settings
    """The desired connection."""
    other_end: PairEnd | None = None
    """As of CloseSurplus."""

    @property
    def reach(self) -> int:
        """As of CloseSurplus."""
        return 1


@dataclass(frozen=True, slots=True)
class Establish:
    """Bring up every child, then retire the SAs that were there before, if any. `scope` is what the plan
    foresees; charon itself knows whether the running IKE_SA can carry the new children."""

    connection: str
    children: tuple[str, ...]
    scope: Scope
    replaces: tuple[str, ...] = ()
    """Former connections of the tunnel: their SAs go as well."""
    other_end: PairEnd | None = None
    """As of CloseSurplus."""
    former_version: str = ""
    """The version of IKE of the old SAs that the other end terminates when the version changes; empty where
    this end terminates all."""

    @property
    def reach(self) -> int:
        """As of CloseSurplus."""
        return 2 + self.scope.rank


Switch: TypeAlias = CloseSurplus | Widen | Establish
"""What changes the SAs of a tunnel in the phase of that name, after which both of its ends are at rest."""


@dataclass(frozen=True, slots=True)
class Terminate:
    """End every IKE_SA of a connection, with its CHILD_SAs."""

    connection: str


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a swanctl file: 0600, to a temporary name, then renamed."""

    path: str
    content: Secret


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """Remove a swanctl file."""

    path: str


@dataclass(frozen=True, slots=True)
class WriteOwned:
    """Write files that are ours as a whole, by their paths and in this order: each to a temporary name,
    flushed to the disk, then renamed. A file for nftables replaces another only if `nft --check` takes it."""

    files: Mapping[str, OwnedFile]


@dataclass(frozen=True, slots=True)
class RemoveOwned:
    """Remove such files, in this order, and the folders that are empty then."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rename a foreign file, so that charon no longer loads it."""

    path: str


@dataclass(frozen=True, slots=True)
class Arm:
    """Save what is there, so that the router goes back to it unless it is confirmed."""

    arming: Arming
    saved: Saved


@dataclass(frozen=True, slots=True)
class Confirm:
    """Keep what was changed since the router was armed under this id."""

    arming: str


Operation: TypeAlias = (
    Arm
    | Confirm
    | SetSysctls
    | AddAddress
    | RemoveAddress
    | RecordAddress
    | TidyRecord
    | ChangeFirewall
    | LoadSecret
    | UnloadSecret
    | LoadConnection
    | UnloadConnection
    | CloseSurplus
    | Widen
    | Establish
    | Terminate
    | WriteFile
    | RemoveFile
    | WriteOwned
    | RemoveOwned
    | SetAside
)
