"""The installed version, and the commands of other packages (entry points `tunnelwright.commands`)."""

from __future__ import annotations

import argparse
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from importlib.metadata import version as installed_version

from reconciler.model.isolation import attempt


def version() -> str:
    """The version of this package."""
    return installed_version("tunnelwright")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of extensions, the lab's among them. One that cannot be loaded costs its own alone,
    and is logged."""
    for extension in sorted(entry_points(group="tunnelwright.commands"), key=lambda entry: entry.name):
        attempt("command", extension.name, partial(_add, extension, subparsers))


def _add(extension: EntryPoint, subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    extension.load()(subparsers)
