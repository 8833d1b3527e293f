"""`tunnelwright lab`: a lab of real routers, up and down, proven with packets, and a shell inside.

Registered through the entry-point group `tunnelwright.commands`. Docker and scapy are imported when a
command runs, not before.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from reconciler.cli import options
from reconciler.model.errors import ExitCode
from reconciler.model.suggestion import check_known
from reconciler.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lab.engine import Engine, Progress
    from lab.verify import Report
    from reconciler.report.line import Line

DEFAULT_NAME = "default"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `lab` with its own subcommands."""
    lab = subparsers.add_parser("lab", help="real routers in containers: up, verify, shell, down")
    actions = lab.add_subparsers(dest="lab_command", metavar="ACTION", required=True)

    up = actions.add_parser("up", help="start the routers and hosts of a desired state, without tunnels")
    options.add_tree(up)
    _add_common(up)
    up.add_argument(
        "--release",
        action="append",
        default=[],
        metavar="[ROUTER=]RELEASE",
        help="Debian release, and so strongSwan, of a router or of all: trixie (6.0.1) or bookworm (5.9.8)",
    )
    up.set_defaults(run=run_up)

    verify = actions.add_parser("verify", help="prove every tunnel with captured packets (apply first)")
    options.add_tree(verify)
    _add_common(verify)
    verify.add_argument(
        "--target", action="append", default=[], metavar="TUNNEL", help="only this tunnel (repeatable)"
    )
    verify.add_argument("--pcap", type=Path, metavar="DIR", help="keep the captures in this folder")
    verify.add_argument(
        "--no-interruption",
        action="store_true",
        help="leave out the negative control, which takes each tunnel down for a moment",
    )
    verify.set_defaults(run=run_verify)

    shell = actions.add_parser("shell", help="a shell in a router, or in the host of a network")
    shell.add_argument("node", help="name of a router or of a network; 'wire' for the wire between them")
    shell.add_argument("--command", "-c", metavar="TEXT", help="run this in place of a shell of your own")
    _add_name(shell)
    shell.set_defaults(run=run_shell)

    down = actions.add_parser("down", help="remove the lab, also one that was cut short")
    _add_common(down)
    down.set_defaults(run=run_down)


def run_up(arguments: argparse.Namespace) -> int:
    """Start the lab, or find it running."""
    from lab.session import Lab  # noqa: PLC0415
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import load_fabric  # noqa: PLC0415
    from reconciler.report.line import Line  # noqa: PLC0415

    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output)
    releases = _releases(arguments.release, fabric.routers)
    lab = Lab.up(fabric, arguments.name, releases=releases, progress=_progress(arguments))
    nodes = [
        {"role": str(node.role), "name": node.name, "addresses": [a for p in node.ports for a in p.addresses]}
        for node in lab.topology.nodes
    ]
    output.objects(
        [
            {
                "type": "lab",
                "name": lab.name,
                "data_plane": lab.data_plane,
                "engine": lab.engine.url,
                "nodes": nodes,
            }
        ]
    )
    output.lines(Line(f"  {n['role']:<10} {n['name']}  {' '.join(n['addresses'])}") for n in nodes)
    output.lines(
        [Line(f"Lab {lab.name} is up: {len(lab.routers)} routers, {lab.data_plane} data plane.", "bold")]
    )
    return ExitCode.OK


def _releases(given: list[str], routers: Iterable[str]) -> dict[str, str]:
    """Router to release. One that is named goes before what is said for all."""
    chosen: dict[str, str] = {}
    names = tuple(routers)
    check_known((router for text in given if (router := text.rpartition("=")[0])), names, "router")
    for text in given:
        router, _, release = text.rpartition("=")
        if not router:
            chosen = {**dict.fromkeys(names, release), **chosen}
        else:
            chosen[router] = release
    return chosen


