"""What an apply cost, beside what its plan had said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.listing import counted, listed
from reconciler.model.outcome import IN_FLIGHT, Dropped, Loss
from reconciler.model.plan import Disruption
from reconciler.report.line import Line

_GENTLE = frozenset({Disruption.NONE, Disruption.MAKE_BEFORE_BREAK})


def cost_text(loss: Loss) -> str:
    """One tunnel's cost."""
    row = f", {loss.longest * 1000:.0f} ms of them in succession" if loss.lost else ""
    silent = f"{loss.silent * 1000:.0f}"
    before = f", after it had carried nothing for the first {silent} ms" if silent != "0" else ""
    return f"{loss.tunnel}: predicted {loss.predicted}, lost {loss.lost} of {loss.sent}{row}{before}"


def dropped_text(dropped: Dropped) -> str:
    """What the kernel of one router has counted."""
    packets = counted(dropped.packets, "packet")
    return f"the kernel of {dropped.router} dropped {packets} whose SA was not installed yet"


def cost_lines(
    losses: Sequence[Loss], unmeasured: Sequence[str], dropped: Sequence[Dropped] = (), most: int = 10
) -> Iterator[Line]:
    """What an apply cost the tunnels that it changed, the worst first, beside what the plan had said."""
    if losses:
        yield Line("Measured through the changed tunnels, in round trips:")
    worst = sorted(losses, key=lambda loss: (-loss.lost, loss.tunnel))
    for loss in worst[:most]:
        yield Line(
            f"  {cost_text(loss)}", "yellow" if loss.predicted in _GENTLE and loss.lost > IN_FLIGHT else ""
        )
    if len(worst) > most:
        rest = worst[most:]
        yield Line(f"  {len(rest)} more: lost {sum(loss.lost for loss in rest)} together")
    if dropped:
        yield Line(f"Counted by the kernel of {listed([item.router for item in dropped], most)}:")
        if not any(item.packets for item in dropped):
            yield Line("  no packet was dropped because its SA was not installed yet")
    for item in sorted(dropped, key=lambda item: -item.packets)[:most]:
        if item.packets:
            yield Line(f"  {dropped_text(item)}", "yellow")
    if unmeasured:
        yield Line(f"Not measured: {listed(unmeasured, most)}")
