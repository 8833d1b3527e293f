"""One event of each class beside the object that reports it, as every version has written it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from reconciler.model.absence import Absence, AbsenceKind
from reconciler.model.condition import State
from reconciler.model.diagnostic import Diagnostic, Location, Severity
from reconciler.model.events import (
    Diagnosed,
    Down,
    Drift,
    DuplicateAddress,
    Event,
    Exposed,
    Held,
    Impaired,
    LeftOut,
    Overridden,
    Part,
    PlannedChange,
    PlannedStep,
    PlanSummary,
    Rollback,
    StepEnded,
    ToConfirm,
    Traced,
    Trouble,
    Unreachable,
    UnusedVip,
    Withheld,
    WithheldFor,
)
from reconciler.model.judgement import Deferral, Override, Refusal
from reconciler.model.outcome import Check, Dropped, Loss, Status
from reconciler.model.plan import Action, Disruption, Phase, Resource, ResourceKind
from reconciler.model.swanctl import UNOBSERVABLE, Change
from reconciler.model.trace import Trace
from reconciler.model.way_back import Armed, Arming, Cause, WentBack

END = Resource("paris", ResourceKind.TUNNEL, "paris-tokyo")
SWITCH = PlannedStep("paris", Phase.SWITCH, "paris-tokyo", "bring up", Disruption.MAKE_BEFORE_BREAK)
SWITCHED = {
    "router": "paris",
    "phase": "switch",
    "group": "paris-tokyo",
    "summary": "bring up",
    "disruption": "make-before-break",
}

ARMING = Arming("0123456789abcdef", "me@here", "d" * 64, "c" * 40, 300)
ARMED = {"id": "0123456789abcdef", "by": "me@here", "commit": "c" * 40, "digest": "d" * 64, "seconds": 300}

WRITTEN: list[tuple[Event, dict[str, Any]]] = [
    (
        Diagnostic(
            Severity.WARNING,
            "code",
            Location("a.yaml", 1, 2),
            "message",
            "spec.a",
            "allowed",
            "hint",
            (Location("b.yaml", 3, 4),),
            5,
            6,
        ),
        {
            "type": "diagnostic",
            "severity": "warning",
            "code": "code",
            "file": "a.yaml",
            "line": 1,
            "column": 2,
            "path": "spec.a",
            "message": "message",
            "allowed": "allowed",
            "hint": "hint",
            "related": [{"file": "b.yaml", "line": 3, "column": 4}],
            "more_related": 5,
            "stands_for": 6,
        },
    ),
    (
        PlannedChange(
            END,
            Action.UPDATE,
            "reason",
            Disruption.INTERRUPTS,
            (
                Change("a", "1", ("2", "3"), "vici"),
                Change("b", UNOBSERVABLE, "4", "file"),
                Change("c", None, (), "sa"),
            ),
            (SWITCH,),
            7,
        ),
        {
            "type": "resource_change",
            "router": "paris",
            "kind": "tunnel",
            "name": "paris-tokyo",
            "action": "update",
            "reason": "reason",
            "disruption": "interrupts",
            "changes": [
                {"path": "a", "before": "1", "after": ["2", "3"], "known_from": "vici"},
                {"path": "b", "before": {"unobservable": True}, "after": "4", "known_from": "file"},
                {"path": "c", "before": None, "after": [], "known_from": "sa"},
            ],
            "more_changes": 7,
            "steps": [SWITCHED],
        },
    ),
    (
        PlannedChange(END, Action.DELETE, "reason", Disruption.DESTROYS),
        {
            "type": "resource_change",
            "router": "paris",
            "kind": "tunnel",
            "name": "paris-tokyo",
            "action": "delete",
            "reason": "reason",
            "disruption": "destroys",
            "changes": [],
            "steps": [],
        },
    ),
    (
        Unreachable("paris", Absence(AbsenceKind.NOT_LOCKED, "reason")),
        {"type": "unreachable", "router": "paris", "kind": "not-locked", "reason": "reason"},
    ),
    (
        Withheld("paris-tokyo", WithheldFor.KEY, "reason"),
        {"type": "withheld", "tunnel": "paris-tokyo", "cause": "key", "reason": "reason"},
    ),
    (
        Withheld("paris-tokyo", WithheldFor.OTHER_END, "reason"),
        {"type": "withheld", "tunnel": "paris-tokyo", "cause": "other-end", "reason": "reason"},
    ),
    (
        DuplicateAddress("203.0.113.13", "internet", ("paris", "tokyo"), ("tokyo",), ()),
        {
            "type": "duplicate_address",
            "address": "203.0.113.13",
            "network": "internet",
            "routers": ["paris", "tokyo"],
            "foreign": ["tokyo"],
            "wanted": [],
        },
    ),
    (
        UnusedVip("paris", "203.0.113.13/24", "eth0", "IPsecTunnel/web"),
        {
            "type": "unused_vip",
            "router": "paris",
            "address": "203.0.113.13/24",
            "interface": "eth0",
            "document": "IPsecTunnel/web",
        },
    ),
    (
        Exposed("paris", "10.1.0.0/24", "10.2.0.0/24"),
        {"type": "exposed", "router": "paris", "source": "10.1.0.0/24", "destination": "10.2.0.0/24"},
    ),
    (
        PlanSummary(1, 2, 3, "digest"),
        {"type": "plan_summary", "create": 1, "update": 2, "delete": 3, "digest": "digest"},
    ),
    (
        Exposed("paris", "10.1.0.0/24", "10.2.0.0/24", later=True),
        {
            "type": "exposed",
            "router": "paris",
            "source": "10.1.0.0/24",
            "destination": "10.2.0.0/24",
            "later": True,
        },
    ),
    (
        PlanSummary(1, 2, 3, "digest", 4, 5),
        {
            "type": "plan_summary",
            "create": 1,
            "update": 2,
            "delete": 3,
            "later": 5,
            "more_exposed": 4,
            "digest": "digest",
        },
    ),
    (
        Refusal((END,), "reason", "hint", Override.DELETIONS),
        {
            "type": "refused",
            "resources": ["paris/tunnel/paris-tokyo"],
            "reason": "reason",
            "override": "deletions",
            "hint": "hint",
        },
    ),
    (
        Deferral((END,), "reason", None, datetime(2026, 5, 10, 2, tzinfo=UTC)),
        {
            "type": "deferred",
            "resources": ["paris/tunnel/paris-tokyo"],
            "reason": "reason",
            "override": None,
            "until": "2026-05-10T02:00:00+00:00",
        },
    ),
    (
        Overridden(Deferral((), "reason", Override.WINDOWS)),
        {"type": "overridden", "resources": [], "reason": "reason", "override": "windows", "until": None},
    ),
    (
        Overridden(Refusal((END,), "reason", "hint", Override.BUDGET)),
        {
            "type": "overridden",
            "resources": ["paris/tunnel/paris-tokyo"],
            "reason": "reason",
            "override": "budget",
            "hint": "hint",
        },
    ),
    (Held(END, "reason"), {"type": "held", "resource": "paris/tunnel/paris-tokyo", "reason": "reason"}),
    (
        Drift(END, "reason", held=True),
        {"type": "drift", "resource": "paris/tunnel/paris-tokyo", "reason": "reason", "held": True},
    ),
    (
        Traced("paris", Trace(datetime(2026, 5, 10, 2, 3, 4, 567, tzinfo=UTC), "text")),
        {"type": "trace", "router": "paris", "at": "2026-05-10T02:03:04.000567+00:00", "text": "text"},
    ),
    (Down("paris-tokyo", "paris"), {"type": "down", "tunnel": "paris-tokyo", "router": "paris"}),
    (
        Diagnosed("paris-tokyo", "paris", ("a cause (one-sided-sa)",), True),
        {
            "type": "diagnosed",
            "tunnel": "paris-tokyo",
            "router": "paris",
            "causes": ["a cause (one-sided-sa)"],
            "reconnects": True,
        },
    ),
    (
        Impaired("paris-tokyo", "paris", State.SILENT, "reason", datetime(2026, 5, 10, 2, 3, 4, tzinfo=UTC)),
        {
            "type": "impaired",
            "tunnel": "paris-tokyo",
            "router": "paris",
            "state": "up, carrying nothing",
            "reason": "reason",
            "since": "2026-05-10T02:03:04+00:00",
        },
    ),
    (Trouble(Part.KEYS, "reason"), {"type": "trouble", "unit": "keys", "reason": "reason"}),
    (
        StepEnded(SWITCH, Status.NOT_ATTEMPTED, "message", 1.25),
        {
            "type": "outcome",
            **SWITCHED,
            "status": "not attempted",
            "message": "message",
            "seconds": 1.25,
        },
    ),
    (
        Check("name", passed=False, evidence="evidence"),
        {"type": "check", "name": "name", "passed": False, "evidence": "evidence"},
    ),
    (
        Loss("paris-tokyo", "paris", Disruption.NONE, 40, 2, 0.08, 0.24),
        {
            "type": "loss",
            "tunnel": "paris-tokyo",
            "router": "paris",
            "predicted": "none",
            "sent": 40,
            "lost": 2,
            "longest_ms": 80,
            "silent_ms": 240,
        },
    ),
    (Dropped("paris", 3), {"type": "dropped", "router": "paris", "packets": 3}),
    (
        Rollback("a" * 40, "b" * 40, "reason"),
        {"type": "rollback", "from": "a" * 40, "to": "b" * 40, "reason": "reason"},
    ),
    (LeftOut(8, 9), {"type": "left_out", "objects": 8, "limit": 9}),
    (ToConfirm(300, (SWITCH,)), {"type": "to_confirm", "seconds": 300, "steps": [SWITCHED]}),
    (Armed("paris", ARMING, 17), {"type": "armed", "router": "paris", **ARMED, "left": 17}),
    (
        WentBack("paris", ARMING, Cause.DEADLINE, datetime(2026, 11, 26, tzinfo=UTC), ("VIPs: no",)),
        {
            "type": "went_back",
            "router": "paris",
            **ARMED,
            "cause": "deadline",
            "at": "2026-11-26T00:00:00+00:00",
            "problems": ["VIPs: no"],
        },
    ),
]
"""Where one class has two rows, it is written in two forms."""