def run_verify(arguments: argparse.Namespace) -> int:
    """Prove the tunnels; ends with INCOMPLETE when a check fails."""
    from lab.capture import Watch  # noqa: PLC0415
    from lab.session import Lab  # noqa: PLC0415
    from lab.verify import verify  # noqa: PLC0415
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import load_fabric  # noqa: PLC0415

    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output)
    lab = Lab.attach(fabric, arguments.name)
    watch = Watch(lab).start()
    try:
        report = verify(
            lab,
            fabric,
            tunnels=arguments.target,
            negative=not arguments.no_interruption,
            watch=watch,
            progress=_progress(arguments),
        )
    finally:
        watch.stop()
        if arguments.pcap:
            watch.keep(arguments.pcap)
        watch.discard()
    output.lines(_report_lines(report))
    output.objects(_report_objects(report))
    return ExitCode.OK if report.passed else ExitCode.INCOMPLETE


def run_shell(arguments: argparse.Namespace) -> int:
    """Replace this process by a shell in a container. Raises `LabRefused` when there is no such node."""
    import os  # noqa: PLC0415

    from lab.containers import find  # noqa: PLC0415
    from lab.engine import EngineUnavailable, find_engine  # noqa: PLC0415
    from lab.session import choose_node  # noqa: PLC0415

    engine = find_engine()
    container = choose_node(find(engine, arguments.name), arguments.name, arguments.node)
    words = ["sh", "-c", arguments.command] if arguments.command else ["bash"]
    terminal = ["-it"] if sys.stdin.isatty() else ["-i"]
    try:
        os.execvpe("docker", ["docker", "exec", *terminal, container, *words], engine.environment)  # noqa: S606
    except FileNotFoundError as error:
        raise EngineUnavailable("the `docker` command is not installed", hint="a shell needs it") from error


def run_down(arguments: argparse.Namespace) -> int:
    """Remove the lab; the private engine goes with the last one."""
    from lab.engine import find_engine, stop  # noqa: PLC0415
    from lab.session import Lab, labs  # noqa: PLC0415
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.report.line import Line  # noqa: PLC0415

    output = Output(arguments)
    engine: Engine = find_engine(_progress(arguments))
    removed = Lab.down(arguments.name, engine=engine)
    left = [lab.name for lab in labs(engine)]
    if engine.private and not left:
        stop()
    output.objects([{"type": "lab_down", "name": arguments.name, "removed": removed, "left": left}])
    text = f"Lab {arguments.name} is gone." if removed else f"There is no lab {arguments.name}."
    output.lines([Line(text + (f" Others: {', '.join(left)}." if left else ""), "bold")])
    return ExitCode.OK


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default=DEFAULT_NAME, help="which lab (%(default)s)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    _add_name(parser)
    options.add_output(parser)


def _progress(arguments: argparse.Namespace) -> Progress:
    """Lines on standard error: dim on a terminal, plain elsewhere."""
    return progress_to(sys.stderr, colour=not arguments.no_color)


def progress_to(stream: TextIO, *, colour: bool) -> Progress:
    """What takes a while, line by line: dim on a terminal, plain elsewhere."""
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=stream, highlight=False, no_color=not colour, soft_wrap=True)
    return lambda line: console.print(Text(visible(line), style="dim"))


def _report_lines(report: Report) -> Iterator[Line]:
    from reconciler.report.check_text import check_lines  # noqa: PLC0415
    from reconciler.report.line import Line  # noqa: PLC0415

    for flow in report.flows:
        yield Line(flow.label, "bold")
        yield from check_lines(flow.checks)
    yield Line("whole run", "bold")
    yield from check_lines(report.checks)
    checks = [c for f in report.flows for c in f.checks] + list(report.checks)
    good = sum(c.passed for c in checks)
    verdict = "Proven" if report.passed else "NOT proven"
    count = f"{good} of {len(checks)} checks hold for {len(report.flows)} flows"
    yield Line(
        f"{verdict}: {count}, {report.seconds:.1f} s.",
        "bold green" if report.passed else "bold red",
    )


def _report_objects(report: Report) -> Iterator[dict[str, object]]:
    for flow in report.flows:
        for check in flow.checks:
            yield {
                "type": "proof",
                "flow": flow.label,
                "tunnels": list(flow.tunnels),
                "name": check.name,
                "passed": check.passed,
                "evidence": check.evidence,
            }
    for check in report.checks:
        yield {"type": "proof", "name": check.name, "passed": check.passed, "evidence": check.evidence}
    yield {
        "type": "proof_summary",
        "passed": report.passed,
        "flows": len(report.flows),
        "seconds": report.seconds,
    }
