"""`tunnelwright import`: turns connections that were configured by hand on a router into desired state."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.cli import access
from reconciler.cli.import_sources import Reading, Skipped, check_connections, drafts, read_routers
from reconciler.cli.output import Output, document
from reconciler.cli.workspace import InvalidDesiredState, load_fabric
from reconciler.importing import Draft, document_name, render
from reconciler.importing.keys import key_references
from reconciler.importing.update import Edit, FormattingLost, edited
from reconciler.load import Loaded
from reconciler.load.composer import compose
from reconciler.model.bounds import MOST_FINDINGS
from reconciler.model.diagnostic import Diagnostic, Diagnostics, Severity, reported
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.fabric import DesiredRouter, Fabric
from reconciler.model.listing import counted
from reconciler.model.suggestion import check_known
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object, place_object
from reconciler.report.line import Line
from reconciler.validate import validate
from reconciler.validate.catalog import build_catalog
from reconciler.validate.owners import owners

_PRINTED = "standard output"
"""In the place of a folder for documents that are printed."""


def run(arguments: argparse.Namespace) -> int:
    """Read, translate, check the result with the tree, write."""
    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, None, output)
    routers = _routers(arguments, fabric)
    to_files = str(arguments.out) != "-"
    folder = (arguments.out or arguments.tree / "imported") if to_files else Path(_PRINTED)
    places = {name: arguments.tree / tunnel.location.file for name, tunnel in fabric.tunnels.items()}
    found = Diagnostics()
    readings = read_routers(arguments, routers, fabric, found)
    check_connections(arguments.connection, readings)
    edits: dict[str, list[Edit]] = {}
    fresh: dict[str, tuple[Reading, Draft]] = {}
    left: list[Skipped] = []
    for reading in readings:
        drawn = drafts(arguments, reading, fabric)
        left += drawn.skipped
        edits |= drawn.edits
        for item in drawn.fresh:
            fresh[document_name(item.connection, {*fabric.tunnels, *fabric.vips, *fresh})] = reading, item
    keys = key_references({name: item for name, (_, item) in fresh.items()}, fabric)
    unmanaged = _unmanaged([item for _, item in fresh.values()], fabric, loaded)
    imported: list[_Imported] = []
    for name, (reading, item) in fresh.items():
        text = render(
            item,
            name,
            reading.router,
            fabric,
            reading.found,
            key=keys[name],
            unmanaged=item.peer_address in unmanaged,
        )
        if text is not None:
            file = folder / f"{reading.router.name}.yaml"
            imported.append(_Imported(name, file, reading.router.name, item, text))
    for reading in readings:
        found.extend(reading.told())
    _show(output, found)
    texts = _by_file(imported)
    if to_files:
        _check_absent(texts)
    changed = _edited(arguments.tree, loaded, edits)
    _check_together(output, arguments.tree, texts, changed, loaded)
    if arguments.write_keys:
        store = access.secret_store(arguments)
        for end in imported:
            if end.draft.key is not None and keys[end.name].source == "file":
                store.add(keys[end.name].name, end.draft.key)
    for file, text in changed.items():
        _replace(arguments.tree / file, text)
    _write(texts, to_files=to_files)
    _tell(output, imported, edits, left, places if to_files else None)
    return ExitCode.INCOMPLETE if found.errors else ExitCode.OK


@dataclass(frozen=True, slots=True)
class _Imported:
    """One tunnel end that becomes a document."""

    name: str
    file: Path
    router: str
    draft: Draft
    text: str


def _tell(
    output: Output,
    imported: list[_Imported],
    edits: Mapping[str, list[Edit]],
    left: list[Skipped],
    places: Mapping[str, Path] | None,
) -> None:
    """What was written, and what was left. `places` gives the file of each tunnel; None when documents are
    printed, so that nothing else is."""
    output.objects(
        {
            "type": "imported",
            "router": item.router,
            "connection": item.draft.connection,
            "tunnel": item.name,
            "file": "-" if places is None else str(item.file),
        }
        for item in imported
    )
    output.objects(
        {"type": "updated", "tunnel": name, "path": f"spec.{'.'.join(edit.path)}", "after": edit.after}
        for name, changes in edits.items()
        for edit in changes
    )
    output.objects(
        {
            "type": "skipped",
            "router": item.router,
            "connection": item.connection,
            **place_object(item.location),
            "reason": item.reason,
        }
        for item in left
    )
    shown = [Line(str(item)) for item in left[:MOST_FINDINGS]]
    if len(left) > MOST_FINDINGS:
        shown.append(Line(f"{len(left) - MOST_FINDINGS} more connections are skipped"))
    output.lines(shown, sys.stderr if places is None else None)
    if places is not None:
        output.lines(
            Line(f"{places[name]}: {name}: {edit}") for name, changes in edits.items() for edit in changes
        )
        output.lines(
            Line(f"{item.file}: {item.name} from the connection {item.draft.connection} of {item.router}")
            for item in imported
        )
        output.lines([Line(f"{counted(len(imported), 'tunnel end')} imported.", "bold")])


def _unmanaged(drafts: Iterable[Draft], fabric: Fabric, loaded: Loaded) -> frozenset[str]:
    """Peers' addresses that look like ours and are not: no tunnel leads back from there, of those that are
    described already or are about to be."""
    ends = {(tunnel.vip.address, tunnel.peer_address) for tunnel in fabric.tunnels.values()}
    ends |= {(item.local_address, item.peer_address) for item in drafts}
    alone = {peer for local, peer in ends if (peer, local) not in ends}
    return frozenset(owners(build_catalog(loaded, Diagnostics()), fabric.vips, alone))


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


def _by_file(imported: Iterable[_Imported]) -> dict[Path, str]:
    """What each file is to hold."""
    texts: dict[Path, list[str]] = {}
    for item in imported:
        texts.setdefault(item.file, []).append(item.text)
    return {file: "---\n".join(parts) for file, parts in texts.items()}


def _edited(tree: Path, loaded: Loaded, edits: Mapping[str, list[Edit]]) -> dict[str, str]:
    """File, as loading names it -> its text with the edits.

    Raises TunnelwrightError for one whose formatting would not survive.
    """
    by_file: dict[str, list[tuple[int, list[Edit]]]] = {}
    for item in loaded.documents:
        data = item.data
        if isinstance(data, dict) and data["kind"] == "IPsecTunnel" and edits.get(data["metadata"]["name"]):
            by_file.setdefault(item.file, []).append((item.index, edits[data["metadata"]["name"]]))
    texts = {}
    for file, changes in by_file.items():
        try:
            texts[file] = edited((tree / file).read_text(encoding="utf-8"), changes)
        except FormattingLost as error:
            words = "; ".join(str(edit) for _, part in changes for edit in part)
            raise TunnelwrightError(f"{tree / file}: {error} ({words}); nothing was written") from error
    return texts


def _show(output: Output, found: Iterable[Diagnostic]) -> None:
    """Findings whose places are as a reader finds them."""
    shown = reported(found)
    output.lines(diagnostic_lines(shown), sys.stderr)
    output.objects(diagnostic_object(item) for item in shown)


def _check_absent(files: Iterable[Path]) -> None:
    """Raises TunnelwrightError rather than overwrite."""
    there = [str(file) for file in files if file.exists()]
    if there:
        raise TunnelwrightError(f"{', '.join(there)}: there already", hint="choose another folder with --out")


def _check_together(
    output: Output, tree: Path, texts: Mapping[Path, str], changed: Mapping[str, str], loaded: Loaded
) -> None:
    """Raises InvalidDesiredState when the tree would not be valid with the new and the changed documents."""
    written = {**{str(file): text for file, text in texts.items()}, **changed}
    new = [
        document
        for file, text in written.items()
        for document in compose(text.encode(), file, Diagnostics())[0]
    ]
    kept = [document for document in loaded.documents if document.file not in changed]
    _, found = validate(replace(loaded, documents=(*kept, *new)))
    names = set(written)
    files = frozenset(map(str, texts))
    _show(
        output,
        [
            _placed(item, files, tree)
            for item in found
            if item.location.file in names or item.severity is Severity.ERROR
        ],
    )
    if found.errors:
        raise InvalidDesiredState(
            "the desired state would be invalid with the imported documents; nothing was written",
            hint="line numbers in imported files are those of the files that would have been written; use "
            "--connection and --router to import less",
        )


def _placed(item: Diagnostic, new: frozenset[str], tree: Path) -> Diagnostic:
    """A finding with files of the tree as a reader opens them; those in `new` are named so already."""
    places = (item.location, *item.related)
    first, *rest = (
        place if place.file in new else replace(place, file=str(tree / place.file)) for place in places
    )
    return replace(item, location=first, related=tuple(rest))


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
