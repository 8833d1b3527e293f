"""`tunnelwright lab`: a lab of real routers, up and down, proven with packets, and a shell inside."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import Console
from rich.text import Text

from lab.capture import Watch
from lab.containers import find
from lab.engine import Engine, EngineUnavailable, Progress, find_engine, retire
from lab.session import Lab, choose_node, labs
from lab.verify import Report, verify
from reconciler.cli.output import Output
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode
from reconciler.model.listing import counted
from reconciler.model.suggestion import check_known
from reconciler.model.visible import visible
from reconciler.report.check_text import check_lines
from reconciler.report.line import Line


def run_up(arguments: argparse.Namespace) -> int:
    """Start the lab, or find it running."""

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
    routers = counted(len(lab.routers), "router")
    output.lines([Line(f"Lab {lab.name} is up: {routers}, {lab.data_plane} data plane.", "bold")])
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

    engine = find_engine()
    container = choose_node(find(engine, arguments.name), arguments.name, arguments.node)
    words = ["sh", "-c", arguments.text] if arguments.text else ["bash"]
    terminal = ["-it"] if sys.stdin.isatty() else ["-i"]
    try:
        os.execvpe("docker", ["docker", "exec", *terminal, container, *words], engine.environment)  # noqa: S606
    except FileNotFoundError as error:
        raise EngineUnavailable(
            "the `docker` command is not installed", hint="install it: `lab shell` needs it"
        ) from error


def run_power_loss(arguments: argparse.Namespace) -> int:
    """Cut the power of one router; it boots from its files."""
    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output)
    check_known([arguments.router], tuple(fabric.routers), "router")
    lab = Lab.attach(fabric, arguments.name)
    lab.power_loss(arguments.router)
    output.objects([{"type": "lab_power_loss", "name": lab.name, "router": arguments.router}])
    text = f"{arguments.router} lost its power and has booted from its files: charon answers."
    output.lines([Line(text, "bold")])
    return ExitCode.OK


def run_down(arguments: argparse.Namespace) -> int:
    """Remove the lab; the private engine stops with the last container."""
    output = Output(arguments)
    engine: Engine = find_engine(_progress(arguments))
    removed = Lab.down(arguments.name, engine=engine)
    left = [lab.name for lab in labs(engine)]
    retire(engine)
    output.objects([{"type": "lab_down", "name": arguments.name, "removed": removed, "left": left}])
    text = f"Lab {arguments.name} is gone." if removed else f"There is no lab {arguments.name}."
    output.lines([Line(text + (f" Others: {', '.join(left)}." if left else ""), "bold")])
    return ExitCode.OK


def _progress(arguments: argparse.Namespace) -> Progress:
    """Lines on standard error: dim on a terminal, plain elsewhere."""
    return progress_to(sys.stderr, colour=not arguments.no_color)


def progress_to(stream: TextIO, *, colour: bool) -> Progress:
    """What takes a while, line by line: dim on a terminal, plain elsewhere."""

    console = Console(file=stream, highlight=False, no_color=not colour, soft_wrap=True)
    return lambda line: console.print(Text(visible(line), style="dim"))


def _report_lines(report: Report) -> Iterator[Line]:

    for flow in report.flows:
        yield Line(flow.label, "bold")
        yield from check_lines(flow.checks)
    yield Line("whole run", "bold")
    yield from check_lines(report.checks)
    checks = [c for f in report.flows for c in f.checks] + list(report.checks)
    good = sum(c.passed for c in checks)
    verdict = "Proven" if report.passed else "NOT proven"
    count = f"{good} of {counted(len(checks), 'check')} hold for {counted(len(report.flows), 'flow')}"
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
