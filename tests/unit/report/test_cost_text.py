"""What an apply cost, as a person reads it."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.model.outcome import Dropped, Loss
from reconciler.model.plan import Disruption
from reconciler.model.record import Result, RunRecord
from reconciler.report.cost_text import cost_lines
from reconciler.report.run_text import run_lines


def test_what_a_tunnel_lost_and_what_it_had_not_carried_before() -> None:
    repaired = Loss("a", "paris", Disruption.MAKE_BEFORE_BREAK, 44, 0, 0.0, 0.24)
    broken = Loss("b", "paris", Disruption.INTERRUPTS, 50, 12, 0.2)
    repaired_text = (
        "a: predicted make-before-break, lost 0 of 44, after it had carried nothing for the first 240 ms"
    )
    broken_text = "b: predicted interrupts, lost 12 of 50, 200 ms of them in succession"
    said = [line.text for line in cost_lines([repaired, broken], ["c"])]
    assert said == [
        "Measured through the changed tunnels, in round trips:",
        f"  {broken_text}",
        f"  {repaired_text}",
        "Not measured: c",
    ]
    silent, counted = Dropped("paris", 0), Dropped("tokyo", 1)
    assert [line.text for line in cost_lines([], [], [silent])] == [
        "Counted by the kernel of paris:",
        "  no packet was dropped because its SA was not installed yet",
    ]
    assert [line.text for line in cost_lines([], [], [silent, counted])] == [
        "Counted by the kernel of paris, tokyo:",
        "  the kernel of tokyo dropped 1 packet whose SA was not installed yet",
    ]
    now = datetime(2026, 1, 2, tzinfo=UTC)
    record = RunRecord(now, now, "once", "", "", Result.CHANGED, "", (repaired, broken, counted))
    kept = [line.text for line in run_lines(record)][2:]
    assert kept == [
        f"  round trips of {repaired_text}",
        f"  round trips of {broken_text}",
        "  the kernel of tokyo dropped 1 packet whose SA was not installed yet",
    ]
