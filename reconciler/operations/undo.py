"""Undo a commit in Git: prepare a branch, and show what an apply of it would do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.load.undo import Undone, name_it, undo
from reconciler.operations.commit import Commit, preview_commit


@dataclass(frozen=True, slots=True)
class Prepared:
    """A branch that undoes a commit, with its preview. `branch` is empty where the former content is not
    valid: then there is none."""

    undone: Undone
    branch: str
    preview: Commit


def prepare_undo(tree: Path, rev: str, branch: str | None, now: datetime) -> Prepared:
    """Prepare a branch on top of the head that undoes a commit (`rollback-` and its id without another name).
    Nothing is checked out or pushed. Raises SourceUnavailable."""
    undone = undo(tree, rev)
    preview = preview_commit(tree, undone.head, undone.commit, now)
    if not preview.valid:
        return Prepared(undone, "", preview)
    name = branch or f"rollback-{undone.undoes[:12]}"
    name_it(tree, name, undone)
    return Prepared(undone, name, preview)
