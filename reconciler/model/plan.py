"""A plan: which resources change and why, and the ordered operations that change them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from math import inf
from typing import Final, Self

from reconciler.model.absence import Absence
from reconciler.model.operation import (
    Arm,
    ChangeFirewall,
    CloseSurplus,
    Operation,
    SetAside,
    Switch,
    Terminate,
    UnloadSecret,
    Widen,
)
from reconciler.model.router_config import InterfaceAddress, Pair
from reconciler.model.swanctl import Change


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
        return _RANKS[self]


_RANKS: Final = {disruption: rank for rank, disruption in enumerate(Disruption)}


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
        return isinstance(self.operation, Widen)


class ResourceKind(StrEnum):
    """What is changed as one."""

    TUNNEL = "tunnel"
    """A tunnel end: its connection, key, file and SAs."""
    VIP = "vip"
    VIP_RECORD = "vip-record"
    """The router's record of the VIPs that tunnelwright added."""
    KEY = "key"
    """A key of ours that belongs to no tunnel."""
    FIREWALL = "firewall"
    SYSCTLS = "sysctl"
    BOOT = "boot"


@dataclass(frozen=True, slots=True)
class Resource:
    """What a person counts: a tunnel end, a VIP, or the firewall table, the sysctls or the boot files of a
    router."""

    router: str
    kind: ResourceKind
    name: str

    def __str__(self) -> str:
        return f"{self.router}/{self.kind}/{self.name}"

    @property
    def is_tunnel(self) -> bool:
        """Whether it is a tunnel end."""
        return self.kind is ResourceKind.TUNNEL

    @classmethod
    def firewall(cls, router: str) -> Self:
        """The nftables table of a router."""
        return cls(router, ResourceKind.FIREWALL, "inet tunnelwright")

    @classmethod
    def vip_record(cls, router: str) -> Self:
        """The router's record of the VIPs that tunnelwright added."""
        return cls(router, ResourceKind.VIP_RECORD, "addresses")

    @classmethod
    def sysctls(cls, router: str) -> Self:
        """The kernel settings of a router."""
        return cls(router, ResourceKind.SYSCTLS, "forwarding")

    @classmethod
    def boot(cls, router: str) -> Self:
        """The files from which a router loads at its boot what its kernel has forgotten."""
        return cls(router, ResourceKind.BOOT, "files")

    @classmethod
    def read(cls, text: str) -> Self:
        """The resource of which this is the text. Raises ValueError."""
        router, kind, name = text.split("/", 2)
        return cls(router, ResourceKind(kind), name)


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
    """The document for which tunnelwright added it; empty where it was added otherwise."""

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
    def time_to_confirm(self) -> float:
        """Seconds from the arming of the first router until it goes back; infinite where nothing has to be
        confirmed."""
        armings = (step.operation.arming.seconds for step in self.arming if isinstance(step.operation, Arm))
        return min(armings, default=inf)

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
        """The part of it that closes surplus SAs of some groups, terminates the SAs of a tunnel of which
        nothing else is left, or asks for what was not agreed to, and does nothing else with them."""

        def tidies(change: ResourceChange) -> bool:
            gone = change.action is Action.DELETE
            kinds = (CloseSurplus, Widen, Terminate) if gone else (CloseSurplus, Widen)
            return all(isinstance(step.operation, kinds) for step in change.steps)

        found = tuple(change for change in self.changes if change.group in groups and tidies(change))
        return Plan(found)

    def setting_aside(self, groups: Collection[str]) -> Plan:
        """The part of it that only takes files of adopted connections out of the way of some groups, with the
        keys that are in them."""

        def only(change: ResourceChange) -> bool:
            kinds = {type(step.operation) for step in change.steps}
            return SetAside in kinds and kinds <= {SetAside, UnloadSecret}

        return Plan(tuple(change for change in self.changes if change.group in groups and only(change)))

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
        switches = [step.operation for step in self.steps if isinstance(step.operation, Switch)]
        others = {item.other_end.router for item in switches if item.other_end is not None}
        return frozenset(others | {step.router for step in self.steps})

    def count(self, action: Action) -> int:
        """How many resources the plan adds, changes or destroys."""
        return sum(change.action is action for change in self.changes)

    @property
    def empty(self) -> bool:
        """True when the live state is the desired one, as far as it can be observed."""
        return not self.changes
