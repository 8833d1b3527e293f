"""The command `reconcile` as a service: what its probes find is in its runs, its history and its output."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.engine import until
from reconciler.cli import access
from reconciler.cli.main import main
from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.condition import State
from reconciler.model.errors import ExitCode
from reconciler.model.events import Diagnosed, Impaired
from reconciler.model.outcome import Echoes
from reconciler.model.record import Result
from reconciler.service import rounds
from reconciler.service.loop import Service
from tests.unit.service.followed import KEY, followed


@pytest.mark.parametrize("enabled", [True, False])
def test_a_service_reports_a_tunnel_that_is_up_and_carries_nothing(
    enabled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = followed(tmp_path)
    silent: list[bool] = []
    nothing = (Echoes(bounds.PROBE_REQUESTS, 0),)
    site.twists["paris"] = {"probe": lambda true: nothing if silent else true()}
    config = tmp_path / "reconcile.yaml"
    config.write_text(
        f"repository: {site.repository.working_dir}\nstate: {tmp_path}/state\nsecrets: {tmp_path}/secrets\n"
        f"keys: {{variables: KEY}}\nfollow: false\n"
        f"probes: {{enabled: {'true' if enabled else 'false'}, interval: 5, packets: 10000, repair: true}}\n"
    )
    monkeypatch.setenv("KEY", KEY)
    monkeypatch.setattr(access, "connector", lambda *_: site.connect)
    monkeypatch.setattr(rounds, "AGAIN", 0.05)
    monkeypatch.setattr(rounds, "_next", lambda _, __, now: now + 0.05)

    def run(service: Service) -> None:
        assert service.once().result is Result.CHANGED
        # Since the proof of the run.
        silent.append(True)
        if enabled:
            assert until(lambda: bool(tuple(service.dependencies.impaired())), 20)
        service.once("probes")

    monkeypatch.setattr(Service, "run", run)
    assert main(["reconcile", "--config", str(config)]) == ExitCode.OK
    history = History(tmp_path / "state" / "history.db")
    [record] = history.runs(1)
    said = capsys.readouterr().out
    if not enabled:
        assert (record.of(Impaired), history.carriages()) == ([], {})
        return
    [impaired] = record.of(Impaired)
    assert (impaired.tunnel, impaired.router, impaired.state) == ("paris-tokyo", "paris", State.SILENT)
    assert history.carriages()["paris-tokyo"].since == impaired.since
    assert [one.tunnel for one in record.of(Diagnosed)] == ["paris-tokyo"]
    assert "paris-tokyo at paris: probes show: up, carrying nothing: 10.2.0.1 does not answer" in said
    assert main(["show", "--config", str(config), str(record.id)]) == ExitCode.OK
    assert "  up, carrying nothing since " in capsys.readouterr().out
