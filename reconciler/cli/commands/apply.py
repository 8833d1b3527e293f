"""`tunnelwright apply`: do what the plan says, then prove it."""

from __future__ import annotations

import argparse

from reconciler.cli import saved_plan
from reconciler.cli.change import change_routers
from reconciler.cli.saved_plan import SavedPlan
from reconciler.model.errors import TunnelwrightError


def run(arguments: argparse.Namespace) -> int:
    """Make a plan or read the saved one, then carry it out."""
    # `apply FILE` is what users of such tools type.
    path = arguments.plan or (arguments.tree if arguments.tree.is_file() else None)
    saved = saved_plan.read(path) if path is not None else None
    if saved is not None:
        _refuse_others(arguments, saved)
        arguments.tree, arguments.rev, arguments.lab = saved.tree, saved.rev, saved.lab
        arguments.target, arguments.exclude = saved.target, saved.exclude
    return change_routers(arguments, saved=saved)


def _refuse_others(arguments: argparse.Namespace, saved: SavedPlan) -> None:
    """Raises TunnelwrightError for an option with another value than the plan was made with, because the
    value would have no effect."""
    pairs = {
        "--rev": (arguments.rev, saved.rev),
        "--lab": (arguments.lab, saved.lab),
        "--target": (tuple(arguments.target), saved.target),
        "--exclude": (tuple(arguments.exclude), saved.exclude),
    }
    others = [option for option, (given, its) in pairs.items() if given and given != its]
    if others:
        raise TunnelwrightError(
            f"the saved plan was made with another {' and another '.join(others)}",
            hint="leave the option out, because the plan has its own value, or make a new plan",
        )
