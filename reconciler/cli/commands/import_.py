"""`tunnelwright import`: what somebody else has configured on a router becomes desired state."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import options
from reconciler.model.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.cli.output import Output
    from reconciler.gather import Gathered
    from reconciler.importing import Draft
    from reconciler.importing.update import Edit
    from reconciler.load import Loaded
    from reconciler.model.diagnostic import Diagnostic, Diagnostics
    from reconciler.model.fabric import Fabric, Router, Tunnel


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import", help="make desired state of what somebody else has configured on a router"
    )
    options.add_folder(parser)
    parser.add_argument(
        "--router",
        action="append",
        default=[],
        metavar="NAME",
        help="only this router of the desired state; repeatable (all of them)",
    )
    parser.add_argument("--lab", metavar="NAME", help="use the routers of this lab in place of the real ones")
    parser.add_argument("--secrets", type=Path, metavar="DIR", help="folder of the key files")
    parser.add_argument(
        "--connection", action="append", default=[], metavar="NAME", help="only this connection; repeatable"
    )
    parser.add_argument(
        "--files",
        action="append",
        default=[],
        metavar="FILE",
        help="read this swanctl.conf here in place of the live router; repeatable",
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="also change the documents of tunnels that are configured otherwise now; all else in them stays",
    )
    parser.add_argument(
        "--write-keys", action="store_true", help="write the keys into the folder of the key files"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write, a file for each router; `-` for standard output (TREE/imported)",
    )
    options.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, translate, check the result with the tree, write."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import load_fabric, secret_store  # noqa: PLC0415
    from reconciler.importing import document_name, render  # noqa: PLC0415
    from reconciler.importing.update import differences  # noqa: PLC0415
    from reconciler.model.diagnostic import Diagnostics  # noqa: PLC0415
    from reconciler.report.line import Line  # noqa: PLC0415

    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, None, output)
    routers = _routers(arguments, fabric)
    folder = arguments.out or arguments.tree / "imported"
    found = Diagnostics()
    imported: list[_Imported] = []
    edits: dict[str, list[Edit]] = {}
    fresh: list[tuple[Router, Draft]] = []
    for router in routers:
        new, known = _drafts(arguments, router, fabric, found)
        edits |= {tunnel.name: list(differences(item, tunnel, router)) for tunnel, item in known}
        fresh += [(router, item) for item in new]
    unmanaged = _unmanaged([item for _, item in fresh], fabric, loaded)
    for router, item in fresh:
        taken = {*fabric.tunnels, *fabric.vips, *(other.name for other in imported)}
        name = document_name(item.connection, taken)
        text = render(item, name, router, fabric, found, unmanaged=item.peer_address in unmanaged)
        if text is not None:
            imported.append(_Imported(name, folder / f"{router.name}.yaml", item, text))
    _show(output, found)
    texts = _by_file(imported)
    if str(folder) != "-":
        _check_absent(texts)
    changed = _edited(arguments.tree, loaded, edits)
    _check_together(output, texts, changed, loaded)
    if arguments.write_keys:
        store = secret_store(arguments)
        for end in imported:
            if end.draft.key is not None:
                store.add(f"{end.name}.psk", end.draft.key)
    for file, text in changed.items():
        _replace(arguments.tree / file, text)
    _write(texts, to_files=str(folder) != "-")
    output.objects(
        {"type": "imported", "connection": item.draft.connection, "tunnel": item.name, "file": str(item.file)}
        for item in imported
    )
    output.objects(
        {"type": "updated", "tunnel": name, "path": f"spec.{'.'.join(edit.path)}", "after": edit.after}
        for name, changes in edits.items()
        for edit in changes
    )
    if str(folder) != "-":
        output.lines(Line(f"{name}: {edit}") for name, changes in edits.items() for edit in changes)
        output.lines(
            Line(f"{item.file}: {item.name} from the connection {item.draft.connection}") for item in imported
        )
        output.lines([Line(f"{len(imported)} tunnel ends imported.", "bold")])
    return ExitCode.INCOMPLETE if found.errors else ExitCode.OK


@dataclass(frozen=True, slots=True)
class _Imported:
    """One tunnel end that becomes a document."""

    name: str
    file: Path
    draft: Draft
    text: str


def _unmanaged(drafts: Iterable[Draft], fabric: Fabric, loaded: Loaded) -> frozenset[str]:
    """Peers' addresses that look like ours and are not: no tunnel leads back from there, of those that are
    described already or are about to be."""
    from reconciler.model.diagnostic import Diagnostics  # noqa: PLC0415
    from reconciler.validate.catalog import build_catalog  # noqa: PLC0415
    from reconciler.validate.ours import owners  # noqa: PLC0415

    ends = {(tunnel.vip.address, tunnel.peer_address) for tunnel in fabric.tunnels.values()}
    ends |= {(item.local_address, item.peer_address) for item in drafts}
    alone = {peer for local, peer in ends if (peer, local) not in ends}
    return frozenset(owners(build_catalog(loaded, Diagnostics()), fabric.vips, alone))


def _routers(arguments: argparse.Namespace, fabric: Fabric) -> list[Router]:
    from reconciler.model.errors import TunnelwrightError  # noqa: PLC0415

    names = arguments.router or sorted(fabric.routers)
    unknown = sorted(set(names) - set(fabric.routers))
    if unknown or not names:
        raise TunnelwrightError(
            f"there is no VpcRouter named {', '.join(unknown)}" if unknown else "there is no VpcRouter",
            hint="describe the routers and their networks first: an import adds tunnels to them",
        )
    if arguments.files and len(names) != 1:
        raise TunnelwrightError("--files are those of one router", hint="name it: --router NAME")
    return [fabric.routers[name] for name in names]


def _by_file(imported: Iterable[_Imported]) -> dict[Path, str]:
    """What each file is to hold."""
    texts: dict[Path, list[str]] = {}
    for item in imported:
        texts.setdefault(item.file, []).append(item.text)
    return {file: "---\n".join(parts) for file, parts in texts.items()}


def _drafts(
    arguments: argparse.Namespace, router: Router, fabric: Fabric, found: Diagnostics
) -> tuple[list[Draft], list[tuple[Tunnel, Draft]]]:
    """What is wanted and not in the desired state yet; and, to update, what is, with its tunnel."""
    from reconciler.facets.connections import connection_name  # noqa: PLC0415
    from reconciler.importing import draft  # noqa: PLC0415
    from reconciler.importing.separation import report_staying  # noqa: PLC0415
    from reconciler.model.errors import TunnelwrightError  # noqa: PLC0415
    from reconciler.model.router_config import PREFIX  # noqa: PLC0415

    gathered = _gather(arguments, router, fabric, found)
    unknown = sorted(set(arguments.connection) - {source.name for source in gathered.sources})
    if unknown:
        raise TunnelwrightError(
            f"there is no connection {', '.join(unknown)}",
            hint=f"there are: {', '.join(source.name for source in gathered.sources) or 'none'}",
        )
    tunnels: dict[str, Tunnel] = {}
    speaking: set[str] = set()
    there = {source.name for source in gathered.sources}
    for tunnel in fabric.tunnels_of(router.name):
        names = (*map(connection_name, (tunnel.name, *tunnel.previous_names)), tunnel.adopts)
        tunnels |= dict.fromkeys(names, tunnel)
        # What it was taken over from may still be in a file, and says nothing of it any more.
        speaking |= {*[name for name in names if name in there][:1]}
    wanted = [
        source
        for source in gathered.sources
        if (source.name not in tunnels or (arguments.update and source.name in speaking))
        and (not arguments.connection or source.name in arguments.connection)
    ]
    drafts = [draft(source, gathered.keys, gathered.sas, found) for source in wanted]
    understood = [item for item in drafts if item is not None]
    fresh = {item.connection for item in understood if not item.connection.startswith(PREFIX)} - set(tunnels)
    adopted = {*fresh, *(tunnel.adopts for tunnel in tunnels.values())}
    report_staying(gathered.configurations, fresh, adopted, gathered.loaded, found)
    return (
        [item for item in understood if item.connection not in tunnels],
        [(tunnels[item.connection], item) for item in understood if item.connection in tunnels],
    )


def _edited(tree: Path, loaded: Loaded, edits: Mapping[str, list[Edit]]) -> dict[str, str]:
    """File, as loading names it -> its text with the edits.

    Raises TunnelwrightError for one whose formatting would not survive.
    """
    from reconciler.importing.update import FormattingLost, edited  # noqa: PLC0415
    from reconciler.model.errors import TunnelwrightError  # noqa: PLC0415

    by_file: dict[str, list[tuple[int, list[Edit]]]] = {}
    for document in loaded.documents:
        data = document.data
        if isinstance(data, dict) and data["kind"] == "IPsecTunnel" and edits.get(data["metadata"]["name"]):
            by_file.setdefault(document.file, []).append((document.index, edits[data["metadata"]["name"]]))
    texts = {}
    for file, changes in by_file.items():
        try:
            texts[file] = edited((tree / file).read_text(encoding="utf-8"), changes)
        except FormattingLost as error:
            words = "; ".join(str(edit) for _, part in changes for edit in part)
            raise TunnelwrightError(f"{tree / file}: {error} ({words}); nothing was written") from error
    return texts


def _gather(arguments: argparse.Namespace, router: Router, fabric: Fabric, found: Diagnostics) -> Gathered:
    from reconciler.cli.workspace import connector  # noqa: PLC0415
    from reconciler.gather import gather_files, gather_router, local_files  # noqa: PLC0415
    from reconciler.observe import within_one_look  # noqa: PLC0415

    if arguments.files:
        return gather_files(arguments.files, local_files, found)
    connected = within_one_look(connector(fabric, arguments.lab, arguments.links))(router.name)
    try:
        return gather_router(connected, found)
    finally:
        connected.close()


def _show(output: Output, found: Iterable[Diagnostic]) -> None:
    """Findings whose files are not those of the tree."""
    from reconciler.model.diagnostic import reported  # noqa: PLC0415
    from reconciler.report.diagnostic_text import diagnostic_lines  # noqa: PLC0415
    from reconciler.report.json_lines import diagnostic_object  # noqa: PLC0415

    shown = reported(found)
    output.lines(diagnostic_lines(shown), sys.stderr)
    output.objects(diagnostic_object(item) for item in shown)


def _check_absent(files: Iterable[Path]) -> None:
    """Raises TunnelwrightError rather than overwrite."""
    from reconciler.model.errors import TunnelwrightError  # noqa: PLC0415

    there = [str(file) for file in files if file.exists()]
    if there:
        raise TunnelwrightError(f"{', '.join(there)}: there already", hint="--out names another folder")


def _check_together(
    output: Output, texts: Mapping[Path, str], changed: Mapping[str, str], loaded: Loaded
) -> None:
    """Raises InvalidDesiredState when the tree would not be valid with the new and the changed documents."""
    from reconciler.cli.workspace import InvalidDesiredState  # noqa: PLC0415
    from reconciler.load.composer import compose  # noqa: PLC0415
    from reconciler.model.diagnostic import Diagnostics  # noqa: PLC0415
    from reconciler.validate import validate  # noqa: PLC0415

    written = {**{str(file): text for file, text in texts.items()}, **changed}
    new = [
        document
        for file, text in written.items()
        for document in compose(text.encode(), file, Diagnostics())[0]
    ]
    kept = [document for document in loaded.documents if document.file not in changed]
    _, found = validate(replace(loaded, documents=(*kept, *new)))
    names = set(written)
    _show(output, [item for item in found if item.location.file in names or item in found.errors])
    if found.errors:
        raise InvalidDesiredState(
            "with what was imported the desired state is not valid; nothing was written"
        )


def _write(texts: Mapping[Path, str], *, to_files: bool) -> None:
    from reconciler.cli.output import document  # noqa: PLC0415
    from reconciler.model.errors import TunnelwrightError  # noqa: PLC0415

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
    from reconciler.model.errors import TunnelwrightError  # noqa: PLC0415

    new = file.with_name(f".{file.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.chmod(file.stat().st_mode)
        new.replace(file)
    except OSError as error:
        raise TunnelwrightError(f"cannot write {file}: {error.strerror}") from error
