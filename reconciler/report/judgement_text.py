"""What a plan's own repository does not let be done now."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.policy.judge import Judgement
from reconciler.report.line import Line


def judgement_lines(judgement: Judgement) -> Iterator[Line]:
    """What waits, then why the plan is refused."""
    for resource, reason in judgement.waiting.items():
        yield Line(f"! {resource} waits: {reason}", "bold yellow")
    for reason in judgement.refused:
        yield Line(f"! refused: {reason}", "bold red")
