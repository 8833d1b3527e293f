"""`tunnelwright history`: what the reconciler did, run by run."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path

from reconciler.cli.output import Output
from reconciler.cli.service_state import HISTORY, followed_repository, service_settings
from reconciler.doors.identity import user_name
from reconciler.history.store import History
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.model.record import Acceptance, RunRecord
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.plan.targets import ends_named
from reconciler.report.json.run import run_object
from reconciler.report.json.tunnel import tunnel_event
from reconciler.report.line import Line
from reconciler.report.run_text import changing_run_lines, run_line
from reconciler.report.tunnel_text import tunnel_event_line
from reconciler.service.trust import Trust
from reconciler.validate import validate
from schemas.settings import ReconcileSettings


def run(arguments: argparse.Namespace) -> int:
    """List the runs, newest last, as a log does."""
    output = Output(arguments)
    if arguments.accept is not None:
        return _accept(arguments.accept, arguments.config, output)
    settings = service_settings(arguments.config, output).values
    history = History(Path(settings.state).expanduser() / HISTORY)
    if arguments.forgive is not None:
        history.forgive(arguments.forgive)
        return ExitCode.OK
    if arguments.tunnel is not None:
        name = arguments.tunnel
        ends = (name,) if _has(history, name) else _ends_of(settings, name)
        return _of_tunnels(history, ends, f"a tunnel or connection {name!r}", arguments.limit, output)
    if arguments.selector:
        ends = tuple(ends_named(_followed(settings), arguments.selector))
        return _of_tunnels(history, ends, "what these labels select", arguments.limit, output)
    runs = history.runs(arguments.limit)[::-1]
    output.lines(run_line(record) for record in runs)
    output.objects(run_object(record) for record in runs)
    return ExitCode.OK


def _of_tunnels(history: History, ends: tuple[str, ...], what: str, limit: int, output: Output) -> ExitCode:
    """What has happened to tunnel ends, and what runs changed of them, newest last. `what` they are is for a
    message."""
    events = [history.tunnel_events(end, limit)[::-1] for end in ends]
    runs = {run.id: run for end in ends for run in history.runs_about(end, limit)}
    if not (any(events) or runs):
        raise TunnelwrightError(
            f"the history has nothing about {what}",
            hint="what happens to a tunnel is kept while `tunnelwright reconcile` runs",
        )
    # Each in its own order, whatever a clock said.
    items: Iterable[TunnelEvent | RunRecord] = merge(
        *events, [runs[number] for number in sorted(runs)], key=_time
    )
    for item in [*items][-limit:]:
        if isinstance(item, TunnelEvent):
            output.lines([tunnel_event_line(item)])
            output.objects([tunnel_event(item)])
        else:
            output.lines(changing_run_lines(item, ends))
            output.objects([run_object(item)])
    return ExitCode.OK


def _has(history: History, tunnel: str) -> bool:
    return bool(history.tunnel_events(tunnel, 1) or history.runs_about(tunnel, 1))


def _ends_of(settings: ReconcileSettings, connection: str) -> tuple[str, ...]:
    """The ends of a connection of the followed branch, as far as it was fetched; empty where nothing is known
    of it."""
    with suppress(TunnelwrightError):
        fabric = _followed(settings)
        return tuple(end.name for end in fabric.ends_of(fabric.tunnel_of(connection)))
    return ()


def _followed(settings: ReconcileSettings) -> Fabric:
    """What the followed branch describes, as far as it was fetched. Raises TunnelwrightError."""
    repository = followed_repository(settings, lambda _: None)
    return validate(repository.load(repository.head()))[0]


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
