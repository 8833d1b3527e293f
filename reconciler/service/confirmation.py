"""Changes that were not confirmed: they are reported, and their commit is not applied again and again."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds import RECORD_NAMED
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Rollback
from reconciler.model.isolation import attempt
from reconciler.model.listing import listed
from reconciler.model.record import Result
from reconciler.model.way_back import Blame, WentBack
from reconciler.operations.confirm import Conclusion, forget_reported
from reconciler.operations.observed_plan import ObservedPlan
from reconciler.report.way_back_text import way_back_text
from reconciler.service.dependencies import Dependencies
from reconciler.service.run_report import RunReport
from reconciler.service.wanted import Wanted

_ENDED: Final = 2
"""Controllers that were ended while they applied the same desired state, before it counts as the cause."""


def gone_back(dependencies: Dependencies, wanted: Wanted, seen: ObservedPlan, report: RunReport) -> bool:
    """Report routers that are armed, and of those that have gone back without the controller that had armed
    them. Whether the commit that is wanted is marked bad for that."""
    found = seen.observation.ways_back
    report.events += found
    report.notes += [way_back_text(item) for item in found]
    backs = {item.arming.id: item for item in found if isinstance(item, WentBack)}
    marked = {_blamed(dependencies, item, report) for item in backs.values()}
    # Once it is marked: should the mark be lost, the router reports it again.
    forget_reported(found, dependencies.fleet_of(wanted.fabric))
    return wanted.loaded.digest in marked


def not_confirmed(
    dependencies: Dependencies, wanted: Wanted, conclusion: Conclusion, *, lost: bool, report: RunReport
) -> Result:
    """What becomes of a change that did not prove good, or could not be confirmed: its routers have gone
    back, or will."""
    reason = listed(conclusion.doubts, RECORD_NAMED)
    report.notes.append(f"not confirmed: {reason}")
    # What another run has taken over is no fault of the commit, nor is a router that cannot be armed.
    if lost or not conclusion.begun:
        return Result.INCOMPLETE
    if conclusion.unsure or not _mark_bad(dependencies, wanted.loaded.digest, wanted.commit, reason, report):
        return Result.INCOMPLETE
    if conclusion.unrestored:
        report.notes.append(f"not restored: {listed(conclusion.unrestored, RECORD_NAMED)}")
    if conclusion.silent:
        report.notes.append(f"routers that did not answer go back by themselves: {listed(conclusion.silent)}")
    if not conclusion.back:
        return Result.INCOMPLETE
    report.notes.append("every router went back")
    return Result.ROLLED_BACK


def closed(dependencies: Dependencies, conclusion: Conclusion, *, lost: bool) -> None:
    """Remember what it comes to when routers report later that they have gone back."""
    unsure = conclusion.unsure and not lost
    dependencies.history.close_arming(conclusion.arming, Blame.UNSURE if unsure else Blame.NONE)


def _blamed(dependencies: Dependencies, item: WentBack, report: RunReport) -> str:
    """The digest that a report of a router marks as bad; empty for none. A router may say anything: only
    an arming that a run has recorded counts. A controller that was ended says nothing about the commit, the
    first time: once it ends each time, the commit may be why."""
    known = dependencies.history.arming(item.arming.id)
    if known is None or known.blame is Blame.NONE:
        return ""
    if known.blame is Blame.OPEN and known.open < _ENDED:
        report.notes.append(f"the controller was ended while it applied {item.arming.what}")
        return ""
    if not _mark_bad(dependencies, known.digest, known.commit, way_back_text(item), report):
        return ""
    dependencies.history.close_arming(item.arming.id, Blame.NONE)
    return known.digest


def _mark_bad(dependencies: Dependencies, digest: str, commit: str, reason: str, report: RunReport) -> bool:
    """Mark a commit from which routers have gone back; whether it is marked now. What the last good one says
    is not, by whichever commit: what went back there is a repair."""
    good = dependencies.trust.good()
    if commit in {"", good} or digest == _digest_of(dependencies, good):
        return False
    if not dependencies.history.why_bad(digest):
        dependencies.history.mark_bad(digest, commit, reason)
        report.events.append(Rollback(commit, good, reason))
    return True


def _digest_of(dependencies: Dependencies, commit: str) -> str:
    """That of what a commit says; empty for none, and when it cannot be read."""
    if not commit:
        return ""
    loaded = attempt(
        "commit", commit[:12], lambda: dependencies.repository.load(commit, dependencies.stopping)
    )
    return "" if isinstance(loaded, TunnelwrightError) else loaded.digest
