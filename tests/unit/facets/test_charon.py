"""charon's settings and its start script."""

from __future__ import annotations

import pytest

from reconciler.compile.router import compile_router
from reconciler.facets.boot import charon
from reconciler.facets.connections import GIVES_UP, compile_settings
from reconciler.facets.files import parse
from reconciler.model.secret import Secret
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
    assert f"'{MARK}'" in charon.files()[charon.START].content


def test_the_settings_are_strongswans_and_name_the_script() -> None:
    settings = parse(charon.files()[charon.SETTINGS].content.encode())
    assert settings == {
        "charon": {
            "retransmit_timeout": "1.0",
            "retransmit_base": "1.0",
            "start-scripts": {"tunnelwright": f"/bin/sh {charon.START}"},
        }
    }


def test_charon_gives_up_when_the_dpd_of_ikev1_expects_it_to() -> None:
    """`retransmit_tries` is charon's default (charon.opt)."""
    settings = parse(charon.files()[charon.SETTINGS].content.encode())
    assert settings is not None
    section = settings["charon"]
    assert isinstance(section, dict)
    timeout, base = float(section["retransmit_timeout"]), float(section["retransmit_base"])
    assert sum(timeout * base**number for number in range(6)) == GIVES_UP


@pytest.mark.parametrize("delay", [1, 30, 86_400])
def test_the_dpd_of_ikev1_waits_for_a_second_check(delay: int) -> None:
    """charon takes the delay from the timeout, without looking whether it is smaller."""
    [tunnel, _] = change_tunnels(two_routers(), ike__version=1, ike__dpd_delay=delay).tunnels.values()
    settings = compile_settings(tunnel, "1")
    assert settings["dpd_timeout"] == f"{delay + delay + GIVES_UP}s"
