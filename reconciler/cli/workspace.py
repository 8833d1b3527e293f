"""From arguments to a validated fabric; every finding is printed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from reconciler.cli import collector
from reconciler.cli.output import Output
from reconciler.load import Loaded, load_revision, load_stream, load_tree
from reconciler.model.diagnostic import Diagnostic, reported
from reconciler.model.errors import ExitCode, SourceUnavailable, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.validate import validate


class InvalidDesiredState(TunnelwrightError):
    """The desired state has errors; they have been printed."""

    exit_code = ExitCode.INVALID


_STREAM: Final = Path("-")


def load(tree: Path, rev: str | None, *, stream: bool = False) -> Loaded:
    """Read the documents of a working tree, of a revision, or with `stream` of standard input for `-`.

    Raises SourceUnavailable.
    """
    if stream and tree == _STREAM:
        if rev is not None:
            raise SourceUnavailable(
                "standard input has no revisions", hint="leave out --rev, or name a folder"
            )
        return collector.keep(load_stream(sys.stdin.buffer))
    return collector.keep(load_tree(tree) if rev is None else load_revision(tree, rev))


def folder(tree: Path) -> str:
    """What findings name the files of a tree from: nothing for standard input."""
    return "" if tree == _STREAM else str(tree)


def load_fabric(
    tree: Path, rev: str | None, output: Output, *, stream: bool = False
) -> tuple[Fabric, Loaded]:
    """Load and validate, printing every finding. With `stream` the tree may be `-`, standard input.

    Raises SourceUnavailable, and InvalidDesiredState when there are errors.
    """
    loaded = load(tree, rev, stream=stream)
    fabric, found = collector.keep(validate(loaded))
    show_findings(found, tree, output)
    if found.errors:
        raise InvalidDesiredState("the desired state is invalid; nothing was done")
    return fabric, loaded


def show_findings(found: Iterable[Diagnostic], tree: Path, output: Output) -> None:
    """Print findings with their files as the user would open them: to standard error, or as JSON."""
    placed = [item.below(folder(tree)) for item in reported(found)]
    output.lines(diagnostic_lines(placed), sys.stderr)
    output.objects(diagnostic_object(item) for item in placed)
