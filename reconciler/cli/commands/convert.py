"""`tunnelwright convert`: two mirrored documents become one connection. Needs no router and no key."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from reconciler.cli.output import Output
from reconciler.cli.workspace import load_fabric, show_findings
from reconciler.doors.files import replace_whole
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.operations.convert import Conversion, convert
from reconciler.report.document_text import converted_lines, difference_lines
from reconciler.report.json.results import converted_object


def run(arguments: argparse.Namespace) -> int:
    """Change files of the working tree, or print the difference; a commit is the user's. Ends with INCOMPLETE
    when a pair stays as it is."""
    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, None, output)
    done = convert(loaded, fabric, partial(_text, arguments.tree), arguments.tunnel)
    show_findings(done.found, arguments.tree, output)
    if arguments.dry_run:
        for name, text in done.after.items():
            output.lines(difference_lines(str(arguments.tree / name), done.before[name], text))
    else:
        _write(arguments.tree, done)
        output.lines(
            converted_lines(
                (str(arguments.tree / item.file), item.name, item.ends) for item in done.connections
            )
        )
    output.objects(
        converted_object(item.name, item.file, item.ends, written=not arguments.dry_run)
        for item in done.connections
    )
    return ExitCode.INCOMPLETE if done.found.errors else ExitCode.OK


def _text(tree: Path, name: str) -> str:
    """A file's text with its line ends. Raises TunnelwrightError."""
    try:
        return (tree / name).read_bytes().decode()
    except (OSError, ValueError) as error:
        raise TunnelwrightError(f"cannot read {tree / name}: {error}") from error


def _write(tree: Path, done: Conversion) -> None:
    """First what is new: an interruption leaves names twice, which `validate` reports, and loses none."""
    for name, text in sorted(done.after.items(), key=lambda item: not item[1]):
        path = tree / name
        try:
            if text:
                replace_whole(path, text.encode(), path.stat().st_mode & 0o777)
            else:
                path.unlink()
        except OSError as error:
            raise TunnelwrightError(f"cannot write {path}: {error.strerror}") from error
