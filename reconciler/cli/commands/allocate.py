"""`tunnelwright allocate`: give every VIP without an address one, for good, in the lock file."""

from __future__ import annotations

import argparse

from reconciler.cli.output import Output
from reconciler.cli.workspace import show_findings
from reconciler.load import load_revision, load_tree
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.listing import counted
from reconciler.report.json.results import allocation_object
from reconciler.report.line import Line
from reconciler.validate.allocate import allocate, render_lock


def run(arguments: argparse.Namespace) -> int:
    """Write the lock file, or check it; ends with INVALID when an address cannot be assigned."""
    output = Output(arguments)
    loaded = load_tree(arguments.tree)
    base = None if arguments.base is None else load_revision(arguments.tree, arguments.base)
    assigned, found = allocate(loaded, None if base is None else base.lock)
    show_findings(found, arguments.tree, output)
    if found.errors:
        return ExitCode.INVALID
    before = {name: entry.address for name, entry in loaded.lock.items()}
    changes = [
        f"{'+' if old is None else '-' if new is None else '~'} {name}: {new or old}"
        for name in sorted(before | assigned)
        if (old := before.get(name)) != (new := assigned.get(name))
    ]
    output.lines(Line(f"  {change}") for change in changes)
    output.objects([allocation_object(assigned, changes)])
    if not changes:
        addresses = counted(len(assigned), "address", "addresses")
        output.lines([Line(f"{loaded.lock_file} is up to date: {addresses}.")])
        return ExitCode.OK
    path = arguments.tree / loaded.lock_file
    if arguments.check:
        output.lines([Line(f"{path} is out of date; run `tunnelwright allocate`.", "bold red")])
        return ExitCode.CHANGES
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(render_lock(assigned))
        temporary.replace(path)
    except OSError as error:
        raise TunnelwrightError(f"cannot write {path}: {error.strerror}") from error
    output.lines([Line(f"Wrote {path}. Commit it.", "bold")])
    return ExitCode.OK
