"""The outcome of a step, and the checks of a verification."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.plan import Disruption, Step

IN_FLIGHT = 3
"""Packets that a change may catch between the routers: the end that answers an exchange installs the new SA
and uses it before its peer has read the answer (RFC 7296, section 2.8)."""


class Status(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step's end. `message` says why when it is not done; `seconds` is how long it took, for steps
    that ran as one batch the time of the batch."""

    step: Step
    status: Status
    message: str = ""
    seconds: float = 0.0
    restored: bool = False
    """Whether the tunnel goes on as before: its SAs run, and its configuration and key are loaded again."""


@dataclass(frozen=True, slots=True)
class Echoes:
    """ICMP echo requests that were sent and replies that came back."""

    sent: int
    received: int
    rtt: float | None = None
    errors: int = 0
    """Seconds of the shortest round trip; None where no reply came, and where no router reports it."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What an apply cost one tunnel, beside what its plan had said: echo requests went through it at a steady
    rate from before the first step until after the last one."""

    tunnel: str
    router: str
    """Where they were sent from."""
    predicted: Disruption
    sent: int
    lost: int
    """Round trips: a packet that was lost on either way."""
    longest: float
    """Seconds that the longest row of lost ones stands for."""
    silent: float = 0.0
    """Seconds at the beginning in which the tunnel carried nothing, as before; not counted above."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many packets a router's kernel has dropped during an apply because they came by an SA that was not
    installed yet: the exact loss of the switches that were made there, and of all else at that time."""

    router: str
    packets: int


@dataclass(frozen=True, slots=True)
class Check:
    """One claim that was put to the test, with the evidence for a person."""

    name: str
    passed: bool
    evidence: str
