"""The tunnels that a command is about: one by its name, or several by labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.model.errors import TunnelwrightError
from reconciler.model.labels import LabelSelector


def named_tunnels(arguments: argparse.Namespace) -> list[str | LabelSelector]:
    """The name or the label selectors. With the latter an argument in the place of the name is the folder.

    Raises TunnelwrightError for neither, and for both.
    """
    if not arguments.selector:
        if arguments.tunnel is None:
            raise TunnelwrightError(
                "no tunnel is named", hint="name a tunnel, or select tunnels with -l LABELS"
            )
        return [arguments.tunnel]
    if arguments.tunnel is not None:
        folder = Path(arguments.tunnel)
        if not folder.is_dir() or arguments.tree != Path("desired_state"):
            raise TunnelwrightError(
                "a tunnel is named, and labels select tunnels too", hint="use one of the two"
            )
        arguments.tree, arguments.tunnel = folder, None
    return list(arguments.selector)
