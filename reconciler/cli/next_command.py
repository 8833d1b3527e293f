"""The command that a hint recommends, with the options that the command before it had."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from pathlib import Path

from reconciler.report.line import Line

_FOLDER = Path("desired_state")
_MOST_NAMED = 3
"""Of more tunnels all are diagnosed."""


def diagnose_hint(arguments: argparse.Namespace, tunnels: Iterable[str]) -> Line:
    """How to find out why tunnels do not come up, with the folder, revision, lab and keys of this command."""
    names = sorted(set(tunnels))
    words = ["tunnelwright", "diagnose"]
    for option, value in {
        "--rev": arguments.rev,
        "--lab": arguments.lab,
        "--secrets": arguments.secrets,
    }.items():
        words += [option, str(value)] if value is not None else []
    words += ["--stand-in-keys"] if arguments.stand_in_keys else []
    # `diagnose a-to-b` finds out by itself that the folder was left out, in the working tree alone.
    if arguments.tree != _FOLDER or (arguments.rev is not None and names):
        words.append(str(arguments.tree))
    if len(names) <= _MOST_NAMED:
        words += names
    return Line(f"hint: run `{shlex.join(words)}` to find the cause")
