"""Values of the metrics (`metric_families.py`): the last run, what it saw, and what the history counts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from reconciler.service.metric_families import (
    ALERTS,
    BASELINE,
    CHILD_UP,
    COMMIT,
    COPIES_SET_ASIDE,
    DOWNS,
    DRIFT,
    DROPPED,
    EVENTS_DROPPED,
    FAILED_ATTEMPTS,
    FOLLOWED,
    HISTORY_WRITTEN,
    KEYLESS,
    LAST_DURATION,
    LAST_RESULT,
    LAST_RUN,
    LAST_SUCCESS,
    LOSS,
    LOST,
    NOT_UNDERSTOOD,
    PROBE_INTERVAL,
    PROBES,
    REACHABLE,
    RECEIVED,
    REFUSED,
    REKEYS,
    REPAIRED,
    ROUND_TRIP,
    RUN_SECONDS,
    RUNS,
    SENT,
    SET_ASIDE,
    STATE,
    STATE_SINCE,
    UNFORESEEN,
    UNITS,
    UNREADABLE,
    UP_SINCE,
    WITHHELD,
    Family,
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
    """What Prometheus reads of the reconciler. Runs and scrapes may come from different threads."""

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
            {(REPAIRED.name, router): n for router, n in Counter(r.router for r in seen.repaired).items()}
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
            REPAIRED: seen.fabric.routers if seen is not None else (),
            PROBES: Disruption,
            LOST: Disruption,
            DROPPED: seen.fabric.routers if seen is not None else (),
            DOWNS: _ends(seen),
            REKEYS: (f"{end} {sa}" for end in _ends(seen) for sa in ("CHILD_SA", "IKE_SA")),
            FAILED_ATTEMPTS: _ends(seen),
            ALERTS: (),
            EVENTS_DROPPED: seen.fabric.routers if seen is not None else (),
            COPIES_SET_ASIDE: ("",),
            UNREADABLE: ("",),
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
    # Where a router is followed, what it reported since the run counts.
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
