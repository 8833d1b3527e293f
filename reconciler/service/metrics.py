"""Figures for Prometheus, from the last run, what it saw, and what the history counts.

Names follow https://prometheus.io/docs/practices/naming/. What is counted is kept in the history: a run from
cron, and a service that was restarted, count on from where the one before them ended.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder, write_to_textfile
from prometheus_client.registry import Collector

from reconciler.history.kept import Kept
from reconciler.model.absence import AbsenceKind
from reconciler.model.condition import Carriage
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Part, Trouble
from reconciler.model.isolation import unforeseen
from reconciler.model.outcome import Dropped, Loss
from reconciler.model.plan import Disruption
from reconciler.model.record import GOOD, Result, RunRecord
from reconciler.model.router_config import ChildSa
from reconciler.model.visible import visible
from reconciler.service.fleet_state import FleetState

_SA = ("router", "tunnel", "child")
UNITS = (
    "command",
    "commit",
    "events",
    "fetch",
    "forge",
    "history",
    "keys",
    "link",
    "look-up",
    "metrics",
    "notification",
    "probes",
    "report",
    "router",
    "run",
    "thread",
    "web",
)
"""Kinds of units that can fail by themselves in a service."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name without the prefix and, for what is counted, without `_total`."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def full_name(self) -> str:
        """As it is exposed."""
        return f"tunnelwright_{self.name}" + ("_total" if self.kind == "counter" else "")


