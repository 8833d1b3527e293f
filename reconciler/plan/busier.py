"""Which end of a tunnel should initiate a switch, where one of them sends much more than the other. Pure.

On the userspace data plane only what one end sends can be lost at a switch: with IKEv2 the end that answers,
with IKEv1 the end that initiates, since it uses the new SA before its peer can receive on it. So the end that
sends more is to be the other one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model.operation import Establish
from reconciler.model.plan import Step
from reconciler.model.router_config import RouterConfig, RouterState

_FEW = 100
"""Packets of which it is not known that more will follow."""


def chosen(
    steps: Sequence[Step], desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState]
) -> Step | None:
    """The one of two switches, one at each end, by which less is lost; None where it does not matter."""
    if len(steps) != 2 or all(live[step.router].holds_back for step in steps):
        return None
    busy = [step for step in steps if _sends_more(step, live[step.router])]
    if len(busy) != 1:
        return None
    [idle] = [step for step in steps if step not in busy]
    return busy[0] if _version(busy[0], desired[busy[0].router]) == "2" else idle


def _sends_more(step: Step, live: RouterState) -> bool:
    """Whether new SAs come up beside old ones that have sent half as much again as they have received."""
    operation = step.operation
    if not isinstance(operation, Establish) or not operation.scope.beside:
        return False
    names = (operation.connection, *operation.replaces)
    running = [child for name in names for child in live.installed(name)]
    sent = sum(child.packets_out for child in running)
    return sent > _FEW and 2 * sent > 3 * sum(child.packets_in for child in running)


def _version(step: Step, desired: RouterConfig) -> str:
    """The version of IKE of the new SAs; empty where there are none."""
    if not isinstance(step.operation, Establish):
        return ""
    return str(desired.connections[step.operation.connection].settings["version"])
