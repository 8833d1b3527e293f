"""What a run has changed, and who had asked for it."""

from __future__ import annotations

import re
from typing import Protocol

from reconciler.model.condition import LastChange
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Rollback, StepEnded
from reconciler.model.isolation import attempt
from reconciler.model.outcome import Status
from reconciler.model.record import RunRecord

_AUTHOR = re.compile(rb"^author ([^<\n]*?) ?<", re.MULTILINE)
_CHARACTERS = 100
"""Of a name that is kept: it may be any text."""


class Commits(Protocol):
    """Where commits are."""

    def raw(self, commit: str) -> bytes:
        """A commit: headers, message. Raises TunnelwrightError."""
        ...


def last_changes(record: RunRecord, commits: Commits) -> dict[str, LastChange]:
    """The connections of which a run has done a step. After a rollback they are as the commit before left
    them."""
    done = {ended.step.group for ended in record.of(StepEnded) if ended.status is Status.DONE}
    if not done - {""}:
        return {}
    commit = next((back.to for back in record.of(Rollback) if back.to), record.in_force)
    raw = attempt("look-up", "an author", lambda: commits.raw(commit))
    author = "" if isinstance(raw, TunnelwrightError) else author_of(raw)
    return {name: LastChange(record.finished, commit, author) for name in sorted(done - {""})}


def author_of(raw: bytes) -> str:
    """The name of a commit's author (gitformat-commit: headers end with the first empty line)."""
    found = _AUTHOR.search(raw.partition(b"\n\n")[0])
    return "" if found is None else found[1].decode(errors="replace")[:_CHARACTERS]
