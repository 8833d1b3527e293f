"""Where the runs of a service go, and what happens to its tunnels between them: the log or the output, the
metrics, the page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from reconciler.cli.output import Output
from reconciler.model.isolation import attempt
from reconciler.model.record import RunRecord
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.page.service_source import ServiceSource
from reconciler.report.json.events import encode
from reconciler.report.json.run import run_object
from reconciler.report.json.tunnel import tunnel_event
from reconciler.report.run_text import run_line, run_lines
from reconciler.report.tunnel_text import tunnel_event_line
from reconciler.service.fleet_state import FleetState
from reconciler.service.log import EventLog
from reconciler.service.metrics import Metrics
from reconciler.service.prober import Prober
from reconciler.service.watch import Watch


@dataclass(frozen=True, slots=True)
class RunReports:
    """All of them. With a `log` nothing is put out; with `full` a run is put out with its events."""

    output: Output
    log: EventLog | None
    metrics: Metrics
    page: ServiceSource | None
    full: bool

    def saw(self, seen: FleetState) -> None:
        """A run has seen the routers."""
        self.metrics.saw(seen)
        if self.page is not None:
            self.page.saw(seen)

    def ended(self, record: RunRecord) -> None:
        """A run has ended."""
        if self.log is not None:
            attempt("report", "the log", partial(self.log.run, record))
        else:
            attempt("report", "a run", partial(self._put_out, record))
        attempt("metrics", "a run", partial(self.metrics.ended, record))
        if self.page is not None:
            attempt("page", "a run", partial(self.page.ended, record))

    def happened(self, event: TunnelEvent) -> None:
        """Something has happened to a tunnel."""
        if self.page is not None:
            self.page.happened(event)
        if self.log is not None:
            self.log.tunnel(event)
        else:
            self.output.lines([tunnel_event_line(event)])
            self.output.objects([tunnel_event(event)])

    def watched(self, watch: Watch) -> None:
        """The routers are followed."""
        self.metrics.watch = watch
        if self.page is not None:
            self.page.watch = watch

    def probed(self, prober: Prober) -> None:
        """The tunnels are probed."""
        self.metrics.prober = prober
        if self.page is not None:
            self.page.prober = prober

    def _put_out(self, record: RunRecord) -> None:
        self.output.lines(run_lines(record) if self.full else [run_line(record)])
        self.output.objects([*map(encode, record.events if self.full else ()), run_object(record)])
