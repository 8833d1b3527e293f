"""`tunnelwright history`: what the reconciler did, run by run."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import options
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.report.line import Line

if TYPE_CHECKING:
    from reconciler.cli.output import Output


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("history", help="the reconciler's latest runs")
    options.add_settings(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many (%(default)s)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--accept",
        metavar="COMMIT",
        help="accept this commit although it is unsigned, or does not descend from the last good one",
    )
    instead.add_argument(
        "--forgive", metavar="COMMIT", help="let a commit that was rolled back be tried once more"
    )
    options.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the runs, newest last, as a log does."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import open_history  # noqa: PLC0415
    from reconciler.report.json_lines import run_object  # noqa: PLC0415
    from reconciler.report.run_text import run_line  # noqa: PLC0415

    output = Output(arguments)
    if arguments.accept is not None:
        return _accept(arguments.accept, arguments.config, output)
    history = open_history(arguments.config, output)
    if arguments.forgive is not None:
        history.forgive(arguments.forgive)
        return ExitCode.OK
    runs = history.runs(arguments.limit)[::-1]
    output.lines(run_line(record) for record in runs)
    output.objects(run_object(record) for record in runs)
    return ExitCode.OK


def _accept(rev: str, config: Path | None, output: Output) -> ExitCode:
    """Remember that the operator takes a commit for good although it does not follow from what was."""
    from reconciler.apply.locking import user_name  # noqa: PLC0415
    from reconciler.cli.workspace import HISTORY, mirror_of, service_settings  # noqa: PLC0415
    from reconciler.history.store import History  # noqa: PLC0415
    from reconciler.model.record import Acceptance  # noqa: PLC0415
    from reconciler.service.trust import Trust  # noqa: PLC0415

    settings = service_settings(config, output).values
    if settings.signatures.allowed_signers is None and settings.signatures.keyring is None:
        raise TunnelwrightError(
            "signatures are not asked for, so a branch that was rewritten is followed anyway"
        )
    history = History(Path(settings.state).expanduser() / HISTORY)
    mirror = mirror_of(settings, lambda _: None)
    good = Trust(mirror, history).good()
    acceptance = Acceptance(mirror.find(rev), datetime.now(UTC), user_name(), good)
    history.accept(acceptance)
    output.lines([Line(f"{acceptance}{f' in place of {good[:12]}' if good else ''}")])
    return ExitCode.OK
