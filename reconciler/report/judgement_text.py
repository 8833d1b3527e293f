"""What the limits say of a plan, for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.judgement import Judgement
from reconciler.model.listing import MOST_NAMES, listed
from reconciler.model.plan import Resource
from reconciler.report.line import Line


def judgement_lines(judgement: Judgement) -> Iterator[Line]:
    """What is refused, what waits and for how long, and what was overridden; nothing when all is allowed."""
    if judgement.refusals:
        yield Line()
        yield Line("Refused as unsafe, nothing is done:", "bold red")
    for refusal in judgement.refusals:
        yield Line(f"  ✗ {_names(refusal.resources)}: {refusal.reason}", "bold red")
        way = f" (or: --override {refusal.override})" if refusal.override is not None else ""
        yield Line(f"    hint: {refusal.hint}{way}")
    if judgement.deferrals:
        yield Line()
        yield Line("Deferred; the rest is done:", "bold yellow")
    for deferral in judgement.deferrals:
        until = "" if deferral.until is None else f", until {deferral.until:%Y-%m-%d %H:%MZ}"
        way = f" (--override {deferral.override})" if deferral.override is not None else ""
        said = f"{deferral.reason}{until}{way}"
        yield Line(f"  … {_names(deferral.resources)}: {said}", "yellow")
    if judgement.overridden:
        yield Line()
        yield Line("Overridden:", "bold yellow")
    for found in judgement.overridden:
        yield Line(f"  ! {_names(found.resources)}: {found.reason} (--override {found.override})", "yellow")


def still_waiting(judgement: Judgement) -> Line:
    """That an apply which did all it might has left something."""
    return Line(f"Still deferred: {_names(judgement.deferred, len(judgement.deferred))}", "yellow")


def _names(resources: Iterable[Resource], most: int = MOST_NAMES) -> str:
    return listed(map(str, resources), most)
