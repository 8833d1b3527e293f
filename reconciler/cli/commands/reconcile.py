"""`tunnelwright reconcile`: follow a repository, once or for as long as the service runs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import access, collector
from reconciler.cli.output import Output, note, say
from reconciler.cli.run_reports import RunReports
from reconciler.cli.service_state import (
    CLONE,
    HISTORY,
    followed_repository,
    only_reconciler,
    service_settings,
)
from reconciler.forges.choose import forge
from reconciler.forges.forge import Kind
from reconciler.history.kept import Kept
from reconciler.model import bounds
from reconciler.model.diagnostic import Diagnostics, reported
from reconciler.model.errors import ExitCode
from reconciler.model.extras import require
from reconciler.model.fabric import Fabric
from reconciler.model.notification import Topic
from reconciler.model.record import GOOD, Result, RunRecord
from reconciler.page.access import Access
from reconciler.page.documents import CloneReader
from reconciler.page.service_source import ServiceSource
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.report.json.results import ready_object, setting_objects
from reconciler.report.line import Line
from reconciler.report.settings_text import setting_lines
from reconciler.routers.fleet import Fleet
from reconciler.routers.links import Links
from reconciler.secrets import Allowed, SecretStore, default_folder, read_private
from reconciler.service.dependencies import Dependencies
from reconciler.service.log import EventLog, attached
from reconciler.service.loop import Service
from reconciler.service.message import send
from reconciler.service.metrics import Metrics
from reconciler.service.notifier import CommitStatuses, Messages, Notifier, Receiver, Tolerance
from reconciler.service.preflight import Preflight
from reconciler.service.prober import Prober
from reconciler.service.settings import Effective
from reconciler.service.signatures import Signers
from reconciler.service.trust import check_signature
from reconciler.service.watch import Watch
from reconciler.service.web import Application, WebServer
from schemas.settings import ReconcileSettings

if TYPE_CHECKING:
    from reconciler.page.server import PageServer


def run(arguments: argparse.Namespace) -> int:
    """Run once, or until a signal comes; or only look at what a run would need."""
    output = Output(arguments)
    effective = service_settings(arguments.config, output)
    if arguments.check:
        return _check(effective, output)
    log = EventLog(sys.stdout) if effective.values.log_format == "json" and not output.json else None
    state = Path(effective.values.state).expanduser()
    with attached(log), only_reconciler(state, _warn):
        return _follow(effective.values, arguments, output, log)


def _follow(
    settings: ReconcileSettings, arguments: argparse.Namespace, output: Output, log: EventLog | None
) -> int:
    dependencies = _dependencies(settings, arguments.lab, arguments.links)
    metrics = Metrics(dependencies.history)
    notifier = _notifier(settings, dependencies)
    tolerance = Tolerance(_warn)

    def rested() -> None:
        arguments.links.clear()
        if not arguments.once:
            collector.sweep()

    page = None if settings.page is None or arguments.once else _page_source(settings, dependencies)
    reports = RunReports(output, log, metrics, page, full=arguments.once)
    dependencies = replace(
        dependencies,
        saw=reports.saw,
        progress=dependencies.progress if log is None else log.step,
        rested=rested,
    )

    def report(record: RunRecord) -> None:
        reports.ended(record)
        if settings.metrics_file is not None:
            textfile = Path(settings.metrics_file).expanduser()
            tolerance.of("metrics", "metricsFile", lambda: metrics.write(textfile))
        notifier.notify(record)

    service = Service(dependencies, settings.interval, settings.jitter, report)
    beside = [] if arguments.once else _beside(service, reports, settings)

    def end(*_: object) -> None:
        service.stop()
        _end_within(bounds.ENDING)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        if arguments.once:
            return _exit_code(service.once())
        servers: list[WebServer | PageServer] = [
            *_listen(settings, service, metrics),
            *_serve(settings, page),
        ]
        try:
            service.run()
        finally:
            for server in servers:
                server.close()
    finally:
        for item in beside:
            item.close()
        notifier.close(bounds.NOTIFY_SECONDS)
    return ExitCode.OK


def _beside(service: Service, reports: RunReports, settings: ReconcileSettings) -> list[Watch | Prober]:
    """What follows the routers and probes the tunnels beside the service's runs."""
    beside: list[Watch | Prober] = []
    history, probes = service.dependencies.history, settings.probes
    if settings.follow:
        watch = Watch(history, reports.happened, service.wake)
        reports.watched(watch)
        beside.append(watch)
    if probes.enabled:
        prober = Prober(history, reports.happened, service.wake, probes.interval, probes.packets)
        reports.probed(prober)
        service.dependencies = replace(
            service.dependencies, impaired=prober.impaired, diagnosed={} if probes.repair else None
        )
        beside.append(prober)

    # Not the fleet of a run: what the service has found absent may be there for those who follow it.
    fleet_of = service.dependencies.fleet_of

    def followed(fabric: Fabric) -> None:
        for item in beside:
            item.follow(fabric, fleet_of(fabric))

    service.dependencies = replace(service.dependencies, followed=followed)
    return beside


