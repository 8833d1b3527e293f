"""From arguments to a validated fabric; every finding is printed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from reconciler.cli import collector
from reconciler.cli.output import Output
from reconciler.load import Loaded, load_revision, load_tree
from reconciler.model.diagnostic import Diagnostic, reported
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.validate import validate


class InvalidDesiredState(TunnelwrightError):
    """The desired state has errors; they have been printed."""

    exit_code = ExitCode.INVALID


def load(tree: Path, rev: str | None) -> Loaded:
    """Read the documents of a working tree or of a revision.

    Raises SourceUnavailable.
    """
    return collector.keep(load_tree(tree) if rev is None else load_revision(tree, rev))


def load_fabric(tree: Path, rev: str | None, output: Output) -> tuple[Fabric, Loaded]:
    """Load and validate, printing every finding.

    Raises SourceUnavailable, and InvalidDesiredState when there are errors.
    """
    loaded = load(tree, rev)
    fabric, found = collector.keep(validate(loaded))
    show_findings(found, tree, output)
    if found.errors:
        raise InvalidDesiredState("the desired state is invalid; nothing was done")
    return fabric, loaded


def show_findings(found: Iterable[Diagnostic], tree: Path, output: Output) -> None:
    """Print findings with their files as the user would open them: to standard error, or as JSON."""
    placed = [item.below(str(tree)) for item in reported(found)]
    output.lines(diagnostic_lines(placed), sys.stderr)
    output.objects(diagnostic_object(item) for item in placed)
