"""Changes that were not confirmed: they are reported, and their commit is not applied again and again."""

from __future__ import annotations

from reconciler.model.bounds import RECORD_NAMED
from reconciler.model.events import Rollback
from reconciler.model.listing import listed
from reconciler.model.record import Result
from reconciler.model.way_back import WentBack
from reconciler.operations.confirm import Conclusion, arming_key, forget_reported
from reconciler.operations.preview import Preview
from reconciler.report.way_back_text import way_back_text
from reconciler.routers.way_back import is_ours, reported
from reconciler.service.dependencies import Dependencies
from reconciler.service.run_report import RunReport
from reconciler.service.wanted import Wanted


def gone_back(dependencies: Dependencies, wanted: Wanted, seen: Preview, report: RunReport) -> bool:
    """Report routers that are armed, and of those that have gone back without the controller that had armed
    them. Whether the commit that is wanted is marked bad for that."""
    found = list(reported(seen.observation.states))
    report.events += found
    report.notes += [way_back_text(item) for item in found]
    backs = [item for item in found if isinstance(item, WentBack)]
    key = arming_key(wanted.fabric, dependencies.store) if backs else None
    # A router may say anything: only what the controller has armed counts against a commit.
    marked = {
        item.arming.digest
        for item in backs
        if key is not None
        and is_ours(item.arming, key)
        and not dependencies.history.is_excused(item.arming.id)
        and _mark_bad(dependencies, item.arming.digest, item.arming.commit, way_back_text(item), report)
    }
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
    if lost or not conclusion.begun:
        # What another run has taken over is no fault of the commit, nor is a router that cannot be armed.
        excuse(dependencies, conclusion)
        return Result.INCOMPLETE
    if conclusion.unsure or not _mark_bad(dependencies, wanted.loaded.digest, wanted.commit, reason, report):
        return Result.INCOMPLETE
    if conclusion.unrestored:
        report.notes.append(f"not restored: {listed(conclusion.unrestored, RECORD_NAMED)}")
    if conclusion.untold:
        report.notes.append(f"routers that did not answer go back by themselves: {listed(conclusion.untold)}")
    if not conclusion.back:
        return Result.INCOMPLETE
    report.notes.append("every router went back")
    return Result.ROLLED_BACK


def excuse(dependencies: Dependencies, conclusion: Conclusion) -> None:
    """Remember that a commit is not to blame when routers report that they have gone back from an arming."""
    dependencies.history.excuse(conclusion.arming)


def _mark_bad(dependencies: Dependencies, digest: str, commit: str, reason: str, report: RunReport) -> bool:
    """Mark a commit from which routers have gone back; whether it is marked now. The last good one is not:
    what went back there is a repair."""
    good = dependencies.trust.good()
    if commit in {"", good}:
        return False
    if not dependencies.history.why_bad(digest):
        dependencies.history.mark_bad(digest, commit, reason)
        report.events.append(Rollback(commit, good, reason))
    return True
