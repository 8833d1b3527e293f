"""A plan: which resources change and why, and the ordered operations that change them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Self, TypeAlias

from reconciler.model.absence import Absence
from reconciler.model.router_config import InterfaceAddress, OwnedFile, Pair, SharedSecret
from reconciler.model.secret import Secret
from reconciler.model.settings import Change, Settings
from reconciler.model.way_back import Arming, Saved


class Action(StrEnum):
    """What happens to a resource; the symbols are Terraform's."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"

    @property
    def symbol(self) -> str:
        """`+`, `~` or `-`."""
        return {"create": "+", "update": "~", "delete": "-"}[self.value]


class Disruption(StrEnum):
    """What a step does to traffic that flows, from nothing to the end of the tunnel."""

    NONE = "none"
    MAKE_BEFORE_BREAK = "make-before-break"
    INTERRUPTS = "interrupts"
    DESTROYS = "destroys"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return list(Disruption).index(self)


class Phase(IntEnum):
    """The order of an apply. Every router finishes a phase before any starts the next one, so both
    ends of a pair are loaded before either switches. WITHDRAW takes addresses off the routers that lose them
    before HOST adds them to those that get them. A tunnel's file is written in COMMIT, after the
    switch: until then the difference to the file keeps the change visible to the next run. MARK makes
    the old file say that it no longer vouches for what charon holds: a change that failed half-way and
    is then reverted in Git would else look as if nothing had happened. ARM comes before the first change
    and CONFIRM after the proof, where a change has to be confirmed; both at all routers or at none."""

    ARM = 0
    WITHDRAW = 1
    HOST = 2
    GUARD = 3
    MARK = 4
    SECRETS = 5
    CONNECTIONS = 6
    SWITCH = 7
    COMMIT = 8
    RETIRE = 9
    UNGUARD = 10
    CONFIRM = 11


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
    """What has to come up: nothing where there are more CHILD_SAs than are needed, what the peer has not
    agreed to, the first SAs of a tunnel, new CHILD_SAs inside its IKE_SA, a new IKE_SA beside the old one,
    or all of it anew after the old has gone. In rising order of reach."""

    SURPLUS = "surplus"
    WIDEN = "widen"
    FIRST = "first"
    CHILD = "child"
    IKE = "ike"
    RECONNECT = "reconnect"

    @property
    def rank(self) -> int:
        """0 for the least reach."""
        return list(Scope).index(self)


@dataclass(frozen=True, slots=True)
class FarEnd:
    """The other end of a managed pair: its router, and the connection there."""

    router: str
    connection: str


@dataclass(frozen=True, slots=True)
class Establish:
    """Bring up every child, then retire the SAs that were there before, if any. `scope` is what the plan
    foresees; charon itself knows whether the running IKE_SA can carry the new children."""

    connection: str
    children: tuple[str, ...]
    scope: Scope
    replaces: tuple[str, ...] = ()
    """Former connections of the tunnel: their SAs go as well."""
    far: FarEnd | None = None
    """The other end, where that is managed: in the end both hold the same SAs, and one of each kind."""
    far_ends: str = ""
    """The version of IKE of the old SAs that the other end terminates when the version changes; empty where
    this end terminates all."""
    asks: Settings | None = None
    """The desired connection, where the peer is to be asked for what it has not agreed to."""


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
    | Establish
    | Terminate
    | WriteFile
    | RemoveFile
    | WriteOwned
    | RemoveOwned
    | SetAside
)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation at one router. `group` is shared by the steps of both ends of a tunnel; an
    empty group means the router as a whole."""

    router: str
    phase: Phase
    group: str
    summary: str
    disruption: Disruption
    operation: Operation

    @property
    def waits_for_peer(self) -> bool:
        """True when nothing but the peer's agreement is lacking: asking again changes nothing by itself."""
        return isinstance(self.operation, Establish) and self.operation.scope is Scope.WIDEN


