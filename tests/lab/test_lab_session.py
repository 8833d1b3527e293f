"""A lab's life: up, up again, two at once, cut short, rebooted, gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.containers import find
from lab.engine import Engine
from lab.session import Lab, labs
from lab.topology import LabRefused, Role
from lab.verify import verify
from reconciler.model.fabric import Fabric
from tests.fabrics import with_system_vip
from tests.lab.conftest import configure

pytestmark = pytest.mark.engine


def test_two_labs_of_one_fabric_run_side_by_side(
    engine: Engine, image: str, fabric: Fabric, lab: Lab, lab_name: str
) -> None:
    with Lab.up(fabric, f"{lab_name}-twin", engine=engine, image=image) as twin:
        configure(twin, fabric)
        assert {lab.name, twin.name} <= {summary.name for summary in labs(engine)}
        assert verify(twin, fabric, packets=10).passed
        assert verify(lab, fabric, packets=10).passed


def test_up_again_finds_the_same_lab(engine: Engine, image: str, fabric: Fabric, lab: Lab) -> None:
    before = {container.id for container in find(engine, lab.name)}
    again = Lab.up(fabric, lab.name, engine=engine, image=image)
    assert {container.id for container in find(engine, lab.name)} == before
    assert again.data_plane == lab.data_plane
    assert Lab.attach(fabric, lab.name, engine=engine).places == lab.places


def test_up_replaces_a_lab_of_another_fabric(
    engine: Engine, image: str, fabric: Fabric, lab_name: str
) -> None:
    name = f"{lab_name}-other"
    with Lab.up(fabric, name, engine=engine, image=image):
        before = {container.id for container in find(engine, name)}
        other = with_system_vip(fabric)
        changed = Lab.up(other, name, engine=engine, image=image)
        assert not before & {container.id for container in find(engine, name)}
        assert "203.0.113.11/24" in changed.run(Role.ROUTER, "paris", ["ip", "address", "show", "eth0"])
        with pytest.raises(LabRefused):
            Lab.attach(fabric, name, engine=engine)


@pytest.mark.parametrize("victims", [Role.WIRE, Role.ROUTER, Role.HOST])
def test_what_a_crash_leaves_is_replaced_and_removed(
    engine: Engine, image: str, fabric: Fabric, lab_name: str, victims: Role
) -> None:
    name = f"{lab_name}-crash"
    lab = Lab.up(fabric, name, engine=engine, image=image)
    try:
        with engine.connect() as client:
            for container in find(engine, name):
                if container.labels["tunnelwright.role"] == victims:
                    client.kill(container.id)
        again = Lab.up(fabric, name, engine=engine, image=image)
        again.run(Role.HOST, "paris-net", ["ping", "-c1", "-W2", "10.1.0.1"])
    finally:
        assert Lab.down(name, engine=engine)
    assert find(engine, name) == []
    assert not lab.places.state.exists()
    assert not Lab.down(name, engine=engine)


def test_down_removes_a_state_directory_that_lost_its_containers(
    engine: Engine, image: str, fabric: Fabric, lab_name: str
) -> None:
    name = f"{lab_name}-lost"
    state = Lab.up(fabric, name, engine=engine, image=image).places.state
    with engine.connect() as client:
        for container in find(engine, name):
            client.remove_container(container.id, force=True)
    assert Lab.down(name, engine=engine)
    assert not state.exists()


def test_an_up_that_fails_leaves_nothing(engine: Engine, fabric: Fabric, lab_name: str) -> None:
    name = f"{lab_name}-fail"
    with pytest.raises(Exception, match="no-such-image"):
        Lab.up(fabric, name, engine=engine, image="no-such-image:none")
    assert find(engine, name) == []


def test_a_rebooted_router_is_plugged_in_again(
    engine: Engine, image: str, fabric: Fabric, lab_name: str
) -> None:
    with Lab.up(fabric, f"{lab_name}-boot", engine=engine, image=image) as lab:
        lab.reboot(Role.ROUTER, "tokyo")
        assert "10.2.0.1/24" in lab.run(Role.ROUTER, "tokyo", ["ip", "address", "show", "eth1"])
        lab.run(Role.HOST, "tokyo-net", ["ping", "-c1", "-W2", "10.2.0.1"])


def test_a_router_starts_without_what_a_tunnel_needs(
    engine: Engine, image: str, fabric: Fabric, lab_name: str
) -> None:
    with Lab.up(fabric, f"{lab_name}-stock", engine=engine, image=image) as stock:
        script = "cat /proc/sys/net/ipv4/ip_forward; ip address; nft list ruleset; swanctl --list-conns"
        read = stock.run(Role.ROUTER, "paris", ["sh", "-c", script])
    assert read.startswith("0\n")
    assert "203.0.113.11" not in read
    assert "masquerade" in read
    assert "paris-tokyo" not in read


def test_sockets_keys_and_captures_are_private(lab: Lab) -> None:
    state: Path = lab.places.state
    for path in (state, *state.rglob("*")):
        mode = path.stat().st_mode & 0o777
        assert mode & 0o007 == 0 or state.stat().st_mode & 0o077 == 0, path
    assert state.stat().st_mode & 0o777 == 0o700
    for router in ("paris", "tokyo"):
        assert lab.vici_socket(router).stat().st_mode & 0o007 == 0
        assert lab.charon_log(router).stat().st_mode & 0o077 == 0
