"""A service that repairs: a tunnel that carries nothing is diagnosed, and reconnected where that may help."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.condition import Carriage, State
from reconciler.model.errors import RouterUnreachable
from reconciler.model.events import Diagnosed, Drift, Impaired, PlannedChange
from reconciler.model.notification import Topic
from reconciler.model.outcome import Check, Echoes
from reconciler.model.record import Result, RunRecord
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.routers.protocol import HostInspection
from reconciler.service.notifications import new_in
from reconciler.service.repair import is_due
from tests.unit.service.followed import Followed, followed

NAME = "paris-tokyo"
NOW = datetime.now(UTC)
FOREIGN = {"family": "inet", "table": "foreign"}
TABLE = {"family": "inet", "name": "foreign"}
CHAIN = {**FOREIGN, "name": "base", "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}
CLOSED = """\
apiVersion: tunnelwright/v1
kind: SafetyPolicy
metadata: {name: night}
spec:
  windows: [{kind: deny, schedule: "* * * * *", duration: 3600}]
"""


class Silent:
    """A tunnel that is up. Its first SAs carry nothing; `heals` says whether those of a reconnect do."""

    def __init__(self, folder: Path) -> None:
        self.site: Followed = followed(folder)
        assert self.site.once().result is Result.CHANGED
        self.first = self.site.spis()
        self.heals = True
        self.state = State.SILENT
        self.history = History(folder / "state" / "history.db")
        self.times: dict[str, float] = {}
        for name in ("paris", "tokyo"):
            self.site.twists[name] = {"ping": self._lost, "probe": self._lost}

    def _lost(self, true: Callable[[], Any]) -> Any:
        found = true()
        if self.heals and self.site.spis() != self.first:
            return found
        nothing = Echoes(bounds.PROBE_REQUESTS, 0)
        return nothing if isinstance(found, Echoes) else (nothing,) * len(found)

    @property
    def carriage(self) -> Carriage:
        return Carriage(NAME, "paris", NAME, self.state, "10.2.0.1 does not answer", NOW, NOW)

    def once(self, **dependencies: Any) -> RunRecord:
        given = {"impaired": lambda: (self.carriage,), "diagnosed": self.times}
        return self.site.once(**{**given, **dependencies})

    @property
    def reconnects(self) -> list[TunnelEvent]:
        events = self.history.tunnel_events(NAME, 100)
        return [event for event in events if event.change is TunnelChange.RECONNECTED]


@pytest.fixture
def silent(tmp_path: Path) -> Silent:
    return Silent(tmp_path)


def test_a_tunnel_that_carries_nothing_is_diagnosed_and_reconnected(silent: Silent) -> None:
    record = silent.once()
    assert record.result is Result.CHANGED, record.message
    [diagnosed] = record.of(Diagnosed)
    assert (diagnosed.tunnel, diagnosed.router, diagnosed.reconnects) == (NAME, "paris", True)
    assert [cause.rpartition(" ")[2] for cause in diagnosed.causes] == ["(not-encrypted)"] * 2
    assert [change.reason for change in record.of(PlannedChange)] == ["a reconnect is requested"]
    assert silent.site.spis() != silent.first
    assert not record.of(Drift), "the routers were as desired"
    assert [check for check in record.of(Check) if not check.passed] == []
    [event] = silent.reconnects
    assert event.detail == str(diagnosed)


def test_it_is_off_unless_asked_for(silent: Silent) -> None:
    record = silent.once(diagnosed=None)
    assert (record.result, record.of(Diagnosed)) == (Result.IN_SYNC, [])
    assert len(record.of(Impaired)) == 1
    assert silent.site.spis() == silent.first


@pytest.mark.parametrize("state", [State.DEGRADED, State.UNKNOWN, State.CARRYING])
def test_only_a_tunnel_that_carries_nothing_is(silent: Silent, state: State) -> None:
    silent.state = state
    assert not silent.once().of(Diagnosed)
    assert silent.site.spis() == silent.first


def test_one_that_carries_by_now_is_left_alone(silent: Silent) -> None:
    silent.site.twists.clear()
    record = silent.once()
    assert [(one.causes, one.reconnects) for one in record.of(Diagnosed)] == [((), False)]
    assert (record.result, silent.site.spis()) == (Result.IN_SYNC, silent.first)


def test_a_cause_that_new_sas_do_not_end_is_reported_alone(silent: Silent) -> None:
    rule = {"rule": {**FOREIGN, "chain": "base", "handle": 3, "expr": [{"drop": None}]}}

    def inspected(true: Callable[[], HostInspection]) -> HostInspection:
        return replace(true(), ruleset=json.dumps({"nftables": [{"table": TABLE}, {"chain": CHAIN}, rule]}))

    silent.site.twists["tokyo"] = {**silent.site.twists["tokyo"], "inspect": inspected}
    record = silent.once()
    [diagnosed] = record.of(Diagnosed)
    assert not diagnosed.reconnects
    assert (
        "tokyo does not forward between 10.2.0.0/24 and 10.1.0.0/24: dropped by the rule with handle 3"
        in str(diagnosed)
    )
    assert silent.site.spis() == silent.first
    notifications, _ = new_in([record], frozenset(), frozenset(Topic))
    [text] = [item.text for item in notifications if item.topic is Topic.SILENT]
    assert text.endswith(f"10.2.0.1 does not answer; diagnosis: {diagnosed}")


def test_one_that_has_not_helped_is_not_repeated_soon(silent: Silent) -> None:
    silent.heals = False
    assert silent.once().result is Result.INCOMPLETE
    second = silent.site.spis()
    assert second != silent.first
    # Also in a new process, which has diagnosed nothing yet.
    silent.times.clear()
    assert not silent.once().of(Diagnosed)
    assert silent.site.spis() == second


@pytest.mark.parametrize(
    ("minutes", "due"),
    [
        ((), True),
        ((9,), False),
        ((11,), True),
        ((40, 19), False),
        ((40, 21), True),
        ((200, 100, 39), False),
        ((200, 100, 41), True),
        (tuple(range(20, 1400, 60)), False),
        ((1441,) * 20, True),
        ((-5,), True),
    ],
)
def test_each_further_one_of_a_day_waits_twice_as_long(minutes: tuple[int, ...], due: bool) -> None:
    """The minutes since each reconnect."""
    assert is_due([NOW - timedelta(minutes=ago) for ago in minutes], NOW) is due


def test_a_diagnosis_is_not_repeated_soon(silent: Silent) -> None:
    silent.site.twists.clear()
    assert silent.once().of(Diagnosed)
    assert not silent.once().of(Diagnosed)
    silent.times[NAME] -= bounds.SELF_REPAIR_AGAIN
    assert silent.once().of(Diagnosed)


def test_maintenance_windows_hold(silent: Silent) -> None:
    silent.site.commit({"safety.yaml": CLOSED})
    record = silent.once()
    assert record.in_force == record.head, record.message
    assert record.of(Diagnosed)[0].reconnects
    assert (record.result, silent.site.spis()) == (Result.HELD, silent.first)
    assert silent.reconnects == []


def test_levels_hold(silent: Silent) -> None:
    silent.site.edit(
        "paris.yaml", "spec:\n  publicNetworks", "spec:\n  reconcile: {selfHeal: false}\n  publicNetworks"
    )
    record = silent.once()
    assert (record.result, record.of(Diagnosed)) == (Result.IN_SYNC, [])
    assert silent.site.spis() == silent.first


def test_a_tunnel_that_drifts_is_brought_back_first(silent: Silent) -> None:
    vici = silent.site.routers["tokyo"].vici
    vici.request("unload-conn", {"name": "tw-tokyo-paris"})
    record = silent.once()
    assert not record.of(Diagnosed)
    assert record.of(Drift)


def test_an_end_that_does_not_answer_is_no_reason(silent: Silent) -> None:
    silent.site.unplugged["tokyo"] = "no route to host"
    assert not silent.once().of(Diagnosed)


def test_a_diagnosis_that_fails_ends_no_run(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RouterUnreachable("it has gone", router="paris")

    monkeypatch.setattr("reconciler.service.repair.diagnose_compiled", fails)
    record = silent.once()
    assert record.result is Result.IN_SYNC
    assert "no diagnosis of tunnels that carry nothing: paris: it has gone" in record.message


def test_a_run_works_on_a_few_tunnels_alone(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SELF_REPAIRS", 0)
    assert not silent.once().of(Diagnosed)