RUNS = Family("runs", "counter", ("result",), "Runs, by result.")
RUN_SECONDS = Family("run_seconds", "counter", (), "Seconds spent in runs.")
LAST_RUN = Family("last_run_timestamp_seconds", "gauge", (), "When the last run ended.")
LAST_DURATION = Family("last_run_duration_seconds", "gauge", (), "How long the last run took.")
LAST_RESULT = Family(
    "last_run_result", "gauge", ("result",), "1 for the result of the last run, 0 for the others."
)
LAST_SUCCESS = Family(
    "last_success_timestamp_seconds", "gauge", (), "When a run last ended as in sync, changed or held."
)
REFUSED = Family(
    "commit_refused", "gauge", (), "1 if a commit other than the head of the branch is in force."
)
COMMIT = Family(
    "commit_info", "gauge", ("head", "in_force"), "Always 1; the labels are the commits of the last run."
)
REACHABLE = Family("router_reachable", "gauge", ("router",), "Whether the last run could read the router.")
NOT_UNDERSTOOD = Family(
    "router_not_understood",
    "gauge",
    ("router",),
    "1 if the router answered in the last run, but its answer was not understood.",
)
WITHHELD = Family(
    "router_withheld",
    "gauge",
    ("router",),
    "1 if the last run withheld the router because of strangers: tunnels without evidence that Git ever "
    "had them.",
)
KEYLESS = Family(
    "tunnels_without_key",
    "gauge",
    ("router",),
    "Tunnel ends that the last run left alone because their keys could not be read.",
)
CHILD_UP = Family(
    "child_sa_up",
    "gauge",
    _SA,
    "Whether a child of an enabled tunnel has a CHILD_SA; 0 is configured but down.",
)
UP_SINCE = Family(
    "child_sa_up_since_timestamp_seconds",
    "gauge",
    _SA,
    "Since when a child has had a CHILD_SA without interruption, as far as its router was followed.",
)
DOWNS = Family(
    "tunnel_downs", "counter", ("router", "tunnel"), "How often a child of a tunnel lost its last CHILD_SA."
)
REKEYS = Family("tunnel_rekeys", "counter", ("router", "tunnel", "sa"), "Rekeys of IKE_SAs and CHILD_SAs.")
FAILED_ATTEMPTS = Family(
    "tunnel_attempts_failed",
    "counter",
    ("router", "tunnel"),
    "Attempts to bring a tunnel up that ended before its IKE_SA was established.",
)
ALERTS = Family(
    "tunnel_alerts",
    "counter",
    ("router", "tunnel", "type"),
    "Alerts of charon about a tunnel (strongSwan 6.0.3 and later).",
)
FOLLOWED = Family(
    "router_followed", "gauge", ("router",), "Whether the events of the router are followed now."
)
EVENTS_DROPPED = Family(
    "tunnel_events_dropped",
    "counter",
    ("router",),
    "Events that were not kept because too many waited to be written.",
)
STATE = Family(
    "tunnel_state",
    "gauge",
    ("router", "tunnel", "state"),
    "Always 1; the label is what the service's probes have shown last: carrying, degraded, "
    "carrying-nothing, down, disabled or unknown.",
)
STATE_SINCE = Family(
    "tunnel_state_since_timestamp_seconds",
    "gauge",
    ("router", "tunnel"),
    "Since when a tunnel is in the state that probes have shown.",
)
ROUND_TRIP = Family(
    "tunnel_probe_rtt_seconds",
    "gauge",
    ("router", "tunnel"),
    "The shortest round trip through a tunnel in the last round of probes that was answered.",
)
BASELINE = Family(
    "tunnel_probe_rtt_baseline_seconds",
    "gauge",
    ("router", "tunnel"),
    "The usual round trip through a tunnel: the median of its last 30 rounds of probes.",
)
LOSS = Family(
    "tunnel_probe_loss_ratio",
    "gauge",
    ("router", "tunnel"),
    "The lost share of the echo requests of the last 10 rounds of probes through a tunnel.",
)
PROBE_INTERVAL = Family(
    "router_probe_interval_seconds",
    "gauge",
    ("router",),
    "Seconds between two rounds of probes of a router, which its budget of packets may make longer.",
)
RECEIVED = Family("child_sa_received_bytes", "counter", _SA, "Bytes decrypted by the running CHILD_SAs.")
SENT = Family("child_sa_sent_bytes", "counter", _SA, "Bytes encrypted by the running CHILD_SAs.")
DRIFT = Family("drift_resources", "gauge", ("router",), "Drifted resources that were not repaired.")
HEALED = Family("drift_healed", "counter", ("router",), "Drifted resources that were repaired.")
PROBES = Family(
    "change_probes", "counter", ("predicted",), "Round trips sent through changed tunnels during applies."
)
LOST = Family(
    "change_probes_lost",
    "counter",
    ("predicted",),
    "Lost round trips, by the disruption that the plan had predicted.",
)
DROPPED = Family(
    "change_packets_dropped",
    "counter",
    ("router",),
    "Packets that the kernel dropped during applies because their SA was not installed yet.",
)
UNFORESEEN = Family(
    "unforeseen_errors",
    "counter",
    ("kind",),
    "Unforeseen errors, by the kind of work that they ended.",
)
HISTORY_WRITTEN = Family(
    "history_written", "gauge", (), "Whether the history's file is complete; 0 while it cannot be written."
)
SET_ASIDE = Family("history_set_aside", "counter", (), "Damaged history files that were set aside.")
COPIES_SET_ASIDE = Family(
    "repository_set_aside", "counter", (), "Damaged clones of the repository that were set aside."
)
FORGOTTEN = Family(
    "told_forgotten",
    "counter",
    (),
    "Unreadable records of what a receiver was sent: it gets notifications from the latest run on.",
)
FAMILIES = (
    RUNS,
    RUN_SECONDS,
    LAST_RUN,
    LAST_DURATION,
    LAST_RESULT,
    LAST_SUCCESS,
    REFUSED,
    COMMIT,
    REACHABLE,
    NOT_UNDERSTOOD,
    WITHHELD,
    KEYLESS,
    CHILD_UP,
    UP_SINCE,
    DOWNS,
    REKEYS,
    FAILED_ATTEMPTS,
    ALERTS,
    FOLLOWED,
    EVENTS_DROPPED,
    STATE,
    STATE_SINCE,
    ROUND_TRIP,
    BASELINE,
    LOSS,
    PROBE_INTERVAL,
    RECEIVED,
    SENT,
    DRIFT,
    HEALED,
    PROBES,
    LOST,
    DROPPED,
    UNFORESEEN,
    HISTORY_WRITTEN,
    SET_ASIDE,
    COPIES_SET_ASIDE,
    FORGOTTEN,
)


class Followed(Protocol):
    """What is known of routers between runs."""

    def followed(self) -> Mapping[str, bool]:
        """Whether each router that should be is followed now."""
        ...

    def up(self) -> Mapping[str, Mapping[tuple[str, str], datetime | None]]:
        """Of each router that is followed now: the tunnels with their children that are up, and since
        when."""
        ...


