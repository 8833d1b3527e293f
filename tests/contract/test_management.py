"""A router that is reached through the very tunnel that changes: what would cut it off waits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lab.engine import until
from lab.topology import Role
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Phase
from reconciler.model.way_back import Arming, Cause
from reconciler.operations.apply import apply
from reconciler.operations.converge import Conduct, Proven, Request, converge
from reconciler.operations.observed_plan import decide, everything, judge_plan, narrowed
from reconciler.policy import Override
from reconciler.routers.docker_exec import run_in_container
from reconciler.routers.protocol import Router
from reconciler.routers.ssh_router import SshRouter
from tests.contract.sites import Site, change_tunnels
from tests.contract.sshd import CONFIG, Sshd, replaced
from tests.converged import assert_converged

pytestmark = pytest.mark.engine

INSIDE = "10.1.0.1"
PID = "/run/tunnelwright-test-sshd.pid"
RELAY = b"""\
import os, select, socket, sys
there = socket.create_connection((sys.argv[1], 22), 10)
while True:
    for end in select.select([0, there], [], [])[0]:
        data = os.read(0, 65536) if end == 0 else there.recv(65536)
        if not data:
            sys.exit()
        there.sendall(data) if end == 0 else os.write(1, data)
"""


@contextlib.contextmanager
def reached_through_the_tunnel(sshd: Sshd) -> Iterator[None]:
    """sshd of paris listens at its inner address, and this machine's way there begins behind tokyo."""
    host = sshd.lab.container(Role.HOST, "tokyo-net")
    with sshd.lab.engine.connect() as client:
        assert run_in_container(client, host, ["sh", "-c", "cat > /relay.py"], RELAY).status == 0
    sshd.configure("paris", ListenAddress=INSIDE, PidFile=PID)
    sshd.lab.run(Role.ROUTER, "paris", ["/usr/sbin/sshd", "-f", CONFIG])
    command = f"docker -H {sshd.lab.engine.url} exec -i {host} python3 /relay.py {INSIDE}"
    text = f"Host paris\n  ProxyCommand {command}\n"
    try:
        with replaced(sshd.config, text):
            yield
    finally:
        sshd.lab.run(Role.ROUTER, "paris", ["sh", "-c", f"kill $(cat {PID})"])
        sshd.configure("paris")


@pytest.mark.parametrize("site", ["real"], indirect=True)
def test_the_tunnel_that_carries_our_own_way_is_not_interrupted(site: Site, sshd: Sshd) -> None:
    assert_converged(site.apply())
    by_engine = site.reach

    def reach(fabric: Fabric, name: str) -> Router:
        return SshRouter(name, sshd.access(name)) if name == "paris" else by_engine(fabric, name)

    with reached_through_the_tunnel(sshd):
        inside = replace(site, reach=reach, opened=[])
        seen = inside.preview()
        here, there = seen.observation.states["paris"].management or ("", "")
        assert here == INSIDE
        assert there.startswith("10.2.0.")
        assert seen.observation.states["tokyo"].management is None, "no sshd lies between"

        # The tunnel's ends at both routers: what takes them down cuts the connection.
        for wanted in (
            change_tunnels(site.fabric, enabled=False),
            change_tunnels(site.fabric, reconnect="now"),
        ):
            before = inside.preview(wanted)
            _, judgement = judge_plan(before, everything)
            [deferral] = judgement.deferrals
            assert "carries the connection to paris itself" in deferral.reason
            assert {resource.router for resource in deferral.resources} == {"paris", "tokyo"}
            left = narrowed(before, judgement.allows).plan.changes
            assert not [change for change in left if change.resource.kind == "tunnel"]
            assert not judge_plan(before, everything, frozenset({Override.MANAGEMENT}))[1].deferrals

        # What loses no packet goes on, over that very connection.
        wanted = change_tunnels(site.fabric, esp__integrity="sha512")
        before = inside.preview(wanted)
        assert not judge_plan(before, everything)[1].deferrals
        assert_converged(apply(before, inside.fleet))
        inside.close()


CUT = """
table inet cut
delete table inet cut
table inet cut {
    chain input { type filter hook input priority -200; tcp dport 22 reject with tcp reset; }
}
"""


def arming(seconds: int) -> Arming:
    return Arming(f"{seconds:016x}", "me@here", "d" * 64, "", seconds)


def confirmed(site: Site, fabric: Fabric, seconds: int, **conduct: Any) -> Proven:
    """What `apply --confirm` does."""
    overridden = frozenset({Override.MANAGEMENT})
    request = Request(
        frozenset({"paris", "tokyo"}),
        lambda _: decide(site.preview(fabric), everything, overridden),
        arming=arming(seconds),
        conduct=Conduct(timeout=10, **conduct),
    )
    with converge(site.fleet, request) as done:
        assert done.proven is not None
        return done.proven


def through_the_tunnel(site: Site, sshd: Sshd) -> Site:
    """The same routers, of which paris is reached through the tunnel."""
    by_engine = site.reach

    def reach(fabric: Fabric, name: str) -> Router:
        return SshRouter(name, sshd.access(name)) if name == "paris" else by_engine(fabric, name)

    return replace(site, reach=reach, opened=[])


@pytest.mark.parametrize("site", ["real"], indirect=True)
def test_with_a_way_back_our_own_way_is_changed(site: Site, sshd: Sshd) -> None:
    """The tunnel goes down and comes up again, and what carries us with it."""
    assert_converged(site.apply())
    with reached_through_the_tunnel(sshd):
        inside = through_the_tunnel(site, sshd)
        proven = confirmed(inside, change_tunnels(site.fabric, reconnect="once"), 120)
        assert_converged(proven.applied)
        assert proven.conclusion is not None
        assert proven.conclusion.stays
        inside.close()


@pytest.mark.parametrize("site", ["real"], indirect=True)
def test_who_is_cut_off_in_the_middle_finds_the_routers_as_they_were(site: Site, sshd: Sshd) -> None:
    assert_converged(site.apply())
    paris = site.connect("paris")

    def cut(outcome: Outcome) -> None:
        if outcome.step.phase is Phase.SWITCH:
            sshd.lab.run(Role.ROUTER, "paris", ["sh", "-c", f"nft -f - <<E\n{CUT}E\n"])

    with reached_through_the_tunnel(sshd):
        inside = through_the_tunnel(site, sshd)
        try:
            wanted = change_tunnels(site.fabric, esp__integrity="sha512")
            proven = confirmed(inside, wanted, 12, progress=cut)
        finally:
            inside.close()
            sshd.lab.run(Role.ROUTER, "paris", ["nft", "delete", "table", "inet", "cut"])
    assert proven.conclusion is not None
    assert not proven.conclusion.stays
    said = {outcome.step.router: outcome.message for outcome in proven.conclusion.outcomes}
    assert said["tokyo"].startswith("it went back: paris: ")
    assert said["paris"].startswith("it goes back by itself (")
    assert until(lambda: back_at(site, "paris") is Cause.DEADLINE, 60)
    assert back_at(site, "tokyo") is Cause.UNPROVEN
    paris.host.forget(arming(12).id)
    site.connect("tokyo").host.forget(arming(12).id)
    assert site.preview().plan.empty
    assert until(lambda: all(check.passed for check in site.verify()), 60)


def back_at(site: Site, name: str) -> Cause | None:
    back = site.preview().observation.states[name].way_back.back
    return None if back is None else back.cause
