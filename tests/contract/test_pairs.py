"""One apply is enough for every pair of fields that one commit can change, and one for its revert."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from reconciler.apply import establish
from tests.contract.pairs import EDITS, PAIRS, Commit, before, edited, reverted
from tests.contract.sites import CHARONS, PSK, Site, memory_site
from tests.contract.test_rest import assert_at_rest
from tests.converged import assert_converged

VERSIONS = pytest.mark.parametrize("version", [2, 1])


@pytest.fixture
def no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory nothing is ever on its way."""
    monkeypatch.setattr(establish, "OVERLAP", 0.0)


def assert_reached(site: Site, commit: Commit) -> None:
    """One apply brings the routers to a commit, and both ends hold one SA of each kind then."""
    key = commit.key or PSK
    assert_converged(site.apply(commit.fabric, key))
    ends = sorted(commit.fabric.tunnels.values(), key=lambda tunnel: tunnel.router)
    first, _ = ends
    children = len(first.local_cidrs) * len(first.peer_cidrs) if first.ike.version == 1 else 1
    names = {tunnel.router: f"tw-{tunnel.name}" for tunnel in ends}
    assert_at_rest(site, children if first.enabled else 0, names)


def try_pairs(site: Site, version: int, pairs: Iterable[tuple[str, str]]) -> None:
    """From the same state to each pair and back; all that fail are reported."""
    start = before(site.fabric, version)
    assert_reached(site, start)
    failed = {}
    for pair in pairs:
        for direction, commit in (("there", edited(start, pair)), ("back", reverted(start, pair))):
            try:
                assert_reached(site, commit)
            except AssertionError as error:
                failed[(*pair, direction)] = str(error)
                site.apply(commit.fabric, commit.key or PSK)
    assert not failed, "\n".join(f"{' + '.join(case)}: {said}" for case, said in failed.items())


@VERSIONS
@pytest.mark.parametrize("first", EDITS)
@pytest.mark.usefixtures("no_overlap")
def test_every_pair_in_memory(tmp_path: Path, version: int, first: str) -> None:
    try_pairs(memory_site(tmp_path), version, [pair for pair in PAIRS if pair[0] == first])


SAMPLE: Final = {2: PAIRS[7::50], 1: PAIRS[20::50]}
"""Pairs that each run of the tests tries on real charons, by IKE version; `make pairs` tries all."""
ALL: Final = os.environ.get("PAIRS") == "all"


@CHARONS
@VERSIONS
@pytest.mark.parametrize("first", EDITS if ALL else ["sample"])
def test_pairs_on_charons(site: Site, version: int, first: str) -> None:
    pairs = [pair for pair in PAIRS if pair[0] == first] if ALL else SAMPLE[version]
    try_pairs(site, version, pairs)
