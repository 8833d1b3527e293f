"""No packet is lost by a change that both ends can take: every case of the benchmark, without its peers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.interruption import CASES, Bench, Case
from lab.engine import Engine
from lab.session import Lab
from reconciler.load import load_tree
from reconciler.validate import validate
from tests.lab.repository import ROOT

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def bench(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    fabric, _ = validate(load_tree(ROOT / "desired_state"))
    with Lab.up(fabric, f"mbb{os.getpid():x}", engine=engine, image=image) as lab:
        yield Bench(lab, fabric, Path(tmp_path_factory.mktemp("keys")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_no_packet_is_lost(bench: Bench, case: Case) -> None:
    measured = bench.measure(bench.bring, case)
    assert measured.in_effect
    # What goes with a network goes for good; the others of the tunnel notice nothing.
    assert measured.predicted == ("destroys" if case.label == "one CIDR less" else "make-before-break")
    for result in (*measured.changed, *measured.unrelated):
        assert result.sent > 50, "the stream ran through the change"
        assert result.duplicates == 0
    # No packet ever waited for an SA. Each that is lost had left in one that the other end did not have yet:
    # how many is a matter of that charon's pace, which is the machine's.
    assert measured.lost == measured.in_flight
    assert sum(result.lost for result in measured.unrelated) == 0


def test_the_measurement_can_fail(bench: Bench) -> None:
    """Taken down and up, the same change loses packets that no SA was there for: the stream notices."""
    measured = bench.measure(bench.down_up, CASES[0])
    assert measured.lost > measured.in_flight
    assert sum(result.lost for result in measured.unrelated) == 0
