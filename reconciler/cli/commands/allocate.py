"""`tunnelwright allocate`: give every VIP without an address one, for good, in the lock file."""

from __future__ import annotations

import argparse

from reconciler.cli import options
from reconciler.model.errors import ExitCode


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("allocate", help="assign free addresses to VIPs that name none")
    options.add_folder(parser)
    options.add_output(parser)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when the lock file is out of date"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the lock file, or check it; ends with INVALID when an address cannot be assigned."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import show_findings  # noqa: PLC0415
    from reconciler.load import load_tree  # noqa: PLC0415
    from reconciler.model.errors import TunnelwrightError  # noqa: PLC0415
    from reconciler.report.line import Line  # noqa: PLC0415
    from reconciler.validate.allocate import allocate, render_lock  # noqa: PLC0415

    output = Output(arguments)
    loaded = load_tree(arguments.tree)
    assigned, found = allocate(loaded)
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
    output.objects([{"type": "allocation", "addresses": assigned, "changes": changes}])
    if not changes:
        output.lines([Line(f"{loaded.lock_file} is up to date: {len(assigned)} addresses.")])
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
