"""What an apply cost, beside what its plan had said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.listing import listed
from reconciler.model.outcome import IN_FLIGHT, Loss
from reconciler.model.plan import Disruption
from reconciler.report.line import Line

_GENTLE = frozenset({Disruption.NONE, Disruption.MAKE_BEFORE_BREAK})


def cost_text(tunnel: str, predicted: str, lost: int, sent: int, longest: float, silent: float) -> str:
    """One tunnel's cost; `longest` is the milliseconds of the longest row of lost ones, `silent` those in which
    it had carried nothing before."""
    row = f", {longest:.0f} ms of them in a row" if lost else ""
    before = f", after it had carried nothing for the first {silent:.0f} ms" if silent else ""
    return f"{tunnel}: predicted {predicted}, lost {lost} of {sent}{row}{before}"


def cost_lines(losses: Sequence[Loss], unmeasured: Sequence[str], most: int = 10) -> Iterator[Line]:
    """What an apply cost the tunnels that it changed, the worst first, beside what the plan had said."""
    if losses:
        yield Line("Measured through the changed tunnels, in round trips:")
    worst = sorted(losses, key=lambda loss: (-loss.lost, loss.tunnel))
    for loss in worst[:most]:
        milliseconds = (loss.longest * 1000, loss.silent * 1000)
        text = cost_text(loss.tunnel, loss.predicted, loss.lost, loss.sent, *milliseconds)
        yield Line(f"  {text}", "yellow" if loss.predicted in _GENTLE and loss.lost > IN_FLIGHT else "")
    if len(worst) > most:
        rest = worst[most:]
        yield Line(f"  {len(rest)} more: lost {sum(loss.lost for loss in rest)} together")
    if unmeasured:
        yield Line(f"Not measured: {listed(unmeasured, most)}")
