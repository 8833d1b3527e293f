"""The live state of routers as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from reconciler.model.absence import Absence
from reconciler.model.observation import Observation
from reconciler.report.json.plan import absence_objects


def status_objects(seen: Observation) -> Iterator[dict[str, Any]]:
    """One object a router, then one for each of its IKE_SAs."""
    yield from absence_objects({name: Absence.of(error) for name, error in seen.failures.items()})
    for name, state in sorted(seen.states.items()):
        yield {"type": "router", "router": name, "version": state.version, "data_plane": state.data_plane}
        yield from ({"type": "ike_sa", "router": name, **asdict(sa)} for sa in state.sas)