def _end_within(seconds: float) -> None:
    """End this process by force, if it has not ended by then."""

    def end() -> None:
        _warn(f"the current run did not end within {seconds:g} seconds, and was aborted")
        os._exit(ExitCode.INCOMPLETE)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _exit_code(record: RunRecord) -> ExitCode:
    if record.result in GOOD:
        return ExitCode.OK
    return ExitCode.ERROR if record.result is Result.FAILED else ExitCode.INCOMPLETE


def _warn(text: str) -> None:
    say(f"warning: {text}")


def _say_progress(text: str) -> None:
    say(f"fetch: {text}")


def _check(effective: Effective, output: Output) -> ExitCode:
    settings = effective.values
    said = effective.said()
    output.lines(setting_lines(said))
    output.objects(setting_objects(said))
    found = Diagnostics()
    repository = followed_repository(settings, _say_progress)
    history = Path(settings.state).expanduser() / HISTORY
    trust = partial(check_signature, repository, _signers(settings))
    check = Preflight(effective, repository, _store(settings), trust, history, found)
    ready = check.run()
    shown = reported(found)
    output.lines(diagnostic_lines(shown), sys.stderr)
    output.objects(diagnostic_object(item) for item in shown)
    if ready is None:
        return check.exit_code
    output.lines([Line(f"Ready: {ready}", "green")])
    output.objects([ready_object(**asdict(ready))])
    return ExitCode.OK


def _store(settings: ReconcileSettings) -> SecretStore:
    folder = default_folder() if settings.secrets is None else Path(settings.secrets).expanduser()
    keys = settings.keys
    said = Allowed.said(keys.folder, keys.variables, keys.vault_paths, keys.sops_services)
    return SecretStore(folder, allowed=said, note=note)


def _signers(settings: ReconcileSettings) -> Signers | None:
    allowed, revoked, keyring = (
        None if path is None else Path(path).expanduser()
        for path in (
            settings.signatures.allowed_signers,
            settings.signatures.revoked_signers,
            settings.signatures.keyring,
        )
    )
    return None if allowed is None and keyring is None else Signers(allowed, revoked, keyring)


def _dependencies(settings: ReconcileSettings, lab: str | None, links: Links) -> Dependencies:
    return Dependencies(
        repository=followed_repository(settings, _say_progress),
        history=Kept(Path(settings.state).expanduser() / HISTORY),
        store=_store(settings),
        fleet_of=lambda fabric: Fleet(access.connector(fabric, lab, links), settings.parallelism),
        signers=_signers(settings),
        timeout=settings.wait,
        rollback=settings.rollback,
        confirm=settings.confirm,
        anew=links.clear,
    )


def _notifier(settings: ReconcileSettings, dependencies: Dependencies) -> Notifier:
    """The receivers of notifications, as the settings say. Secrets are read when they are needed."""
    receivers: list[Receiver] = []
    page = "" if settings.page is None else (settings.page.url or "").rstrip("/")
    if (status := settings.status) is not None:
        token = Path(status.token_file).expanduser()
        receivers.append(
            CommitStatuses(
                f"status at {status.forge} {status.project} ({status.context})",
                lambda: forge(Kind(status.forge), status.url, status.project, read_private(token)),
                dependencies.history,
                settings.branch,
                status.context,
                page,
            )
        )
    for notify in settings.notify:
        url = Path(notify.url_file).expanduser()
        on = sorted(notify.on)
        receivers.append(
            Messages(
                f"messages to {url} ({', '.join(on)})",
                partial(send, partial(read_private, url), page=page),
                dependencies.history,
                frozenset(map(Topic, on)),
            )
        )
    return Notifier(receivers, _warn)


def _page_source(settings: ReconcileSettings, dependencies: Dependencies) -> ServiceSource:
    require("page")
    clone = Path(settings.state).expanduser() / CLONE
    return ServiceSource(dependencies.history, CloneReader(clone, settings.folder))


def _serve(settings: ReconcileSettings, source: ServiceSource | None) -> list[PageServer]:
    """The page, at an address of its own."""
    if settings.page is None or source is None:
        return []
    from reconciler.page.server import PageServer  # noqa: PLC0415 - of an extra

    page = settings.page
    token = None if page.token_file is None else read_private(Path(page.token_file).expanduser())
    access = Access(page.url or "", page.identity_header or "", page.proxy or "", token)
    return [PageServer(source, access, page.address, page.port)]


def _listen(settings: ReconcileSettings, service: Service, metrics: Metrics) -> list[WebServer]:
    if settings.listen is None:
        return []

    path = settings.listen.webhook_secret_file
    secret = None if path is None else read_private(Path(path).expanduser())
    application = Application(lambda: service.wake("webhook"), secret, metrics.expose, service.hangs)
    return [WebServer(application, settings.listen.address, settings.listen.port)]
