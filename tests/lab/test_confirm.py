"""Armed routers go back by themselves, whatever becomes of the controller, the way to them or their power."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.engine import Engine, until
from lab.session import Lab
from lab.topology import Role
from reconciler.apply.locking import take
from reconciler.apply.way_back import go_back
from reconciler.model.errors import CommandRejected, StillArmed
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Phase
from reconciler.model.router_config import RouterState
from reconciler.model.way_back import Arming, Cause, Saved, WentBack
from reconciler.operations.apply import apply
from reconciler.operations.converge import Conduct, Converged, Request, converge
from reconciler.operations.observed_plan import ObservedPlan, decide, everything, framed, observed_plan
from reconciler.operations.verify import verify
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.links import Links
from reconciler.routers.protocol import Router
from reconciler.routers.way_back import WAY_BACK
from reconciler.secrets import SecretStore
from tests.contract.sites import PSK, PSK_VARIABLE, change_tunnels
from tests.converged import assert_converged
from tests.fabrics import two_routers

pytestmark = pytest.mark.engine
BACK = 60.0
BOTH = ("paris", "tokyo")
_SPAWN = multiprocessing.get_context("spawn")


class Site:
    """Two routers with a tunnel, in a lab that is up already."""

    def __init__(self, lab: str, links: Links, folder: Path) -> None:
        self.lab = lab
        self.fabric = two_routers()
        self.other = change_tunnels(self.fabric, esp__integrity="sha512")
        self.fleet = Fleet(lambda name: DockerRouter(self.fabric.routers[name], lab, links))
        self.keys = SecretStore(folder, {PSK_VARIABLE: PSK})

    def preview(self, fabric: Fabric | None = None) -> ObservedPlan:
        """What there is to do."""
        return observed_plan(fabric or self.fabric, self.keys, self.fleet)

    def apply(self) -> None:
        """Make the routers as they are at first, and let them report the past no more."""
        assert_converged(apply(self.preview(), self.fleet, timeout=20))
        for name, state in self.preview().observation.states.items():
            if state.way_back.back is not None:
                with self.router(name) as router:
                    router.host.forget(state.way_back.back.arming.id)

    def router(self, name: str) -> Router:
        """One router, to be closed."""
        return DockerRouter(self.fabric.routers[name], self.lab)

    def confirmed(self, seconds: int, **conduct: Any) -> Converged:
        """What `apply --confirm` does, of another proposal."""
        way = Arming(os.urandom(8).hex(), "me@here", "d" * 64, "c" * 40, seconds)
        request = Request(
            frozenset(BOTH),
            lambda _: decide(self.preview(self.other), everything),
            arming=way,
            conduct=Conduct(timeout=10, **conduct),
        )
        with converge(self.fleet, request) as done:
            return done

    def states(self) -> dict[str, RouterState]:
        """Both routers."""
        return dict(self.preview().observation.states)

    def backs(self) -> dict[str, WentBack]:
        """The routers that have gone back."""
        return {
            name: state.way_back.back
            for name, state in self.states().items()
            if state.way_back.back is not None
        }

    def as_before(self) -> None:
        """What is desired at first is there, and carries packets, without an apply."""
        assert self.preview().plan.empty
        assert until(
            lambda: all(check.passed for check in verify(self.fabric, self.keys, self.fleet)[0]), BACK
        )
        assert self.preview().plan.empty


@pytest.fixture(scope="module")
def lab(engine: Engine, image: str) -> Iterator[Lab]:
    with Lab.up(two_routers(), f"confirm{os.getpid():x}", engine=engine, image=image) as up:
        yield up


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Iterator[Site]:
    with Links() as links:
        made = Site(lab.name, links, tmp_path)
        made.apply()
        yield made


def in_the_middle(lab: str, folder: Path, seconds: int) -> None:
    """A controller that hangs once the tunnel is switched and no file is written yet."""

    def hang(outcome: Outcome) -> None:
        if outcome.step.phase is Phase.SWITCH and outcome.status is Status.DONE:
            (folder / "switched").touch()
            time.sleep(3600)

    with Links() as links:
        Site(lab, links, folder).confirmed(seconds, progress=hang)


def test_a_controller_that_is_killed(site: Site, lab: Lab, tmp_path: Path) -> None:
    """Both ends go back at their deadline; until then no other controller changes them."""
    controller = _SPAWN.Process(target=in_the_middle, args=(lab.name, tmp_path, 12))
    controller.start()
    assert until((tmp_path / "switched").exists, BACK)
    controller.kill()
    controller.join()
    armed = site.states()
    assert all(state.way_back.armed is not None for state in armed.values())
    with site.router("paris") as router, pytest.raises(StillArmed):
        take(router, "you@there", 60, 0)
    assert until(lambda: len(site.backs()) == 2, BACK)
    assert {(item.cause, item.problems) for item in site.backs().values()} == {(Cause.DEADLINE, ())}
    site.as_before()
    saved = lab.run(Role.ROUTER, "paris", ["sh", "-c", f"ls -d {WAY_BACK} {WAY_BACK}.new 2>&1 || true"])
    assert saved.count("No such file") == 2, "no key is left"
    assert not timers(lab)
    with site.router("paris") as router:
        take(router, "you@there", 60, 0)
        router.host.unlock("you@there")


def timers(lab: Lab) -> str:
    """The processes of timers at paris."""
    return lab.run(Role.ROUTER, "paris", ["sh", "-c", "pgrep -f '[c]onfirm/go-back' || true"])


def test_a_confirmed_router_has_no_timer(site: Site, lab: Lab) -> None:
    seen: list[str] = []
    done = site.confirmed(300, anew=lambda: seen.append(timers(lab)))
    assert done.proven is not None
    assert_converged(done.proven.applied)
    assert seen[0].strip()
    assert not timers(lab)


def test_a_router_that_restarts(site: Site, lab: Lab) -> None:
    """It boots as it was; its other end goes back when the controller, or the deadline, says so."""
    way = Arming("0" * 16, "me@here", "d" * 64, "", 300)
    assert_converged(apply(framed(site.preview(site.other), way), site.fleet, timeout=20))
    mode = lab.run(Role.ROUTER, "paris", ["sh", "-c", f"stat -c %a {WAY_BACK}; stat -c %a {WAY_BACK}/*"])
    assert set(mode.split()) == {"700", "600"}
    lab.power_loss("paris")
    [back] = site.backs().values()
    assert (back.router, back.cause, back.arming, back.problems) == ("paris", Cause.RESTART, way, ())
    with site.router("paris") as router, pytest.raises(CommandRejected, match="it had gone back before"):
        router.host.confirm(way.id)
    go_back({"tokyo": way.id}, site.fleet)
    site.as_before()


def test_a_router_whose_timer_is_lost_goes_back_when_it_is_to_be_changed(site: Site, lab: Lab) -> None:
    way = Arming("1" * 16, "me@here", "d" * 64, "", 6)
    with site.router("paris") as paris:
        paris.host.arm(way, Saved())
        lab.run(Role.ROUTER, "paris", ["sh", "-c", f"kill -s KILL -- -$(cat {WAY_BACK}/process)"])
        assert until(lambda: left(site) == 0, BACK)
        with pytest.raises(StillArmed, match="a change by me@here is not confirmed yet"):
            take(paris, "you@there", 60, 0)
        take(paris, "you@there", 60, BACK)
        paris.host.unlock("you@there")
    assert [item.cause for item in site.backs().values()] == [Cause.OVERDUE]


def left(site: Site) -> int | None:
    armed = site.states()["paris"].way_back.armed
    return None if armed is None else armed.left


def test_a_router_without_space_is_not_changed(site: Site, lab: Lab) -> None:
    folder = WAY_BACK.rpartition("/")[0]
    script = (
        f"rm -rf {folder}; mkdir /dev/shm/full; ln -s /dev/shm/full {folder}; cat /dev/zero > /dev/shm/zero"
    )
    lab.exec(Role.ROUTER, "tokyo", ["sh", "-c", script])
    before = comparable(site)
    try:
        done = site.confirmed(300)
    finally:
        lab.run(Role.ROUTER, "tokyo", ["sh", "-c", f"rm -rf /dev/shm/full /dev/shm/zero {folder}"])
    assert done.proven is not None
    arms = {o.step.router: o for o in done.proven.applied.outcomes if o.step.phase is Phase.ARM}
    assert "No space left on device" in arms["tokyo"].message
    assert (arms["tokyo"].status, arms["paris"].status) == (Status.FAILED, Status.NOT_ATTEMPTED)
    assert arms["paris"].message == "disarmed, because tokyo cannot be armed"
    others = [o for o in done.proven.applied.outcomes if o.step.phase is not Phase.ARM]
    assert {outcome.status for outcome in others} == {Status.NOT_ATTEMPTED}
    assert comparable(site) == before
    assert all(state.way_back.armed is None for state in site.states().values())


def comparable(site: Site) -> dict[str, object]:
    """What the routers hold, with the SAs that run."""
    return {
        name: (state.files, state.owned, state.connections, {sa.spis for sa in state.sas})
        for name, state in site.states().items()
    }


def test_what_cannot_be_restored_is_reported_and_the_rest_is(site: Site, lab: Lab) -> None:
    way = Arming("2" * 16, "me@here", "d" * 64, "", 300)
    assert_converged(apply(framed(site.preview(site.other), way), site.fleet, timeout=20))
    lab.run(Role.ROUTER, "paris", ["mv", "/usr/sbin/swanctl", "/usr/sbin/swanctl.away"])
    try:
        go_back(dict.fromkeys(BOTH, way.id), site.fleet)
    finally:
        lab.run(Role.ROUTER, "paris", ["mv", "/usr/sbin/swanctl.away", "/usr/sbin/swanctl"])
    backs = site.backs()
    assert backs["tokyo"].problems == ()
    assert [problem.partition(":")[0] for problem in backs["paris"].problems] == ["connections", "SAs"]
    assert "swanctl" in backs["paris"].problems[0]
    assert not [c for c in site.preview().plan.changes if c.resource.kind not in {"tunnel"}]
    site.apply()
