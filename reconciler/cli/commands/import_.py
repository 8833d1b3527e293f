"""`tunnelwright import`: turns connections that were configured by hand on a router into desired state."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from reconciler.cli import access
from reconciler.cli.output import Output, document
from reconciler.cli.workspace import InvalidDesiredState, load_fabric
from reconciler.model.bounds import MOST_FINDINGS
from reconciler.model.diagnostic import Diagnostic, reported
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.fabric import DesiredRouter, Fabric
from reconciler.model.listing import counted
from reconciler.model.suggestion import check_known
from reconciler.operations.importing import Imported, Request, import_connections
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.report.json.results import imported_object, skipped_object, updated_object
from reconciler.report.line import Line
from reconciler.routers.fleet import Fleet

_PRINTED = "standard output"
"""In the place of a folder for documents that are printed."""


def run(arguments: argparse.Namespace) -> int:
    """Read, translate, check the result with the tree, write."""
    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, None, output)
    routers = _routers(arguments, fabric)
    to_files = str(arguments.out) != "-"
    folder = (arguments.out or arguments.tree / "imported") if to_files else Path(_PRINTED)
    request = Request(
        arguments.tree,
        fabric,
        loaded,
        routers,
        folder,
        files=arguments.files,
        connections=arguments.connection,
        update=arguments.update,
    )
    fleet = Fleet(access.connector(fabric, arguments.lab, arguments.links))
    done = import_connections(request, fleet)
    _show(output, done.found)
    if to_files:
        _check_absent(done.texts)
    _show(output, done.findings)
    if not done.valid:
        raise InvalidDesiredState(
            "the desired state would be invalid with the updated documents; nothing was written",
            hint="change both ends of a tunnel on their routers, then import again; or use --connection and "
            "--router to update less",
        )
    if arguments.write_keys:
        store = access.secret_store(arguments)
        for end in done.ends:
            if end.draft.key is not None and end.key.source == "file":
                store.add(end.key.name, end.draft.key)
    for file, text in done.changed.items():
        _replace(arguments.tree / file, text)
    _write(done.texts, to_files=to_files)
    _report(output, done, arguments.tree if to_files else None)
    return ExitCode.INCOMPLETE if done.found.errors else ExitCode.OK


def _report(output: Output, done: Imported, tree: Path | None) -> None:
    """What was written, and what was left. The tree is None when documents are printed, so that nothing else
    is."""
    output.objects(
        imported_object(
            item.router, item.draft.connection, item.name, "-" if tree is None else str(item.file)
        )
        for item in done.ends
    )
    output.objects(
        updated_object(item.name, edit.path, edit.after) for item in done.edited for edit in item.edits
    )
    output.objects(
        skipped_object(item.router, item.connection, item.location, item.reason) for item in done.skipped
    )
    shown = [Line(str(item)) for item in done.skipped[:MOST_FINDINGS]]
    if (more := len(done.skipped) - MOST_FINDINGS) > 0:
        shown.append(Line(f"{counted(more, 'more connection is', 'more connections are')} skipped"))
    output.lines(shown, sys.stderr if tree is None else None)
    if tree is not None:
        output.lines(
            Line(f"{tree / item.file}: {item.name}: {edit}") for item in done.edited for edit in item.edits
        )
        output.lines(
            Line(f"{item.file}: {item.name} from the connection {item.draft.connection} of {item.router}")
            for item in done.ends
        )
        output.lines([Line(f"{counted(len(done.ends), 'tunnel end')} imported.", "bold")])


def _routers(arguments: argparse.Namespace, fabric: Fabric) -> list[DesiredRouter]:
    if not fabric.routers:
        raise TunnelwrightError(
            "there is no VpcRouter",
            hint="describe the routers and their networks first, because an import adds only tunnels",
        )
    check_known(arguments.router, fabric.routers, "router")
    names = arguments.router or sorted(fabric.routers)
    if arguments.files and len(names) != 1:
        raise TunnelwrightError("--files needs exactly one router", hint="name it: --router NAME")
    return [fabric.routers[name] for name in names]


def _show(output: Output, found: Iterable[Diagnostic]) -> None:
    """Findings whose places are as a reader finds them."""
    shown = reported(found)
    output.lines(diagnostic_lines(shown), sys.stderr)
    output.objects(diagnostic_object(item) for item in shown)


def _check_absent(files: Iterable[Path]) -> None:
    """Raises TunnelwrightError rather than overwrite."""
    there = [str(file) for file in files if file.exists()]
    if there:
        raise TunnelwrightError(
            f"the import would overwrite {', '.join(there)}", hint="choose another folder with --out"
        )


def _write(texts: Mapping[Path, str], *, to_files: bool) -> None:
    if not to_files:
        document("---\n".join(texts.values()))
        return
    for file, text in texts.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
        except OSError as error:
            raise TunnelwrightError(f"cannot write {file}: {error.strerror}") from error


def _replace(file: Path, text: str) -> None:
    """The whole file or nothing of it."""
    new = file.with_name(f".{file.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.chmod(file.stat().st_mode)
        new.replace(file)
    except OSError as error:
        raise TunnelwrightError(f"cannot write {file}: {error.strerror}") from error
