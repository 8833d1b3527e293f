"""What is looked at to judge a plan grows with what is there, not with its product with what changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from reconciler.model.plan import Disruption
from reconciler.model.router_config import IkeSa
from reconciler.policy import judge, withholdings
from tests.contract.sites import change_tunnels, memory_site
from tests.fabrics import many_tunnels

NOW = datetime(2026, 5, 9, 12, 0, tzinfo=UTC)


class Counted(tuple[IkeSa, ...]):
    """SAs that count how many of them were looked at."""

    visits = 0

    def __iter__(self) -> Iterator[IkeSa]:
        for sa in super().__iter__():
            self.visits += 1
            yield sa


def visits_of_each(folder: Path, count: int) -> Fraction:
    """How often each SA of a router was looked at while a plan was judged that interrupts all tunnels, and
    deletes a fifth of them."""
    folder.mkdir()
    site, fabric = memory_site(folder), many_tunnels(count)
    assert site.apply(fabric, timeout=0).converged
    kept = {n: t for n, t in fabric.tunnels.items() if int(n[-3:]) % 5}
    wanted = change_tunnels(replace(fabric, tunnels=kept), reconnect="now")
    before = site.preview(wanted)
    assert sum(c.disruption.rank >= Disruption.INTERRUPTS.rank for c in before.plan.changes) > count
    counted = {name: Counted(state.sas) for name, state in before.observation.states.items()}
    states = {n: replace(s, sas=counted[n]) for n, s in before.observation.states.items()}
    withholdings(before.plan, wanted, states, lambda _: False)
    judge(before.plan, wanted, states, NOW)
    assert all(len(sas) == count for sas in counted.values())
    return Fraction(sum(sas.visits for sas in counted.values()), 2 * count)


def test_each_sa_is_looked_at_as_often_whatever_changes(tmp_path: Path) -> None:
    few, many = visits_of_each(tmp_path / "few", 5), visits_of_each(tmp_path / "many", 30)
    assert few == many
    assert few < 10
