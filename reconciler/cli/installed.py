"""The installed version, and the commands of other packages (entry points `tunnelwright.commands`)."""

from __future__ import annotations

import argparse
from importlib.metadata import entry_points
from importlib.metadata import version as installed_version


def version() -> str:
    """The version of this package."""
    return installed_version("tunnelwright")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of extensions, the lab's among them."""
    for extension in sorted(entry_points(group="tunnelwright.commands"), key=lambda entry: entry.name):
        extension.load()(subparsers)