class Probed(Protocol):
    """What probes know of connections."""

    def known(self) -> Iterable[Carriage]:
        """Of each of them."""
        ...

    def intervals(self) -> Mapping[str, float]:
        """Router -> the seconds between two of its rounds."""
        ...


class Metrics(Collector):
    """What the reconciler tells Prometheus. Runs and scrapes may come from different threads."""

    def __init__(self, history: Kept) -> None:
        self._history = history
        self.watch: Followed | None = None
        """What follows the routers, if anything does."""
        self.prober: Probed | None = None
        """What probes the connections, if anything does."""
        self._lock = threading.Lock()
        self._record: RunRecord | None = None
        self._success = history.last(GOOD)
        self._seen: FleetState | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def saw(self, seen: FleetState) -> None:
        """Take what a run has seen."""
        self._history.count(
            {(HEALED.name, router): n for router, n in Counter(r.router for r in seen.healed).items()}
        )
        with self._lock:
            self._seen = seen

    def ended(self, record: RunRecord) -> None:
        """Count a run."""
        amounts: Counter[tuple[str, str]] = Counter({(RUNS.name, record.result.value): 1})
        for loss in record.of(Loss):
            amounts[PROBES.name, loss.predicted.value] += loss.sent
            amounts[LOST.name, loss.predicted.value] += loss.lost
        for dropped in record.of(Dropped):
            amounts[DROPPED.name, dropped.router] += dropped.packets
        for trouble in record.of(Trouble):
            if trouble.part is Part.REPOSITORY:
                amounts[COPIES_SET_ASIDE.name, ""] += 1
        seconds = (record.finished - record.started).total_seconds()
        self._history.count({**amounts, (RUN_SECONDS.name, ""): seconds})
        with self._lock:
            self._record = record
            self._success = record.finished if record.result in GOOD else self._success

    def expose(self, accept: str) -> tuple[str, bytes]:
        """The type and the text of a scrape, in the format that its `Accept` header asks for."""
        encode, kind = choose_encoder(accept)
        return kind, encode(self.registry)

    def write(self, path: Path) -> None:
        """For the textfile collector of Prometheus' node exporter: whole or not at all.

        Raises TunnelwrightError.
        """
        try:
            write_to_textfile(str(path), self.registry)
        except OSError as error:
            raise TunnelwrightError(f"cannot write {path}: {error.strerror}") from error

    def collect(self) -> Iterator[Metric]:
        """Every family that is known by now."""
        with self._lock:
            record, seen, success = self._record, self._seen, self._success
        counts = self._history.counts()
        # What is to come is there as 0: Prometheus sees no increase in what was not there before.
        possible: dict[Family, Iterable[str]] = {
            RUNS: Result,
            RUN_SECONDS: ("",),
            HEALED: seen.fabric.routers if seen is not None else (),
            PROBES: Disruption,
            LOST: Disruption,
            DROPPED: seen.fabric.routers if seen is not None else (),
            DOWNS: _ends(seen),
            REKEYS: (f"{end} {sa}" for end in _ends(seen) for sa in ("CHILD_SA", "IKE_SA")),
            FAILED_ATTEMPTS: _ends(seen),
            ALERTS: (),
            EVENTS_DROPPED: seen.fabric.routers if seen is not None else (),
            COPIES_SET_ASIDE: ("",),
            FORGOTTEN: ("",),
        }
        for family, labels in possible.items():
            known = dict.fromkeys(map(str, labels), 0.0)
            known |= {label: value for (name, label), value in counts.items() if name == family.name}
            # Of what is counted by several labels, the history keeps these in one text.
            more = max(0, len(family.labels) - 1)
            split = (
                (label.split(" ", more) if family.labels else (), value) for label, value in known.items()
            )
            yield _family(family, ((tuple(labels), value) for labels, value in split))
        errors = {**dict.fromkeys(UNITS, 0), **unforeseen()}
        yield _family(UNFORESEEN, (((kind,), float(count)) for kind, count in sorted(errors.items())))
        yield _family(HISTORY_WRITTEN, [((), float(self._history.is_written))])
        yield _family(SET_ASIDE, [((), float(self._history.set_aside))])
        if success is not None:
            yield _family(LAST_SUCCESS, [((), success.timestamp())])
        if record is not None:
            yield from _of_run(record)
        watch = self.watch
        followed = watch.followed() if watch is not None else {}
        yield _family(FOLLOWED, (((name,), float(is_now)) for name, is_now in sorted(followed.items())))
        yield from _of_probes(self.prober)
        if seen is not None:
            yield from _of_routers(seen, watch.up() if watch is not None else {})


