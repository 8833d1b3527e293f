"""Plan -> routers: runs the steps phase by phase and keeps an outcome for each. The only writer.

Every router finishes a phase before any router starts the next one, so both ends of a pair are loaded
before one of them switches. Inside a phase routers work side by side. A group whose step failed gets
no further steps; what was not attempted is reported as such. Whatever is left half done shows as a
difference to the next run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from math import inf
from types import MappingProxyType
from typing import Final

from reconciler.apply.establish import Ending, end_stuck, retire_known, spis_of
from reconciler.apply.perform import Alone, Together, perform, perform_together
from reconciler.apply.settle import clear, settle
from reconciler.facets import files
from reconciler.facets.files import refusal
from reconciler.model.errors import CommandRejected, TunnelwrightError
from reconciler.model.operation import (
    AddAddress,
    Establish,
    LoadConnection,
    LoadSecret,
    Operation,
    RemoveAddress,
    Scope,
    Switch,
    Terminate,
    WriteFile,
)
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Phase, Plan, Step
from reconciler.routers.fleet import Fleet, Sessions, reach
from reconciler.routers.protocol import Router

NONE_LOST: Final[Mapping[str, TunnelwrightError]] = MappingProxyType({})
"""No lock was lost."""

Progress = Callable[[Outcome], None]
_OVER: Final = "the time to confirm the change is over, and the routers go back"
_LAST_EXIT = Phase.CONNECTIONS
"""The last phase before which a run can stop and leave every tunnel as it was."""


@dataclass(slots=True)
class _Run:
    """What an apply knows while it goes on."""

    sessions: Sessions
    dead: dict[str, str] = field(default_factory=dict)
    failed_groups: set[str] = field(default_factory=set)
    failed_hosts: set[str] = field(default_factory=set)
    troubled: set[str] = field(default_factory=set)
    """Routers at which anything was not done; their guards stay."""
    lost: set[str] = field(default_factory=set)
    """Routers that could not be reached when their phase began."""
    ending: dict[str, Ending] = field(default_factory=dict)
    stayed: set[tuple[str, str]] = field(default_factory=set)
    """(router, address) of what was to be taken off a router and may be there still."""
    moving: bool = False
    """Whether tunnels have lost their address by now, which they get back only at the end of the plan."""
    switched: dict[str, tuple[str, Switch]] = field(default_factory=dict)
    """What came up in each group, with the router that brought it up."""
    stopped: bool = False
    until: float = inf

    @property
    def over(self) -> bool:
        """Whether its time is over: routers go back by themselves, and what were changed now would stay."""
        return time.monotonic() >= self.until


def apply_plan(
    plan: Plan,
    fleet: Fleet,
    *,
    timeout: float = 10.0,
    progress: Progress = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
    lost: Mapping[str, TunnelwrightError] = NONE_LOST,
    until: float = inf,
) -> tuple[Outcome, ...]:
    """Run every step of a plan; one outcome for each step, in the order of the plan.

    `timeout` is how many seconds new tunnels are given to come up, all of them together. Nothing is
    raised for a router that fails: that is an outcome. When `stopping` turns true before charon's
    configuration is touched, no further step is attempted; after that the plan is carried through, since
    a tunnel whose ends are half changed might not survive the next rekey. Before each phase `lost`
    says whose lock another run has taken by now: that run may change those routers, and this one no more.
    From `until` on (`time.monotonic`) no step is attempted, because armed routers go back by themselves.
    """
    outcomes: dict[int, Outcome] = {}
    steps = plan.steps
    with fleet.kept() as sessions:
        run = _Run(sessions, until=until)
        for phase, members in groupby(enumerate(steps), key=lambda item: item[1].phase):
            if phase <= _LAST_EXIT and not run.moving and stopping():
                run.stopped = True
            run.moving |= phase is Phase.WITHDRAW
            for name, error in lost.items():
                run.dead.setdefault(name, f"its lock was lost: {error.message}")
            by_router: dict[str, dict[int, Step]] = {}
            for index, step in members:
                by_router.setdefault(step.router, {})[index] = step
            if not run.over:
                _prepare(run, [step for items in by_router.values() for step in items.values()])
            ended = fleet.side_by_side("router", by_router, partial(_run_phase, run, by_router, timeout))
            done = [
                (index, outcome)
                for router, items in by_router.items()
                for index, outcome in zip(items, _all_of(items.values(), ended[router]), strict=True)
            ]
            for index, outcome in _settled(run, done):
                outcomes[index] = outcome
                _remember(run, outcome)
                progress(outcome)
        if not run.over:
            _note_refusals(run, steps, outcomes)
            _bring_back(run, steps, outcomes)
    return tuple(outcomes[index] for index in range(len(steps)))


def _all_of(steps: Iterable[Step], ended: list[Outcome] | TunnelwrightError) -> list[Outcome]:
    """What became of steps that ended together, in one outcome each or in one error."""
    if isinstance(ended, TunnelwrightError):
        return [Outcome(step, Status.FAILED, ended.message) for step in steps]
    return ended


def _prepare(run: _Run, steps: Iterable[Step]) -> None:
    """Before a switch: reach both ends of what is switched, and free it of SAs that carry nothing and of
    those that do not come up."""
    switches = [
        (step.router, step.operation)
        for step in steps
        if isinstance(step.operation, Switch) and not _blocked(run, step)
    ]
    ends = {name for name, _ in switches} | {
        item.other_end.router for _, item in switches if item.other_end is not None
    }
    reached = run.sessions.each(sorted(ends - run.dead.keys()), reach)
    # What cannot be reached is compared with nothing; a step there tries again, and reports it.
    run.lost = {name for name, found in reached.items() if isinstance(found, TunnelwrightError)}
    out = run.lost | run.dead.keys()
    stuck: dict[str, set[str]] = {}
    for name, item in switches:
        if isinstance(item, Establish) and item.scope is Scope.FIRST:
            stuck.setdefault(name, set()).update((item.connection, *item.replaces))
            if item.other_end is not None:
                stuck.setdefault(item.other_end.router, set()).add(item.other_end.connection)
    run.sessions.each(sorted(stuck.keys() - out), partial(_end_stuck, connections=stuck))
    clear(run.sessions, switches, out)


def _end_stuck(router: Router, connections: Mapping[str, set[str]]) -> None:
    end_stuck(router.vici, connections[router.name])


def _settled(run: _Run, done: list[tuple[int, Outcome]]) -> Iterator[tuple[int, Outcome]]:
    """The outcomes of a phase, once the tunnels that came up in it are at rest at both of their ends.

    So are those whose former connection was terminated in it: the peer may set that one up again when it
    learns of its end (close_action), and the answering end of IKEv1 has moved CHILD_SAs into such an IKE_SA,
    which takes them along.
    """
    unsettled: dict[int, tuple[str, Switch]] = {}
    for index, outcome in done:
        operation, group = outcome.step.operation, outcome.step.group
        if outcome.status is not Status.DONE:
            continue
        if isinstance(operation, Switch):
            unsettled[index] = run.switched[group] = (outcome.step.router, operation)
            _end_at_other_end(run, outcome.step.router, operation)
        elif isinstance(operation, Terminate) and group in run.switched:
            unsettled[index] = run.switched[group]
    started = time.monotonic()
    if run.over:
        unsettled = {}
    found = settle(run.sessions, list(unsettled.values()), run.lost | run.dead.keys())
    reasons = dict(zip(unsettled, found, strict=True))
    for index, outcome in done:
        reason = reasons.get(index, "")
        seconds = outcome.seconds + (time.monotonic() - started if index in reasons else 0.0)
        status = Status.FAILED if reason else outcome.status
        yield index, replace(outcome, status=status, message=reason or outcome.message, seconds=seconds)


def _end_at_other_end(run: _Run, router: str, item: Switch) -> None:
    """Terminate from the other end the old SAs that it shall. Where it does not answer they stay, as a
    difference to the next plan."""
    if isinstance(item, Establish) and item.former_version and item.other_end is not None:
        spis = run.sessions.one(router, partial(spis_of, item=item))
        if not isinstance(spis, TunnelwrightError):
            run.sessions.one(item.other_end.router, partial(retire_known, spis=spis))


def _bring_back(run: _Run, steps: Sequence[Step], outcomes: dict[int, Outcome]) -> None:
    """Where a running tunnel did not move to its new key, let charon prove itself by the key before it again:
    should the SAs end, new ones come up as before. The new key stays loaded, so a peer that has it already is
    believed."""
    stayed = {
        outcome.step.group: index
        for index, outcome in outcomes.items()
        if outcome.status is not Status.DONE
        and isinstance(outcome.step.operation, Establish)
        and outcome.step.operation.scope.beside
    }
    problems: dict[str, list[str]] = {group: [] for group in stayed}
    routers: dict[str, set[str]] = {group: set() for group in stayed}
    for index, step in enumerate(steps):
        former = _former(step.operation)
        if former is not None and step.group in stayed and outcomes[index].status is Status.DONE:
            error = run.sessions.one(step.router, partial(perform, operation=former, ending=Ending()))
            if error is None:
                routers[step.group].add(step.router)
            else:
                problems[step.group].append(f"not at {step.router} ({error.message})")
    for group, index in stayed.items():
        if said := [*sorted(routers[group]), *problems[group]]:
            message = (
                f"{outcomes[index].message}; the previous configuration and key are loaded again: "
                f"{', '.join(said)}"
            )
            outcomes[index] = replace(outcomes[index], message=message, restored=not problems[group])


def _note_refusals(run: _Run, steps: Sequence[Step], outcomes: Mapping[int, Outcome]) -> None:
    """Let the routers know what became of changes beside running tunnels that were not made. It is a word for
    `diagnose`; an apply has failed by then, whether or not it can be written."""
    refused = {
        (outcome.step.router, files.file_name(outcome.step.operation.connection)): outcome.message
        for outcome in outcomes.values()
        if outcome.status is Status.FAILED
        and isinstance(outcome.step.operation, Establish)
        and outcome.step.operation.scope.beside
    }
    for step in steps:
        operation = step.operation
        if step.phase is Phase.COMMIT and isinstance(operation, WriteFile):
            reason = refused.get((step.router, operation.path))
            if reason is not None:
                run.sessions.one(step.router, partial(_note_refusal, operation=operation, reason=reason))


def _note_refusal(router: Router, operation: WriteFile, reason: str) -> None:
    wanted = files.parse(operation.content.reveal()) or {}
    for content in router.host.read_files(f"{files.FOLDER}/{operation.path}").values():
        noted = refusal.with_refusal(content, wanted, reason)
        if noted is not None:
            router.host.write_files({operation.path: noted})


def _former(operation: Operation) -> LoadSecret | LoadConnection | None:
    """What loads again what an operation has replaced; None where it has replaced nothing that is known."""
    match operation:
        case LoadSecret(_, former) if former is not None:
            return LoadSecret(former)
        case LoadConnection(name, _, former) if former is not None:
            return LoadConnection(name, former)
    return None


def _remember(run: _Run, outcome: Outcome) -> None:
    """A failed step ends its group; a failed step of the router as a whole ends every group there.

    A first SA that does not come up ends nothing, nor does one after a reconnect: the peer may not be ready,
    and the configuration, which waits for traffic or for the peer, is what is desired. Nor does an SA that is
    one too many. It is reported all the same.
    """
    if outcome.status is Status.DONE:
        return
    operation = outcome.step.operation
    if isinstance(operation, Switch) and not (isinstance(operation, Establish) and operation.scope.beside):
        return
    run.troubled.add(outcome.step.router)
    if isinstance(operation, Switch) and operation.other_end is not None:
        run.troubled.add(operation.other_end.router)
    if isinstance(operation, RemoveAddress):
        run.stayed.add((outcome.step.router, operation.address.host))
    if isinstance(operation, AddAddress):
        run.failed_groups.update(operation.needed_by)
    elif outcome.step.group:
        run.failed_groups.add(outcome.step.group)
    else:
        run.failed_hosts.add(outcome.step.router)


def _run_phase(
    run: _Run, phase: Mapping[str, Mapping[int, Step]], timeout: float, name: str
) -> list[Outcome]:
    """The steps of one router in one phase. Runs in a thread of its own; touches only its router's
    entries of `run`."""
    steps = list(phase[name].values())
    blocked = {
        i: reason for i, step in enumerate(steps) if (reason := _blocked(run, step) or _elsewhere(run, step))
    }
    results: dict[int, Outcome] = {
        i: Outcome(steps[i], Status.NOT_ATTEMPTED, reason) for i, reason in blocked.items()
    }
    todo = [i for i in range(len(steps)) if i not in blocked]
    for _, members in groupby(todo, key=lambda i: _kind(steps[i].operation)):
        batch = list(members)
        for i, outcome in zip(batch, _perform(run, name, [steps[i] for i in batch], timeout), strict=True):
            results[i] = outcome
    return [results[i] for i in range(len(steps))]


def _kind(operation: Operation) -> object:
    """What steps that are performed together have in common: all switches are one kind."""
    return Switch if isinstance(operation, Switch) else type(operation)


def _blocked(run: _Run, step: Step) -> str:
    if run.stopped or run.over:
        return _OVER if run.over else "the run was asked to stop"
    if step.router in run.dead:
        return f"{step.router} failed: {run.dead[step.router]}"
    if step.group in run.failed_groups:
        return "an earlier step of this tunnel failed"
    if step.router in run.failed_hosts and step.phase > Phase.HOST:
        return f"an earlier step of {step.router} failed"
    if step.phase is Phase.UNGUARD and step.router in run.troubled:
        return "an earlier step of this router failed, so its guards stay"
    return ""


def _elsewhere(run: _Run, step: Step) -> str:
    """Why an address may not be added yet; empty when it may."""
    if not isinstance(step.operation, AddAddress):
        return ""
    host = step.operation.address.host
    staying = [name for name in step.operation.after if (name, host) in run.stayed]
    return f"{host} is still on {staying[0]}" if staying else ""


def _perform(run: _Run, name: str, steps: list[Step], timeout: float) -> Iterable[Outcome]:
    """Steps of one kind: in one command where the router can do so, else one by one."""
    if name in run.dead:
        return [Outcome(step, Status.NOT_ATTEMPTED, run.dead[name]) for step in steps]
    together = [step.operation for step in steps if isinstance(step.operation, Together)]
    if together:
        return _together(run, name, steps, together, timeout)
    return [
        _one(run, name, step, step.operation) for step in steps if not isinstance(step.operation, Together)
    ]


def _together(
    run: _Run, name: str, steps: list[Step], operations: list[Together], timeout: float
) -> list[Outcome]:
    started = time.monotonic()
    if run.over:
        return [Outcome(step, Status.NOT_ATTEMPTED, _OVER) for step in steps]
    # To wait for tunnels to come up takes no longer than that either.
    timeout = min(timeout, run.until - started)
    ended = run.sessions.one(name, partial(perform_together, operations=operations, timeout=timeout))
    messages = [_failure(run, name, ended)] * len(steps) if isinstance(ended, TunnelwrightError) else ended
    seconds = time.monotonic() - started
    return [
        Outcome(step, Status.FAILED if message else Status.DONE, message, seconds)
        for step, message in zip(steps, messages, strict=True)
    ]


def _one(run: _Run, name: str, step: Step, operation: Alone) -> Outcome:
    started = time.monotonic()
    if name in run.dead:
        return Outcome(step, Status.NOT_ATTEMPTED, run.dead[name])
    if run.over:
        return Outcome(step, Status.NOT_ATTEMPTED, _OVER)
    ending = run.ending.setdefault(name, Ending())
    error = run.sessions.one(name, partial(perform, operation=operation, ending=ending))
    message = _failure(run, name, error) if error is not None else ""
    status = Status.FAILED if error is not None else Status.DONE
    return Outcome(step, status, message, time.monotonic() - started)


def _failure(run: _Run, router: str, error: TunnelwrightError) -> str:
    """A refused command fails alone; a router that does not answer, or not what can be understood, fails with
    all that is left."""
    if not isinstance(error, CommandRejected):
        run.dead[router] = error.message
    return error.message