@dataclass(frozen=True, slots=True)
class Resource:
    """What a person counts: a tunnel end, a VIP, or the firewall table, the sysctls or the boot files of a
    router."""

    router: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.router}/{self.kind}/{self.name}"

    @classmethod
    def firewall(cls, router: str) -> Self:
        """The nftables table of a router."""
        return cls(router, "firewall", "inet tunnelwright")

    @classmethod
    def vip_record(cls, router: str) -> Self:
        """The router's record of the VIPs that tunnelwright added."""
        return cls(router, "vip-record", "addresses")

    @classmethod
    def sysctls(cls, router: str) -> Self:
        """The kernel settings of a router."""
        return cls(router, "sysctl", "forwarding")

    @classmethod
    def boot(cls, router: str) -> Self:
        """The files from which a router loads at its boot what its kernel has forgotten."""
        return cls(router, "boot", "files")

    @classmethod
    def read(cls, text: str) -> Self:
        """The resource of which this is the text. Raises ValueError."""
        router, kind, name = text.split("/", 2)
        return cls(router, kind, name)


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource that differs from the desired state, and the steps that change it."""

    resource: Resource
    action: Action
    reason: str
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]

    @property
    def group(self) -> str:
        """The name that it shares with the other end of its tunnel; empty for the router as a whole."""
        return next((step.group for step in self.steps if step.group), "")

    @property
    def follows(self) -> bool:
        """Whether it does nothing but let the other end of its tunnel switch without loss: no field of Git's
        differs here."""
        return bool(self.changes) and all(field.path.endswith(".priority") for field in self.changes)

    @property
    def waits_for_peer(self) -> bool:
        """True when all of it is up to the peer, which has narrowed the selectors."""
        return bool(self.steps) and all(step.waits_for_peer for step in self.steps)

    @property
    def disruption(self) -> Disruption:
        """The worst disruption among its steps."""
        return max((step.disruption for step in self.steps), key=lambda d: d.rank, default=Disruption.NONE)


@dataclass(frozen=True, slots=True)
class HeldAddress:
    """An address on an interface of a router."""

    router: str
    address: InterfaceAddress
    owner: str = ""
    """The document for which tunnelwright added it; empty where somebody else did."""

    @property
    def host(self) -> str:
        """The address without its prefix length."""
        return self.address.host


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An address that two routers have on one public network, or that one has and another one shall get."""

    address: str
    network: str
    holders: tuple[HeldAddress, ...]
    wanted: tuple[str, ...] = ()
    """Routers that shall get it and do not, as long as others hold it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one apply would do, routers and resources in order of name."""

    changes: tuple[ResourceChange, ...] = ()
    unreachable: Mapping[str, Absence] = field(default_factory=dict)
    """Routers that could not be observed, understood or locked, and why; nothing is planned for them."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Tunnels left out because their other end cannot be changed together with them, or for want of a key."""
    keyless: frozenset[str] = frozenset()
    """Those left out because the key of one of their ends cannot be read, whether or not they differ."""
    duplicates: tuple[Duplicate, ...] = ()
    """Addresses for which two routers answer, or would, and that the plan does not part."""
    unused: tuple[HeldAddress, ...] = ()
    """VIPs of tunnels that were deleted: they stay until their address is wanted elsewhere or released."""
    arming: tuple[Step, ...] = ()
    """Steps before all others that let each router go back by itself; none where nothing has to be
    confirmed."""
    confirming: tuple[Step, ...] = ()
    """Steps after the proof that end this."""

    @property
    def listed_steps(self) -> tuple[Step, ...]:
        """All steps in their order, with those that frame an apply that has to be confirmed."""
        return (*self.arming, *self.steps, *self.confirming)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in the order of an apply: by phase, then by router."""
        found = [step for change in self.changes for step in change.steps]
        return tuple(sorted(found, key=lambda step: (step.phase, step.router)))

    def tidying(self, groups: Collection[str]) -> Plan:
        """The part of it that closes surplus SAs of some groups, or asks for what was not agreed to, and does
        nothing else with them."""
        found = tuple(
            change
            for change in self.changes
            if change.group in groups
            and all(
                isinstance(step.operation, Establish) and step.operation.scope.rank <= Scope.WIDEN.rank
                for step in change.steps
            )
        )
        return Plan(found)

    @property
    def exposed(self) -> tuple[tuple[str, Pair], ...]:
        """Traffic that leaves its router in the clear once the plan is applied, because no tunnel carries or
        guards it any more: the router, and source and destination CIDR."""
        return tuple(
            (step.router, pair)
            for step in self.steps
            if isinstance(step.operation, ChangeFirewall)
            for pair in step.operation.exposes
        )

    def later(self, now: Plan) -> Plan:
        """The changes of which `now`, the part of it that may be done now, has nothing."""
        done = {change.resource for change in now.changes}
        return Plan(tuple(change for change in self.changes if change.resource not in done))

    @property
    def routers(self) -> frozenset[str]:
        """Every router that an apply touches: where it has a step, and both ends of what it switches."""
        switches = [step.operation for step in self.steps if isinstance(step.operation, Establish)]
        far = {item.far.router for item in switches if item.far is not None}
        return frozenset(far | {step.router for step in self.steps})

    def count(self, action: Action) -> int:
        """How many resources the plan adds, changes or destroys."""
        return sum(change.action is action for change in self.changes)

    @property
    def empty(self) -> bool:
        """True when the live state is the desired one, as far as it can be observed."""
        return not self.changes