def _of_probes(prober: Probed | None) -> Iterator[Metric]:
    known = tuple(prober.known()) if prober is not None else ()
    ends = [((one.router, one.tunnel), one) for one in known]
    yield _family(STATE, (((*end, one.state.label), 1.0) for end, one in ends))
    yield _family(STATE_SINCE, ((end, one.since.timestamp()) for end, one in ends))
    for family, of in ((ROUND_TRIP, _rtt), (BASELINE, _baseline), (LOSS, _loss)):
        figures = ((end, of(one)) for end, one in ends)
        yield _family(family, ((end, value) for end, value in figures if value is not None))
    intervals = prober.intervals() if prober is not None else {}
    yield _family(PROBE_INTERVAL, (((name,), seconds) for name, seconds in sorted(intervals.items())))


def _rtt(one: Carriage) -> float | None:
    return one.rtt


def _baseline(one: Carriage) -> float | None:
    return one.baseline


def _loss(one: Carriage) -> float | None:
    return one.loss


def _ends(seen: FleetState | None) -> list[str]:
    """The ends of enabled tunnels, as the history calls them where it counts."""
    tunnels = seen.fabric.tunnels.values() if seen is not None else ()
    return [f"{tunnel.router} {tunnel.name}" for tunnel in tunnels if tunnel.enabled]


def _of_run(record: RunRecord) -> Iterator[Metric]:
    yield _family(LAST_RUN, [((), record.finished.timestamp())])
    yield _family(LAST_DURATION, [((), (record.finished - record.started).total_seconds())])
    yield _family(LAST_RESULT, (((result.value,), float(result is record.result)) for result in Result))
    yield _family(REFUSED, [((), float(record.in_force != record.head))])
    yield _family(COMMIT, [((record.head, record.in_force), 1)])


def _of_routers(
    seen: FleetState, up: Mapping[str, Mapping[tuple[str, str], datetime | None]]
) -> Iterator[Metric]:
    routers = sorted(seen.fabric.routers)
    yield _family(REACHABLE, (((name,), float(name in seen.states)) for name in routers))
    for family, kind in ((NOT_UNDERSTOOD, AbsenceKind.NOT_UNDERSTOOD), (WITHHELD, AbsenceKind.WITHHELD)):
        absent = {name for name, why in seen.absent.items() if why.kind is kind}
        yield _family(family, (((name,), float(name in absent)) for name in routers))
    keyless = Counter(seen.fabric.tunnels[name].router for name in seen.keyless)
    yield _family(KEYLESS, (((name,), keyless[name]) for name in routers))
    drift = Counter(resource.router for resource in seen.drift)
    yield _family(DRIFT, (((name,), drift[name]) for name in routers))
    children = [
        ((tunnel.router, name, child), sas)
        for name, tunnel in sorted(seen.fabric.tunnels.items())
        for child, sas in (seen.children(name) or {}).items()
    ]
    # Where a router is followed, what it told since the run counts.
    states = [
        (labels, labels[1:] in up[labels[0]] if labels[0] in up else bool(sas)) for labels, sas in children
    ]
    yield _family(CHILD_UP, ((labels, float(is_up)) for labels, is_up in states))
    since = ((labels, up.get(labels[0], {}).get(labels[1:])) for labels, is_up in states if is_up)
    yield _family(UP_SINCE, ((labels, at.timestamp()) for labels, at in since if at is not None))
    # An SA counts from its own beginning, and its rekeying starts anew: Prometheus takes that for a reset.
    for family, of in ((RECEIVED, _received), (SENT, _sent)):
        yield _family(family, ((labels, sum(map(of, sas))) for labels, sas in children))


def _received(sa: ChildSa) -> int:
    return sa.bytes_in


def _sent(sa: ChildSa) -> int:
    return sa.bytes_out


def _family(family: Family, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    make: Callable[..., GaugeMetricFamily | CounterMetricFamily] = (
        CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    )
    metric = make(f"tunnelwright_{family.name}", family.help, labels=family.labels)
    for labels, value in samples:
        metric.add_metric([*map(visible, labels)], value)
    return metric
