"""A plan -> the same plan, framed by the steps with which each of its routers goes back by itself unless the
change is confirmed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.model.operation import (
    Arm,
    CloseSurplus,
    Confirm,
    Establish,
    LoadConnection,
    SetAside,
    Terminate,
    UnloadConnection,
    Widen,
)
from reconciler.model.plan import Disruption, Phase, Plan, Step
from reconciler.model.router_config import RouterConfig
from reconciler.model.way_back import Arming, Saved

_MINUTE = 60


def with_way_back(plan: Plan, arming: Arming | None, desired: Mapping[str, RouterConfig]) -> Plan:
    """The plan, in which each router that it touches is armed before the first step and confirmed after the
    proof. So it is at both ends of a pair, also where only one of them has steps. Without an arming, and with
    nothing to do, it stays as it is."""
    if arming is None or plan.empty:
        return replace(plan, arming=(), confirming=())
    routers = sorted(plan.routers)
    arm = f"save the state, to go back in {duration(arming.seconds)} unless this is confirmed"
    return replace(
        plan,
        arming=tuple(
            _step(name, Phase.ARM, arm, Arm(arming, saved(plan, name, desired))) for name in routers
        ),
        confirming=tuple(
            _step(name, Phase.CONFIRM, "confirm the change", Confirm(arming.id)) for name in routers
        ),
    )


def _step(router: str, phase: Phase, summary: str, operation: Arm | Confirm) -> Step:
    return Step(router, phase, "", summary, Disruption.NONE, operation)


def saved(plan: Plan, router: str, desired: Mapping[str, RouterConfig]) -> Saved:
    """What a router has to save for a plan, beside what is ours by its name."""
    own = [step.operation for step in plan.steps if step.router == router]
    sysctls = tuple(sorted(desired[router].sysctls)) if router in desired else ()
    aside = tuple(operation.path for operation in own if isinstance(operation, SetAside))
    return Saved(tuple(sorted(set(_connections(plan, router)))), sysctls, aside)


def _connections(plan: Plan, router: str) -> Iterator[str]:
    """The connections of which the plan makes SAs at a router, or loads another configuration."""
    for step in plan.steps:
        match step.operation:
            case CloseSurplus() | Widen() | Establish() as switch:
                if step.router == router:
                    yield switch.connection
                    yield from switch.replaces if isinstance(switch, Establish) else ()
                elif switch.other_end is not None and switch.other_end.router == router:
                    yield switch.other_end.connection
            case LoadConnection(name=name) | UnloadConnection(name=name) if step.router == router:
                yield name
            case Terminate(connection=connection) if step.router == router:
                yield connection


def duration(seconds: int) -> str:
    """A time for people: `5 min`, `90 s`."""
    return f"{seconds // _MINUTE} min" if seconds % _MINUTE == 0 else f"{seconds} s"
