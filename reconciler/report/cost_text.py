"""What an apply cost, beside what its plan had said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.listing import listed
from reconciler.model.outcome import IN_FLIGHT, Loss
from reconciler.model.plan import Disruption
from reconciler.report.line import Line

_GENTLE = frozenset({Disruption.NONE, Disruption.MAKE_BEFORE_BREAK})


def cost_text(
    tunnel: str, predicted: str, *, lost: int, sent: int, longest_ms: float, silent_ms: float
) -> str:
    """One tunnel's cost; `longest_ms` is how long the longest row of lost ones was, `silent_ms` for how long
    it had carried nothing before."""
    row = f", {longest_ms:.0f} ms of them in succession" if lost else ""
    before = f", after it had carried nothing for the first {silent_ms:.0f} ms" if silent_ms else ""
    return f"{tunnel}: predicted {predicted}, lost {lost} of {sent}{row}{before}"


def cost_lines(losses: Sequence[Loss], unmeasured: Sequence[str], most: int = 10) -> Iterator[Line]:
    """What an apply cost the tunnels that it changed, the worst first, beside what the plan had said."""
    if losses:
        yield Line("Measured through the changed tunnels, in round trips:")
    worst = sorted(losses, key=lambda loss: (-loss.lost, loss.tunnel))
    for loss in worst[:most]:
        text = cost_text(
            loss.tunnel,
            loss.predicted,
            lost=loss.lost,
            sent=loss.sent,
            longest_ms=loss.longest * 1000,
            silent_ms=loss.silent * 1000,
        )
        yield Line(f"  {text}", "yellow" if loss.predicted in _GENTLE and loss.lost > IN_FLIGHT else "")
    if len(worst) > most:
        rest = worst[most:]
        yield Line(f"  {len(rest)} more: lost {sum(loss.lost for loss in rest)} together")
    if unmeasured:
        yield Line(f"Not measured: {listed(unmeasured, most)}")
