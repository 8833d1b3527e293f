"""`tunnelwright rollback`: prepares a branch that undoes a commit. It rewrites and pushes nothing."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from reconciler.cli.output import Output
from reconciler.cli.preview_view import preview_code, preview_lines, preview_objects
from reconciler.operations.undo import prepare_undo
from reconciler.report.json.results import rollback_object
from reconciler.report.line import Line


def run(arguments: argparse.Namespace) -> int:
    """Prepare the branch, and show what an apply of it would do where HEAD is applied."""
    output = Output(arguments)
    done = prepare_undo(arguments.tree, arguments.commit, arguments.branch, datetime.now(UTC))
    output.lines(preview_lines(done.preview, whole=arguments.verbose))
    output.objects(preview_objects(done.preview))
    undone = done.undone
    if done.branch:
        output.lines(
            [
                Line(),
                Line(f"The branch {done.branch} undoes {undone.undoes[:12]}: {undone.subject}", "bold"),
                Line("Nothing else has changed, here or elsewhere. To have it reviewed and applied:"),
                Line(f"  git push origin {done.branch}"),
            ]
        )
    else:
        text = f"The desired state before {undone.undoes[:12]} is not valid: no branch was made."
        output.lines([Line(text, "bold red")])
    commit = undone.commit if done.branch else None
    output.objects([rollback_object(undone.undoes, commit, done.branch or None)])
    return preview_code(done.preview)
