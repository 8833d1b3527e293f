"""charon's settings and its start script."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from reconciler.compile.router import compile_router
from reconciler.facets.boot import boot_files, charon
from reconciler.facets.connections import compile_settings
from reconciler.facets.files import parse
from reconciler.model.router_config import GIVE_UP_AFTER, Platform
from reconciler.model.secret import Secret
from schemas.router import VpcRouterSpec
from tests.contract.sites import change_tunnels
from tests.fabrics import two_routers

MARK = "# Begun by: the other end"


def test_the_script_waits_for_the_other_end_at_one_end_of_a_pair_alone() -> None:
    fabric = two_routers()
    keys = {tunnel.psk: Secret(b"a key of both") for tunnel in fabric.tunnels.values()}
    waiting = {
        name
        for router in fabric.routers
        for name, content in compile_router(fabric, router, keys, Secret(b"fingerprints")).files.items()
        if MARK in content.reveal().decode().splitlines()
    }
    assert waiting == {"tw-tokyo-paris.conf"}
    # It looks for the very line that is written.
    assert f"'{MARK}'" in charon.files(6)[charon.START].content


def test_the_settings_are_strongswans_and_name_the_script() -> None:
    settings = parse(charon.files(6)[charon.SETTINGS].content.encode())
    assert settings == {
        "charon": {
            "retransmit_timeout": "1.000",
            "retransmit_base": "1.0",
            "retransmit_jitter": "20",
            "start-scripts": {"tunnelwright": f"/bin/sh {charon.START}"},
        }
    }


@pytest.mark.parametrize("seconds", [1, 6, 165])
def test_charon_gives_up_after_the_time_that_the_router_has(seconds: int) -> None:
    """`retransmit_tries` is charon's default (charon.opt)."""
    settings = parse(charon.files(seconds)[charon.SETTINGS].content.encode())
    assert settings is not None
    section = settings["charon"]
    assert isinstance(section, dict)
    timeout, base = float(section["retransmit_timeout"]), float(section["retransmit_base"])
    assert sum(timeout * base**number for number in range(6)) == pytest.approx(seconds, abs=0.01)


def test_the_document_of_a_router_says_when_its_charon_gives_up() -> None:
    fabric = change_tunnels(two_routers(), ike__version=1, ike__dpd_delay=10)
    routers = {"paris": replace(fabric.routers["paris"], give_up_after=2), "tokyo": fabric.routers["tokyo"]}
    keys = {tunnel.psk: Secret(b"a key of both") for tunnel in fabric.tunnels.values()}
    found = {
        name: compile_router(replace(fabric, routers=routers), name, keys, Secret(b"fingerprints"))
        for name in routers
    }
    files = {name: boot_files(config, Platform(), ())[charon.SETTINGS] for name, config in found.items()}
    intervals = [re.findall("retransmit_timeout = (.*)", files[name].content) for name in ("paris", "tokyo")]
    assert intervals == [["0.333"], ["1.000"]]
    [paris], [tokyo] = (config.connections.values() for config in found.values())
    assert (paris.settings["dpd_timeout"], tokyo.settings["dpd_timeout"]) == ("22s", "26s")
    assert VpcRouterSpec.model_fields["give_up_after"].default == GIVE_UP_AFTER


@pytest.mark.parametrize("delay", [1, 30, 86_400])
def test_the_dpd_of_ikev1_waits_for_a_second_check(delay: int) -> None:
    """charon takes the delay from the timeout, without looking whether it is smaller."""
    [tunnel, _] = change_tunnels(two_routers(), ike__version=1, ike__dpd_delay=delay).tunnels.values()
    settings = compile_settings(tunnel, "1", 4)
    assert settings["dpd_timeout"] == f"{delay + delay + 4}s"
