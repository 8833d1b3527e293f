"""A run in full shows every kind of object that it wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.model.events import PlanSummary
from reconciler.report.run_text import run_lines
from tests.unit.service.followed import followed

FEW = """\
apiVersion: tunnelwright/v1
kind: SafetyPolicy
metadata: {name: fleet}
spec:
  deletions: {maxShare: 10, minimum: 1}
"""


def test_a_run_shows_all_that_it_found(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.edit("paris-tunnel.yaml", "spec:\n", "spec:\n  deletionProtection: true\n")
    changed = site.once()
    shown = "\n".join(line.text for line in run_lines(changed))
    for words in (
        "create paris/tunnel/paris-tokyo",
        "done: [paris] load connection",
        "✓ paris-tokyo: traffic",
    ):
        assert words in shown
    site.commit({"paris-tunnel.yaml": None, "tokyo-tunnel.yaml": None, "policy.yaml": FEW})
    refused = site.once()
    shown = "\n".join(line.text for line in run_lines(refused))
    assert "refused: paris/tunnel/paris-tokyo" in shown
    assert "deferred: paris/tunnel/paris-tokyo" in shown
    for event in (*changed.events, *refused.events):
        if not isinstance(event, PlanSummary):
            assert list(run_lines(replace(changed, events=(event,))))[2:], event
