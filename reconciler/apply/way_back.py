"""Routers that go back by themselves: armed before a change, all of them or none, and confirmed after its
proof."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from reconciler.model.errors import CommandRejected, TunnelwrightError
from reconciler.model.operation import Arm, Confirm
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Step
from reconciler.model.way_back import WentBack
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Host, Router

MARGIN: Final = 3.0
"""Seconds before the time of armed routers is over in which they are neither changed nor confirmed any more:
one of them might be, and another one go back."""
_PAUSE: Final = 1.0
"""Seconds between two attempts to confirm a router that does not answer."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What confirming came to."""

    outcomes: tuple[Outcome, ...]
    """One for each step."""
    silent: frozenset[str]
    """Routers of which it is not known: they were asked, and the answer did not come."""


def arm(steps: Sequence[Step], fleet: Fleet) -> tuple[Outcome, ...]:
    """Arm the routers of some steps side by side; one outcome for each. When one cannot be armed, the others
    are disarmed again: then nothing has happened."""
    operations = {step.router: step.operation for step in steps if isinstance(step.operation, Arm)}
    started = time.monotonic()
    ended = fleet.each(operations, partial(_arm, operations=operations))
    seconds = time.monotonic() - started
    failed = {name: found for name, found in ended.items() if isinstance(found, TunnelwrightError)}
    if not failed:
        return tuple(Outcome(step, Status.DONE, seconds=seconds) for step in steps)
    # Whose answer was lost may be armed as well.
    ids = {name: operation.arming.id for name, operation in operations.items()}
    left = fleet.each(operations.keys() - failed, partial(_confirm, ids=ids))
    fleet.each(failed, partial(_confirm, ids=ids))
    first = min(failed)
    outcomes = []
    for step in steps:
        error = failed.get(step.router)
        said = f"disarmed, because {first} cannot be armed"
        if isinstance(left.get(step.router), TunnelwrightError):
            said = f"still armed: it goes back to what it is, because {first} cannot be armed"
        status = Status.NOT_ATTEMPTED if error is None else Status.FAILED
        outcomes.append(Outcome(step, status, said if error is None else error.message, seconds))
    return tuple(outcomes)


def confirm(steps: Sequence[Step], arming: str, fleet: Fleet, seconds: float) -> Confirmed:
    """Confirm the routers of some steps. Those that give no answer are asked again for `seconds`: one that
    was confirmed says so each time."""
    until = time.monotonic() + seconds
    ids = {step.router: arming for step in steps}
    found = {step.router: Outcome(step, Status.NOT_ATTEMPTED) for step in steps}
    waiting = list(found)
    while True:
        started = time.monotonic()
        ended = fleet.each(waiting, partial(_confirm, ids=ids))
        for name, error in ended.items():
            status = Status.DONE if error is None else Status.FAILED
            said = "" if error is None else error.message
            found[name] = replace(
                found[name], status=status, message=said, seconds=time.monotonic() - started
            )
        waiting = [n for n, e in ended.items() if e is not None and not isinstance(e, CommandRejected)]
        if not waiting or time.monotonic() >= until:
            break
        time.sleep(_PAUSE)
    return Confirmed(tuple(found[step.router] for step in steps), frozenset(waiting))


def frame(host: Host, operation: Arm | Confirm) -> None:
    """Arm a router, or confirm it. Raises what `Host` raises."""
    match operation:
        case Arm(arming, saved):
            host.arm(arming, saved)
        case Confirm(arming_id):
            host.confirm(arming_id)


def go_back(routers: Mapping[str, str], fleet: Fleet) -> dict[str, WentBack | TunnelwrightError | None]:
    """Let routers go back at once, each from the arming of which this is the id; what they report of it. One
    that does not answer goes back by itself when its time is over."""
    return fleet.each(sorted(routers), partial(_go_back, ids=dict(routers)))


def forget(armings: Mapping[str, str], fleet: Fleet) -> None:
    """See that routers no longer report that they have gone back. An absent one reports it again."""
    fleet.each(sorted(armings), partial(_forget, ids=dict(armings)))


def _arm(router: Router, operations: Mapping[str, Arm]) -> None:
    frame(router.host, operations[router.name])


def _confirm(router: Router, ids: Mapping[str, str]) -> None:
    frame(router.host, Confirm(ids[router.name]))


def _go_back(router: Router, ids: Mapping[str, str]) -> WentBack | None:
    return router.host.go_back(ids[router.name])


def _forget(router: Router, ids: Mapping[str, str]) -> None:
    router.host.forget(ids[router.name])
