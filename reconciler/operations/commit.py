"""What a commit changes: from its two revisions, and compared with the routers where that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, TypeAlias

from reconciler.load import STANDARD_INPUT, Composed, Loaded, load_stream
from reconciler.load.revision import default_base, has_uncommitted, load_revision, place_in_repository
from reconciler.model.diagnostic import Diagnostic, Diagnostics, reported
from reconciler.model.fabric import Fabric
from reconciler.operations.planning import Planning
from reconciler.operations.revisions import Transition, between, left_alone
from reconciler.plan.commit import changes_of_commit, compared, unchanged
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore
from reconciler.validate import validate
from reconciler.validate.policies import weak_default

Live: TypeAlias = Callable[[Fabric], tuple[SecretStore, Fleet]]
"""How the keys and the routers of a fabric are reached."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Two revisions of a folder, and what applying the second one does where the first one is applied."""

    before: Loaded
    after: Loaded
    found: tuple[Diagnostic, ...]
    """Findings, with files named from the root of the repository, as forges name them."""
    files: tuple[str, ...]
    """The files of the documents, named likewise."""
    valid: bool
    step: Transition | None
    """None where a revision is not valid."""


def preview_commit(
    tree: Path,
    base: str | None,
    head: str,
    now: datetime,
    *,
    stream: IO[bytes] | None = None,
    live: Live | None = None,
    uncommitted: Callable[[], None] = lambda: None,
) -> Commit:
    """Load both revisions of a folder, validate them, and plan from one to the other; with `live` from what
    is on the routers. Without a base the one of the branch is taken. `uncommitted` is called when the folder
    holds changes that are not in the head. With a `stream` its documents are the head, with the addresses
    that the base's lock file has; their base is HEAD where none is named.

    Raises SourceUnavailable, and with `live` SecretUnavailable, KeysDiffer and WeakKey.
    """
    base = base or (default_base(tree, head) if stream is None else "HEAD")
    composed: Composed = {}
    before = load_revision(tree, base, missing_is_empty=True, composed=composed)
    if stream is not None:
        after = load_stream(stream, composed=composed)
        after = replace(after, lock=before.lock, lock_file=before.lock_file)
    else:
        after = load_revision(tree, head, composed=composed)
        if has_uncommitted(tree, after):
            uncommitted()
    there, findings = validate(after)
    place = place_in_repository(tree)
    found = [_below(item, place) for item in reported(findings)]
    step: Transition | None = None
    if not findings.errors:
        here, problems = validate(before)
        # Of a base that is not valid it is unknown what is applied: all of the head would look new.
        if problems.errors:
            broken = Diagnostics()
            first = problems.errors[0].below(place)
            broken.warning("base-not-valid", first.location, f"{base} is invalid, so the changes are unknown")
            found += broken
        else:
            step = between(here, there, now)
            if live is not None:
                step = _on_routers(step, here, there, *live(there))
            weak = weak_default(there)
            step = replace(step, notes=(*step.notes, weak)) if weak else step
    files = tuple(
        f"{place}/{document.file}" if place and document.file != STANDARD_INPUT else document.file
        for document in after.documents
    )
    return Commit(before, after, tuple(found), files, not findings.errors, step)


def _below(item: Diagnostic, place: str) -> Diagnostic:
    """A finding with its files named from the root of the repository, but for standard input."""
    first, *rest = (
        part if part.file == STANDARD_INPUT or not place else replace(part, file=f"{place}/{part.file}")
        for part in (item.location, *item.related)
    )
    return replace(item, location=first, related=tuple(rest))


def _on_routers(
    commit: Transition, base: Fabric, head: Fabric, store: SecretStore, fleet: Fleet
) -> Transition:
    """The same commit, planned from what is on the routers. One that does not answer is part of the plan."""
    decision = Planning(head, store, fleet, also=changes_of_commit(commit.plan, base, head)).checked()
    plan = decision.judged.plan
    notes = (*left_alone(base, head), *compared(commit.plan, plan, decision.found.plan))
    said = commit.unchanged if commit.plan.empty else unchanged(commit.plan, plan)
    return Transition(plan, decision.allowed.plan, decision.judgement, notes, said)
