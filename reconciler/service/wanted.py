"""Which commit is wanted: the head of the branch, or the last good one when that is refused."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.load import Loaded
from reconciler.model.bounds import RECORD_DIAGNOSTICS
from reconciler.model.diagnostic import reported
from reconciler.model.errors import TunnelwrightError, Unforeseen
from reconciler.model.fabric import Fabric
from reconciler.model.isolation import attempt
from reconciler.model.plan import Plan
from reconciler.model.router_config import RouterConfig
from reconciler.operations.desired import compile_fabric
from reconciler.policy.levels import ByCommit, changed_by_commit
from reconciler.service.dependencies import Dependencies
from reconciler.service.run_report import RunReport
from reconciler.validate import validate


@dataclass(frozen=True, slots=True)
class Wanted:
    """A commit that may be reconciled, with what it says."""

    commit: str
    loaded: Loaded
    fabric: Fabric
    desired: dict[str, RouterConfig]


class Refused(TunnelwrightError):
    """A commit that may not be reconciled."""


def sentence(error: TunnelwrightError) -> str:
    """An error with its router and its hint."""
    where = f"{error.router}: " if error.router else ""
    return f"{where}{error.message}{f' ({error.hint})' if error.hint else ''}"


def choose(dependencies: Dependencies, head: str, report: RunReport) -> Wanted:
    """The head of the branch; the last good commit when the head is refused, which is reported."""
    try:
        try:
            note = dependencies.trust.check_head(head)
        except TunnelwrightError as error:
            raise Refused(sentence(error)) from error
        report.notes += [note] if note else []
        return wanted_of(dependencies, head, report)
    except Refused as refused:
        good = dependencies.trust.good()
        if good in {"", head}:
            raise
        report.notes.append(f"{refused.message}; {good[:12]} stays in force")
        return wanted_of(dependencies, good, RunReport())


def wanted_of(dependencies: Dependencies, commit: str, report: RunReport) -> Wanted:
    """What a commit says.

    Raises Refused for one that is not trusted, not valid, of whose keys none is there, that was rolled back
    before, or that leads to an unforeseen error.
    """
    found = attempt("commit", commit[:12], lambda: _admitted(dependencies, commit, report))
    if isinstance(found, Unforeseen):
        raise Refused(f"{commit[:12]}: {sentence(found)}") from found
    if isinstance(found, TunnelwrightError):
        raise found
    return found


def _admitted(dependencies: Dependencies, commit: str, report: RunReport) -> Wanted:
    try:
        dependencies.trust.check_known(commit)
        loaded = dependencies.repository.load(commit, dependencies.stopping)
    except TunnelwrightError as error:
        raise Refused(sentence(error)) from error
    fabric, found = validate(loaded)
    report.events += reported([*found.errors, *found.warnings], RECORD_DIAGNOSTICS)
    if found.errors:
        first = found.errors[0]
        more = f" and {len(found.errors) - 1} more" if len(found.errors) > 1 else ""
        raise Refused(f"{commit[:12]} is not valid: {first.location}: {first.message}{more}")
    if reason := dependencies.history.why_bad(loaded.digest):
        raise Refused(f"{commit[:12]} was rolled back: {reason}")
    try:
        return Wanted(commit, loaded, fabric, compile_fabric(fabric, dependencies.store))
    except TunnelwrightError as error:
        raise Refused(f"{commit[:12]}: {sentence(error)}") from error


def by_commit_of(dependencies: Dependencies, wanted: Wanted, plan: Plan) -> ByCommit:
    """What the repository has changed since each router was last as desired."""
    reached = dependencies.history.reached()
    before: dict[str, RouterConfig] = {}
    for commit in {
        reached[name] for name in {change.resource.router for change in plan.changes} & set(reached)
    }:
        try:
            then = wanted if commit == wanted.commit else wanted_of(dependencies, commit, RunReport())
        except Refused:
            continue
        before |= {name: config for name, config in then.desired.items() if reached.get(name) == commit}
    return changed_by_commit(before, wanted.desired)
