"""charon's settings and its start script."""

from __future__ import annotations

from reconciler.compile.router import compile_router
from reconciler.facets import charon
from reconciler.facets.files import parse
from reconciler.model.secret import Secret
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
