"""A router that answers ever so slowly, or not any more, uses up its own time and no other one's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from lab.engine import until
from reconciler.model import bounds
from reconciler.model.errors import RouterUnreachable
from reconciler.model.observation import Observation
from reconciler.observe.state import observe
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from tests.contract.test_nonsense import Hostile, hostile
from tests.fabrics import two_routers
from tests.slow import held

__all__ = ["hostile"]
pytestmark = pytest.mark.engine

SECONDS = 10.0
"""For a whole look, where one answer may take much longer."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ROUTER_OBSERVATION_SECONDS_IN_ALL", SECONDS)
    monkeypatch.setattr(bounds, "ROUTER_OBSERVATION_SECONDS", 90.0)
    monkeypatch.setattr(bounds, "VICI_SECONDS", 90.0)


@contextlib.contextmanager
def _stopped(site: Hostile) -> Iterator[None]:
    """Its charon takes connections, and answers nothing."""
    site.said("pkill -STOP charon-systemd")
    try:
        yield
    finally:
        site.said("pkill -CONT charon-systemd")


def _look(site: Hostile) -> Observation:
    fabric = two_routers()

    def connect(name: str) -> Router:
        return site.connect() if name == "paris" else DockerRouter(fabric.routers[name], site.lab.name)

    return observe(Fleet(connect), {"paris": (), "tokyo": ()})


TOOLS = {
    "a byte a second": ("ip", "while printf x; do sleep 1; done"),
    "a slow archive": ("tar", "while head -c 4000 /dev/zero; do sleep 0.2; done"),
}


@pytest.mark.parametrize("kind", ["a charon that is stopped", *TOOLS])
def test_a_slow_router_uses_up_its_own_time(hostile: Hostile, kind: str) -> None:
    with _stopped(hostile) if kind not in TOOLS else hostile.tool(*TOOLS[kind]):
        found = _look(hostile)
    assert set(found.states) == {"tokyo"}
    error = found.failures["paris"]
    assert isinstance(error, RouterUnreachable)
    assert f"longer than {SECONDS:g} s, the limit for one observation" in error.message
    assert set(_look(hostile).states) == {"paris", "tokyo"}


def test_fifty_looks_at_a_charon_that_hangs_leave_nothing_behind(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _stopped(hostile):
        # The first one loads modules, and starts the thread of all connections.
        hostile.connect().close()
        before = held()
        monkeypatch.setattr(bounds, "ROUTER_OBSERVATION_SECONDS_IN_ALL", 0.3)
        for _ in range(50):
            # Over Docker, once its queue of connections is full, it is refused.
            failed = observe(Fleet(lambda _: hostile.connect()), {"paris": ()}).failures["paris"]
            assert isinstance(failed, RouterUnreachable), failed
        assert until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)), 20), held()
