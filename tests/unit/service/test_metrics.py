from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from reconciler.model.record import Result, RunRecord
from reconciler.service.log import EventLog
from reconciler.service.metric_families import FAMILIES
from reconciler.service.metrics import Metrics
from tests.unit.service.followed import KEY, Followed, followed

ROOT = Path(__file__).parents[3]


def measured(site: Followed) -> tuple[Metrics, Callable[[], RunRecord]]:
    """The metrics of a service, and how to make it run once."""
    service = site.service()
    metrics = Metrics(service.dependencies.history)
    service.dependencies = replace(service.dependencies, saw=metrics.saw)

    def once() -> RunRecord:
        record = service.once("once")
        metrics.ended(record)
        return record

    return metrics, once


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample, as Prometheus would read it."""
    kind, text = metrics.expose("text/plain")
    assert kind.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[f"tunnelwright_{name}", frozenset(labels.items())]


SA = {"router": "paris", "tunnel": "paris-tokyo", "child": "net"}


def test_a_run_and_what_it_saw_are_exposed(tmp_path: Path) -> None:
    site = followed(tmp_path)
    metrics, once = measured(site)
    record = once()
    assert record.result is Result.CHANGED
    assert value(metrics, "runs_total", result="changed") == 1
    assert value(metrics, "runs_total", result="failed") == 0
    assert value(metrics, "last_run_result", result="changed") == 1
    assert value(metrics, "last_run_timestamp_seconds") == record.finished.timestamp()
    assert value(metrics, "last_success_timestamp_seconds") == record.finished.timestamp()
    assert value(metrics, "commit_refused") == 0
    assert value(metrics, "child_sa_up", **SA) == 1, "as it is after the apply"
    assert value(metrics, "router_reachable", router="tokyo") == 1
    assert KEY.encode() not in metrics.expose("")[1]


@dataclass(frozen=True)
class Known:
    """What is known of paris between runs; tokyo is not followed."""

    children: dict[tuple[str, str], datetime | None]

    def followed(self) -> dict[str, bool]:
        return {"paris": True, "tokyo": False}

    def up(self) -> dict[str, dict[tuple[str, str], datetime | None]]:
        return {"paris": self.children}


def test_what_a_router_reported_since_the_run_counts(tmp_path: Path) -> None:
    metrics, once = measured(followed(tmp_path))
    once()
    other = {"router": "tokyo", "tunnel": "tokyo-paris", "child": "net"}
    at = datetime(2026, 5, 9, tzinfo=UTC)
    metrics.watch = Known({("paris-tokyo", "net"): at})
    assert (value(metrics, "child_sa_up", **SA), value(metrics, "child_sa_up", **other)) == (1, 1)
    assert value(metrics, "child_sa_up_since_timestamp_seconds", **SA) == at.timestamp()
    metrics.watch = Known({})
    assert (value(metrics, "child_sa_up", **SA), value(metrics, "child_sa_up", **other)) == (0, 1)
    assert value(metrics, "router_followed", router="tokyo") == 0
    assert value(metrics, "tunnel_downs_total", router="paris", tunnel="paris-tokyo") == 0, (
        "there before it counts"
    )


def test_down_is_not_drift(tmp_path: Path) -> None:
    site = followed(tmp_path)
    metrics, once = measured(site)
    once()
    site.routers["tokyo"].vici.request("unload-conn", {"name": "tw-tokyo-paris"})
    for name in ("paris", "tokyo"):
        site.routers[name].vici.sas.clear()
    site.edit("paris.yaml", "metadata:", "# nothing\nmetadata:")
    site.unplugged["tokyo"] = "no route to host"
    once()
    assert value(metrics, "child_sa_up", **SA) == 0
    assert value(metrics, "drift_resources", router="paris") == 0
    assert value(metrics, "router_reachable", router="tokyo") == 0
    names = {(name, dict(labels).get("tunnel")) for name, labels in samples(metrics)}
    assert ("tunnelwright_child_sa_up", "tokyo-paris") not in names, "it is not known"


def test_drift_is_counted_when_it_is_repaired_and_shown_while_it_stays(tmp_path: Path) -> None:
    site = followed(tmp_path)
    metrics, once = measured(site)
    once()
    assert value(metrics, "drift_healed_total", router="paris") == 0
    site.routers["paris"].host.sysctls.clear()
    once()
    assert value(metrics, "drift_healed_total", router="paris") == 1
    assert value(metrics, "drift_resources", router="paris") == 0
    spec = "publicNetworks:"
    site.edit("paris.yaml", f"spec:\n  {spec}", f"spec:\n  reconcile: {{selfHeal: false}}\n  {spec}")
    once()
    site.routers["paris"].host.sysctls.clear()
    once()
    assert value(metrics, "drift_healed_total", router="paris") == 1
    assert value(metrics, "drift_resources", router="paris") == 1


def test_a_change_that_a_commit_made_is_no_drift(tmp_path: Path) -> None:
    site = followed(tmp_path)
    metrics, once = measured(site)
    once()
    for name in ("paris", "tokyo"):
        site.edit(f"{name}-tunnel.yaml", "dh-group14", "dh-group15")
    assert once().result is Result.CHANGED
    assert value(metrics, "drift_healed_total", router="paris") == 0
    assert value(metrics, "change_probes_total", predicted="make-before-break") == 2
    assert value(metrics, "change_probes_lost_total", predicted="make-before-break") == 0


def test_counts_go_on_in_another_process(tmp_path: Path) -> None:
    site = followed(tmp_path)
    _, once = measured(site)
    once()
    once()
    metrics, again = measured(site)
    again()
    assert value(metrics, "runs_total", result="in sync") == 2
    assert value(metrics, "runs_total", result="changed") == 1
    assert value(metrics, "run_seconds_total") > 0


def test_a_refused_head_is_reported(tmp_path: Path) -> None:
    site = followed(tmp_path)
    metrics, once = measured(site)
    once()
    head = site.edit("paris-tunnel.yaml", "cidrs: [10.2.0.0/24]", "cidrs: [10.2.0.1/24]")
    record = once()
    assert value(metrics, "commit_refused") == 1
    assert value(metrics, "commit_info", head=head, in_force=record.in_force) == 1


def test_a_textfile_is_whole_and_both_formats_are_served(tmp_path: Path) -> None:
    site = followed(tmp_path)
    metrics, once = measured(site)
    once()
    path = tmp_path / "textfile" / "tunnelwright.prom"
    path.parent.mkdir()
    metrics.write(path)
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == metrics.expose("")[1]
    kind, text = metrics.expose("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_every_family_is_exposed_and_documented(tmp_path: Path) -> None:
    site = followed(tmp_path)
    metrics, once = measured(site)
    once()
    _, text = metrics.expose("")
    exposed = {
        family.name + ("_total" if family.type == "counter" else ""): (family.type, family.documentation)
        for family in text_string_to_metric_families(text.decode())
    }
    assert exposed == {family.full_name: (family.kind, family.help) for family in FAMILIES}
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    rows = [
        f"| `{f.full_name}` | {f.kind} | {', '.join(f'`{label}`' for label in f.labels)} | {f.help} |"
        for f in FAMILIES
    ]
    assert "\n".join(rows) in page


def events(site: Followed) -> list[dict[str, Any]]:
    stream = StringIO()
    log = EventLog(stream)
    log.run(site.once(progress=log.step))
    assert KEY not in stream.getvalue()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_events_are_objects_in_the_order_in_which_they_happened(tmp_path: Path) -> None:
    site = followed(tmp_path)
    logged = events(site)
    assert logged[0]["event"] == "step"
    assert logged[0]["status"] == "done"
    assert logged[-1] | {"event": "run", "result": "changed", "level": "info", "run": 1} == logged[-1]
    times = [datetime.fromisoformat(item["time"]) for item in logged]
    assert times == sorted(times)
    assert all(time.tzinfo == UTC for time in times)
    site.unplugged["tokyo"] = "no route to host"
    logged = events(site)
    assert logged[-1]["level"] == "warning"
    assert {"event": "unreachable", "level": "warning", "run": 2} in [
        {key: item[key] for key in ("event", "level", "run")}
        for item in logged
        if item["event"] == "unreachable"
    ]
