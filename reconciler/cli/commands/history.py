"""`tunnelwright history`: what the reconciler did, run by run."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path

from reconciler.cli.output import Output
from reconciler.cli.service_state import HISTORY, followed_repository, open_history, service_settings
from reconciler.doors.identity import user_name
from reconciler.history.store import History
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.record import Acceptance, RunRecord
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.report.json.run import run_object
from reconciler.report.json.tunnel import tunnel_event
from reconciler.report.line import Line
from reconciler.report.run_text import changing_run_lines, run_line
from reconciler.report.tunnel_text import tunnel_event_line
from reconciler.service.trust import Trust


def run(arguments: argparse.Namespace) -> int:
    """List the runs, newest last, as a log does."""
    output = Output(arguments)
    if arguments.accept is not None:
        return _accept(arguments.accept, arguments.config, output)
    history = open_history(arguments.config, output)
    if arguments.forgive is not None:
        history.forgive(arguments.forgive)
        return ExitCode.OK
    if arguments.tunnel is not None:
        return _of_tunnel(history, arguments.tunnel, arguments.limit, output)
    runs = history.runs(arguments.limit)[::-1]
    output.lines(run_line(record) for record in runs)
    output.objects(run_object(record) for record in runs)
    return ExitCode.OK


def _of_tunnel(history: History, tunnel: str, limit: int, output: Output) -> ExitCode:
    """What has happened to one tunnel end and what runs changed of it, newest last."""
    events, runs = history.happenings(tunnel, limit), history.runs_about(tunnel, limit)
    if not (events or runs):
        raise TunnelwrightError(
            f"the history has nothing about a tunnel {tunnel!r}",
            hint="give the name of a tunnel end; what happens is kept while `tunnelwright reconcile` runs",
        )
    # Each in its own order, whatever a clock said.
    items: Iterable[TunnelEvent | RunRecord] = merge(events[::-1], runs[::-1], key=_time)
    for item in [*items][-limit:]:
        if isinstance(item, TunnelEvent):
            output.lines([tunnel_event_line(item)])
            output.objects([tunnel_event(item)])
        else:
            output.lines(changing_run_lines(item, tunnel))
            output.objects([run_object(item)])
    return ExitCode.OK


def _time(item: TunnelEvent | RunRecord) -> datetime:
    return item.at if isinstance(item, TunnelEvent) else item.finished


def _accept(rev: str, config: Path | None, output: Output) -> ExitCode:
    """Remember that the operator takes a commit for good although it does not follow from what was."""
    settings = service_settings(config, output).values
    if settings.signatures.allowed_signers is None and settings.signatures.keyring is None:
        raise TunnelwrightError("signatures are not required, so a rewritten branch is followed anyway")
    history = History(Path(settings.state).expanduser() / HISTORY)
    repository = followed_repository(settings, lambda _: None)
    good = Trust(repository, history).good()
    acceptance = Acceptance(repository.find(rev), datetime.now(UTC), user_name(), good)
    history.accept(acceptance)
    output.lines([Line(f"{acceptance}{f' in place of {good[:12]}' if good else ''}")])
    return ExitCode.OK
