"""What is up, with and without what the service remembers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.history.store import History
from reconciler.model.condition import Carriage, LastChange, State
from reconciler.operations.apply import apply
from reconciler.operations.status import status
from tests.contract.sites import Site, memory_site

INTERVAL = 60.0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two routers with a tunnel that is up."""
    made = memory_site(tmp_path)
    apply(made.preview(), made.fleet)
    return made


@pytest.mark.parametrize(
    ("age", "expected"), [(0.0, State.SILENT), (100 * INTERVAL, State.UP)], ids=["recent", "stale"]
)
def test_what_probes_have_shown_counts_until_it_is_stale(
    age: float, expected: State, site: Site, tmp_path: Path
) -> None:
    history, then = History(tmp_path / "history.db"), datetime.now(UTC) - timedelta(seconds=age)
    carriage = Carriage("paris-tokyo", "paris", "paris-tokyo", State.SILENT, "no reply", then, then, INTERVAL)
    change = LastChange(then, "c0ffee" * 7, "Ann Other")
    history.carry([carriage])
    history.keep_last_changes({"paris-tokyo": change})
    [alone] = status(site.fabric, site.store(), site.fleet).connections
    assert (alone.state, alone.carriage, alone.last_change) == (State.UP, None, None)
    found = status(site.fabric, site.store(), site.fleet, history)
    [known] = found.connections
    assert (known.state, known.carriage, known.last_change) == (expected, carriage, change)
    assert found.drift.plan.empty
